/** Daemons of a test's own: installed where they are missing, on addresses of its own, and gone with the process that asked for them. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

/**
 * Installs Debian packages as root, after saying so, unless all programs are there or LAKEHOUSE_INSTALL=off. Throws with
 * what apt-get said.
 */
export function installPackages(programs: readonly string[], packages: readonly string[]): void {
  if (programs.every((program) => Bun.which(program))) return;
  if (!Bun.which("apt-get")) throw new Error(`no apt-get here to install ${packages.join(" ")}`);
  const fix = `apt-get install ${packages.join(" ")}`;
  if (process.env.LAKEHOUSE_INSTALL === "off") throw new Error(`LAKEHOUSE_INSTALL=off; ${fix}`);
  if (userInfo().uid !== 0) throw new Error(`it takes root: ${fix}`);
  process.stderr.write(
    `tests need ${packages.join(", ")}: installing by apt-get (LAKEHOUSE_INSTALL=off: never)\n`,
  );
  const apt = (...words: string[]) =>
    Bun.spawnSync(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q", ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
  const wanted = ["install", "--no-install-recommends", ...packages];
  if (apt(...wanted).exitCode === 0) return;
  apt("update");
  const { exitCode, stderr } = apt(...wanted);
  if (exitCode !== 0)
    throw new Error(`apt-get install ${packages.join(" ")} failed: ${stderr.toString().slice(-500)}`);
}

/** A new directory for what the daemons keep, with `log/` in it. */
export function newRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "lakehouse-s3-"));
  mkdirSync(join(root, "log"));
  return root;
}

/**
 * Around a script that starts its daemons by `daemon`: runs them until its standard input closes, which the kernel
 * does when this process ends, however it ends.
 */
const reaper = (script: string): string => `daemons=
trap 'kill -9 $daemons 2>/dev/null; exec >&-; read -r _; rm -rf "$ROOT"' EXIT
trap 'exit 1' INT TERM HUP
exec 2>>"$ROOT/log/out"
daemon() { "$@" >>"$ROOT/log/out" 2>&1 </dev/null & daemons="$daemons $!"; }
${script}echo ready
read -r _
`;
/** In a session of its own: what ends this process's children must not end the one that cleans up after them. */
const detached = 'exec 3<&0; setsid sh -c "$REAPER" <&3 & wait';

export interface Held {
  /** Ends the daemons and removes what they kept. */
  stop: () => Promise<void>;
  /** The ends of their logs. */
  said: () => string;
}

/** Runs the script and waits until it has come to its end; throws with the ends of the logs when it does not. */
export async function holdDaemons(root: string, script: string, env: Record<string, string>): Promise<Held> {
  const child = Bun.spawn(["sh", "-c", detached], {
    cwd: root,
    env: { ...env, ROOT: root, REAPER: reaper(script) },
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.unref();
  const stop = async () => {
    child.stdin.end();
    await child.exited;
    rmSync(root, { recursive: true, force: true });
  };
  const logs = join(root, "log");
  const said = (): string =>
    readdirSync(logs)
      .map((name) => `${name}: ${readFileSync(join(logs, name), "utf8").slice(-1500)}`)
      .join("\n");
  const first = new TextDecoder().decode((await child.stdout.getReader().read()).value);
  if (first.includes("ready")) return { stop, said };
  const why = said();
  await stop();
  throw new Error(`the S3 server did not start: ${why}`);
}
