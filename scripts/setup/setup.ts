/**
 * The bootstrap in front of every command: `bun scripts/setup/setup.ts [--development] [script [arguments…]]`. It makes sure
 * that the packages of bun.lock are installed (those of development too where the command asks for them) and that the
 * FAISS binding was tried, then becomes the script, run by the pinned Bun; without a script it has the product's bundle made. On the warm path it reads three small
 * files. It imports Bun built-ins alone, since node_modules may be missing, and runs on older Buns too, since the
 * pinned one may not be there yet.
 */
import { Database } from "bun:sqlite";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { messageOf, runStep } from "../subprocess/subprocess.ts";
import { bytesIn } from "./disk-usage.ts";
import { stopWithNpm } from "./npm-parent.ts";

const root = resolve(import.meta.dir, "../..");
const modules = join(root, "node_modules");
/** Work in progress and the lock; ignored by git. */
const staging = join(root, ".lakehouse-setup");
const stampFile = join(modules, ".lakehouse-setup");
const pinnedBun = join(modules, ".bin", "bun");
/** In front of a command that needs the packages of development. */
const development = "--development";
/** For a slow registry; the progress is on the terminal meanwhile. */
const installTimeoutMs = 20 * 60 * 1000;
/** A concurrent setup may be building FAISS; none of its steps lasts longer. */
const lockWaitMs = 30 * 60 * 1000;

/** Progress goes to stderr: stdout belongs to the command. */
const say = (line: string): void => {
  process.stderr.write(`setup: ${line}\n`);
};

const pinnedVersion = (packageJson: string): string => JSON.parse(packageJson).dependencies.bun;

/** The packages that the product and its operator's commands need, or those of tests and lint as well. */
export type PackageSet = "production" | "all";

/** What each takes, in MB and MiB, where it was measured (linux-x64): over the network with an empty cache, and on the disk. */
const weights: Record<PackageSet, { fetched: number; onDisk: number }> = {
  production: { fetched: 114, onDisk: 328 },
  all: { fetched: 166, onDisk: 516 },
};

/** What an installation is made for: the manifest, the lockfile and the kind of machine. */
export function wanted(): { stamp: string; bun: string } {
  const packageJson = readFileSync(join(root, "package.json"), "utf8");
  const lockfile = readFileSync(join(root, "bun.lock"), "utf8");
  const hash = new Bun.CryptoHasher("sha256").update(packageJson).update("\0").update(lockfile).digest("hex");
  return { stamp: `${process.platform}-${process.arch} ${hash}`, bun: pinnedVersion(packageJson) };
}

export const stampOf = (stamp: string, set: PackageSet): string => `${stamp} ${set}\n`;

/** Whether node_modules holds what `set` needs of the packages of `stamp`: all of them hold production's too. */
export function installed(stamp: string, set: PackageSet): boolean {
  const found = existsSync(stampFile) ? readFileSync(stampFile, "utf8") : "";
  return found === stampOf(stamp, "all") || found === stampOf(stamp, set);
}

/** Runs `work` while no other setup of this clone does. The lock is the kernel's: it ends with its process. */
async function alone(work: () => Promise<void>): Promise<void> {
  mkdirSync(staging, { recursive: true });
  const lock = new Database(join(staging, "lock"));
  try {
    try {
      lock.exec("BEGIN EXCLUSIVE");
    } catch (cause) {
      if (!/locked|busy/i.test(messageOf(cause))) throw cause;
      say("another setup of this clone is running; waiting for it …");
      lock.exec(`PRAGMA busy_timeout = ${lockWaitMs}`);
      lock.exec("BEGIN EXCLUSIVE");
    }
    await work();
  } finally {
    lock.close();
  }
}

/** 14 MiB that usearch would be built from: its binaries for every platform that this runs on come with it. */
const sourcesOfPrebuilt = "usearch/numkong";

async function runInstall(bun: string, cwd: string, set: PackageSet): Promise<void> {
  // Another Bun may not know this lockfile's version: then the pinned one is fetched to do the install.
  const own = Bun.version === bun ? [process.execPath] : [process.execPath, "x", `bun@${bun}`];
  // Peers are types, but for those that are dependencies as well.
  const chosen = set === "production" ? ["--production", "--omit=peer"] : [];
  const installedMB = (): string => `${Math.round(bytesIn(join(cwd, "node_modules")) / 2 ** 20)} MiB on disk`;
  const { fetched, onDisk } = weights[set];
  const which =
    set === "production" ? "the packages that the product needs" : "all packages, those of development too";
  say(`installing ${which} (bun.lock, Bun ${bun}): about ${fetched} MB to fetch, ${onDisk} MiB on disk …`);
  const startedAt = performance.now();
  const isDone = await runStep(
    {
      name: "installing packages",
      command: [...own, "install", "--frozen-lockfile", ...chosen] as [string, ...string[]],
      timeoutMs: installTimeoutMs,
      cwd,
      shown: true,
      progress: installedMB,
      otherwise: [
        "the packages could not be installed (see above).",
        "The npm registry must be reachable: check the network, HTTPS_PROXY and the registry in .npmrc,",
        "then run the command again. Without a network: copy node_modules from a clone on such a machine.",
      ],
    },
    say,
  );
  if (!isDone) process.exit(1);
  rmSync(join(cwd, "node_modules", sourcesOfPrebuilt), { recursive: true, force: true });
  say(
    `packages are installed: ${installedMB()}, in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
  );
}

/**
 * The first installation is made aside and moved into place whole: half of one would already offer its `bun` to
 * `npx` and `bun run`, which prefer node_modules/.bin, and a second command started meanwhile would get a stub.
 */
async function installAside(bun: string, set: PackageSet): Promise<void> {
  for (const name of ["package.json", "bun.lock", "bunfig.toml", ".npmrc"]) {
    if (existsSync(join(root, name))) copyFileSync(join(root, name), join(staging, name));
  }
  await runInstall(bun, staging, set);
  rmSync(modules, { recursive: true, force: true });
  renameSync(join(staging, "node_modules"), modules);
}

/** Slow steps, once for each lockfile and set of packages. */
async function prepare(stamp: string, bun: string, set: PackageSet): Promise<void> {
  if (installed(stamp, set)) return;
  if (existsSync(pinnedBun)) await runInstall(bun, root, set);
  else await installAside(bun, set);
  const { ensureFaiss } = await import("../faiss/faiss.ts");
  await ensureFaiss(say);
  writeFileSync(`${stampFile}.part`, stampOf(stamp, set));
  renameSync(`${stampFile}.part`, stampFile);
}

/** Replaces this process by the command; where the running Bun cannot, stands in front of it. */
async function become(command: [string, ...string[]]): Promise<never> {
  stopWithNpm();
  if (typeof process.execve === "function")
    process.execve(command[0], command, process.env as Record<string, string>);
  const child = Bun.spawn(command, { stdio: ["inherit", "inherit", "inherit"] });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
  process.exit(await child.exited);
}

if (import.meta.main) {
  const words = process.argv.slice(2);
  const set: PackageSet = words[0] === development ? "all" : "production";
  const [script, ...rest] = words[0] === development ? words.slice(1) : words;
  const { stamp, bun } = wanted();
  if (!installed(stamp, set)) await alone(() => prepare(stamp, bun, set));
  const runtime = Bun.version === bun ? process.execPath : pinnedBun;
  if (script === undefined) {
    // Makes the bundle, which a service may have no right to make (ADR 0175).
    Bun.spawnSync([runtime, join(root, "runtime/main.ts"), "--help"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    process.exit(0);
  }
  await become([runtime, join(root, script), ...rest]);
}
