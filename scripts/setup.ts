/**
 * The bootstrap in front of every command: `bun scripts/setup.ts [script [arguments…]]`. It makes sure that the
 * packages of bun.lock are installed and that the FAISS binding was tried, then becomes the script, run by the
 * pinned Bun. On the warm path it reads three small files. It imports Bun built-ins alone, since node_modules may
 * be missing, and runs on older Buns too, since the pinned one may not be there yet.
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
import { stopWithNpm } from "./npm-parent.ts";

const root = resolve(import.meta.dir, "..");
const modules = join(root, "node_modules");
/** Work in progress and the lock; ignored by git. */
const staging = join(root, ".lakehouse-setup");
const stampFile = join(modules, ".lakehouse-setup");
const pinnedBun = join(modules, ".bin", "bun");
/** A setup beside this one may be building FAISS; no step of it lasts longer. */
const lockWaitMs = 15 * 60 * 1000;

/** Progress goes to stderr: stdout belongs to the command. */
const say = (line: string): void => {
  process.stderr.write(`setup: ${line}\n`);
};

const pinnedVersion = (packageJson: string): string => JSON.parse(packageJson).dependencies.bun;

/** What an installation is made for: the manifest, the lockfile and the kind of machine. */
export function wanted(): { stamp: string; bun: string } {
  const packageJson = readFileSync(join(root, "package.json"), "utf8");
  const lockfile = readFileSync(join(root, "bun.lock"), "utf8");
  const hash = new Bun.CryptoHasher("sha256").update(packageJson).update("\0").update(lockfile).digest("hex");
  return { stamp: `${process.platform}-${process.arch} ${hash}\n`, bun: pinnedVersion(packageJson) };
}

/** Whether the packages in node_modules are those of `stamp`. */
export const installed = (stamp: string): boolean =>
  existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp;

/** Runs `work` while no other setup of this clone does. The lock is the kernel's: it ends with its process. */
async function alone(work: () => Promise<void>): Promise<void> {
  mkdirSync(staging, { recursive: true });
  const lock = new Database(join(staging, "lock"));
  try {
    try {
      lock.exec("BEGIN EXCLUSIVE");
    } catch {
      say("another setup of this clone is running; waiting for it …");
      lock.exec(`PRAGMA busy_timeout = ${lockWaitMs}`);
      lock.exec("BEGIN EXCLUSIVE");
    }
    await work();
  } finally {
    lock.close();
  }
}

function runInstall(bun: string, cwd: string): void {
  // Another Bun may not know this lockfile's version: then the pinned one is fetched to do the install.
  const own = Bun.version === bun ? [process.execPath] : [process.execPath, "x", `bun@${bun}`];
  const run = Bun.spawnSync([...own, "install", "--frozen-lockfile"], {
    cwd,
    stdio: ["ignore", 2, "inherit"],
  });
  if (run.exitCode === 0) return;
  say("the packages could not be installed (see above).");
  say("  The npm registry must be reachable: check the network, HTTPS_PROXY and the registry in .npmrc,");
  say("  then run the command again. Without a network: copy node_modules from a clone on such a machine.");
  process.exit(1);
}

/**
 * The first installation is made aside and moved into place whole: half of one would already offer its `bun` to
 * `npx` and `bun run`, which prefer node_modules/.bin, and a second command started meanwhile would get a stub.
 */
function installAside(bun: string): void {
  for (const name of ["package.json", "bun.lock", "bunfig.toml", ".npmrc"]) {
    if (existsSync(join(root, name))) copyFileSync(join(root, name), join(staging, name));
  }
  runInstall(bun, staging);
  rmSync(modules, { recursive: true, force: true });
  renameSync(join(staging, "node_modules"), modules);
}

/** Slow steps, once for each lockfile. */
async function prepare(stamp: string, bun: string): Promise<void> {
  if (installed(stamp)) return;
  say(`installing packages (bun.lock, Bun ${bun}) …`);
  if (existsSync(pinnedBun)) runInstall(bun, root);
  else installAside(bun);
  const { ensureFaiss } = await import("./faiss.ts");
  ensureFaiss(say);
  writeFileSync(`${stampFile}.part`, stamp);
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
  const [script, ...rest] = process.argv.slice(2);
  const { stamp, bun } = wanted();
  if (!installed(stamp)) await alone(() => prepare(stamp, bun));
  if (script === undefined) process.exit(0);
  const runtime = Bun.version === bun ? process.execPath : pinnedBun;
  await become([runtime, join(root, script), ...rest]);
}
