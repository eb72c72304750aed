/** The root of a new user's machine, made once by debootstrap and kept outside of the clone. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { run, runStep, type Say } from "../subprocess/subprocess.ts";
import { writeRegistryFiles } from "./registry-access.ts";

/** Debian 12, the oldest system that REPLICATION.md names. */
const suite = "bookworm";
const recipe = join(import.meta.dir, "make-root.sh");
/** 80 s where it was measured. */
const makeTimeoutMs = 15 * 60_000;
const installTimeoutMs = 5 * 60_000;

/** Where it is kept; another recipe makes another root. */
function rootPath(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const hash = Bun.hash(suite + readFileSync(recipe, "utf8")).toString(36);
  return join(cache, "lakehouse", `pristine-${suite}-${hash}`);
}

/** The root, made where it is missing; undefined when that failed, which was said then. */
export async function pristineRoot(say: Say): Promise<string | undefined> {
  const path = rootPath();
  if (existsSync(path)) return path;
  if (!(await hasDebootstrap(say))) return undefined;
  const part = `${path}.part-${process.pid}`;
  const extra = mkdtempSync(join(tmpdir(), "lakehouse-extra-"));
  try {
    writeRegistryFiles(extra);
    mkdirSync(part, { recursive: true });
    say(`making the root of a new machine in ${path}, once: about 2 minutes …`);
    const isMade = await runStep(
      {
        name: "making the root of a new machine",
        command: ["bash", recipe, part, suite, await mirror(), extra],
        timeoutMs: makeTimeoutMs,
        otherwise: ["fix: the system's package mirror must be reachable; then run it again"],
      },
      say,
    );
    if (!isMade) return undefined;
    // Another run may have been quicker.
    if (!existsSync(path)) renameSync(part, path);
    return path;
  } finally {
    rmSync(part, { recursive: true, force: true });
    rmSync(extra, { recursive: true, force: true });
  }
}

/** The mirror of this machine's own package lists, or "" for debootstrap's own choice. */
async function mirror(): Promise<string> {
  const { code, out } = await run(["apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)"], {
    timeoutMs: installTimeoutMs,
  });
  const [, site = ""] = new RegExp(`^${suite} (\\S+)$`, "m").exec(out) ?? [];
  return code === 0 ? site : "";
}

async function hasDebootstrap(say: Say): Promise<boolean> {
  if (Bun.which("debootstrap") !== null) return true;
  if (process.env.LAKEHOUSE_INSTALL === "off" || Bun.which("apt-get") === null) {
    say(
      "debootstrap is missing, which makes the root of a new machine (Debian, Ubuntu: apt-get install debootstrap)",
    );
    return false;
  }
  say(
    "debootstrap makes the root of a new machine: it is installed by apt-get now (LAKEHOUSE_INSTALL=off keeps that from happening)",
  );
  const step = (words: string[]) =>
    runStep(
      {
        name: `apt-get ${words[0]}${words.length > 1 ? " debootstrap" : ""}`,
        command: ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", ...words],
        timeoutMs: installTimeoutMs,
        otherwise: ["fix: apt-get install debootstrap"],
      },
      say,
    );
  return (await step(["update"])) && step(["install", "--no-install-recommends", "debootstrap"]);
}
