/** A machine made fresh, to try commands on that would change this one: scripts/machine/boot.sh in namespaces. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { messageOf } from "../subprocess/subprocess.ts";

export { pristineRoot } from "./pristine-root.ts";
export { registryVariables, writeRegistryFiles } from "./registry-access.ts";

const root = resolve(import.meta.dir, "../..");
const bootTimeoutMs = 120_000;
const endTimeoutMs = 60_000;

interface Outcome {
  /** Of the shell; undefined when it was ended because it took too long. */
  code: number | undefined;
  /** Both streams, as a terminal would show them. */
  output: string;
}

interface RunOptions {
  /** With this machine's network instead of its own loopback, to reach package registries. */
  online?: boolean;
  timeoutMs: number;
  /** The shell goes on; what it prints until it ends is `output()` of the answer. */
  onOutput?: (text: string) => void;
}

/** What a machine is made of. */
type Base =
  /** This machine's system, under systemd, with a network of its own. */
  | { kind: "systemd" }
  /** A root with next to nothing, with this machine's network: files laid over it, and variables of every command. */
  | { kind: "bare"; lower: string; extra: string; env: Readonly<Record<string, string>> };

export interface Machine {
  name: string;
  /** Its process 1, as this machine sees it. */
  pid: number;
  /** Runs a script by bash as root, with an empty environment. */
  run: (script: string, options: RunOptions) => Promise<Outcome>;
  /** Ends it with all that runs on it. */
  end: () => Promise<void>;
}

const namespacesOf: Record<Base["kind"], string[]> = {
  systemd: ["--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup"],
  bare: ["--pid", "--mount", "--uts", "--ipc"],
};
const toolsOf: Record<Base["kind"], string[]> = {
  systemd: ["setpriv", "unshare", "nsenter", "pivot_root", "ip", "git"],
  bare: ["setpriv", "unshare", "nsenter", "pivot_root", "git"],
};

/** The mounts that boot.sh makes, in small: where this works, a boot that fails is a fault. */
const trial = `mount --make-rprivate / && mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir upper work root &&
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root && mount -t proc proc root/proc &&
mkdir -p root/mnt && cd root && pivot_root . mnt && umount -l /mnt`;

/** Why no such machine can be made here, or undefined. */
export function noMachine(kind: Base["kind"] = "systemd"): string | undefined {
  if (process.platform !== "linux") return "it takes Linux";
  if (process.getuid?.() !== 0) return "it takes root";
  for (const tool of toolsOf[kind]) if (Bun.which(tool) === null) return `${tool} is missing`;
  if (kind === "systemd" && !existsSync("/lib/systemd/systemd")) return "systemd is missing";
  if (kind === "systemd" && cgroupMount() === undefined) return "there is no cgroup2";
  const directory = mkdtempSync(join(tmpdir(), "lakehouse-trial-"));
  const words = ["unshare", "--fork", ...namespacesOf[kind], "sh", "-c", trial, "trial", directory];
  const tried = Bun.spawnSync(words, { stdio: ["ignore", "pipe", "pipe"] });
  rmSync(directory, { recursive: true, force: true });
  return tried.exitCode === 0 ? undefined : `namespaces cannot be made: ${tried.stderr.toString().trim()}`;
}

const cgroupMount = (): string | undefined =>
  readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , kind]) => kind === "cgroup2")?.[1];

/**
 * The tree as it is committed, with what is changed in it, as a bare repository. Nothing is checked out on the way:
 * making two thousand files takes longer than all else of a boot.
 */
async function sourceIn(directory: string): Promise<string> {
  const bare = join(directory, "lakehouse.git");
  const env = { ...process.env, GIT_INDEX_FILE: join(directory, "index") };
  const git = (...words: string[]): string => {
    const done = Bun.spawnSync(["git", "-c", "safe.directory=*", ...words], { cwd: root, env });
    if (done.exitCode !== 0) throw new Error(`git ${words.join(" ")}: ${done.stderr.toString().trim()}`);
    return done.stdout.toString().trim();
  };
  git("clone", "--quiet", "--bare", "--no-hardlinks", root, bare);
  const into = [`--git-dir=${bare}`, `--work-tree=${root}`];
  git(...into, "add", "--all");
  const tree = git(...into, "write-tree");
  if (tree === git(...into, "rev-parse", "HEAD^{tree}")) return bare;
  const by = ["-c", "user.name=runbook", "-c", "user.email=runbook@localhost"];
  const commit = git(...by, ...into, "commit-tree", "-p", "HEAD", "-m", "as it is", tree);
  git(...into, "update-ref", "HEAD", commit);
  return bare;
}

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Boots one; `name` is its host name, `shared` a directory that it sees at /mnt/shared. Throws with what its boot
 * printed when it does not come up.
 */
export async function bootMachine(
  name: string,
  shared: string,
  base: Base = { kind: "systemd" },
): Promise<Machine> {
  const directory = mkdtempSync(join(tmpdir(), "lakehouse-machine-"));
  const mount = join(directory, "mount");
  mkdirSync(mount);
  const group = base.kind === "systemd" ? makeGroup(name) : undefined;
  let child: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;
  // Process 1 ends with unshare (--kill-child), which ends with this process, however that ends (--pdeathsig).
  const kill = () => {
    group?.kill();
    child?.kill("SIGKILL");
  };
  const end = async () => {
    kill();
    await child?.exited;
    await group?.remove();
    forget();
    process.off("exit", atExit);
  };
  const forget = () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  // A program that is interrupted leaves nothing behind it.
  const atExit = () => {
    kill();
    forget();
  };
  process.once("exit", atExit);
  try {
    const source = await sourceIn(directory);
    const { lower, extra } = base.kind === "bare" ? base : { lower: "/", extra: "" };
    const words = ["setpriv", "--pdeathsig", "KILL"];
    words.push("unshare", "--fork", "--kill-child", ...namespacesOf[base.kind]);
    const boot = [
      "bash",
      join(import.meta.dir, "boot.sh"),
      base.kind,
      mount,
      lower,
      source,
      name,
      shared,
      extra,
    ];
    child = Bun.spawn([...(group?.enter ?? []), ...words, ...boot], { stdio: ["ignore", "pipe", "pipe"] });
    const said = new Response(child.stderr).text();
    const pid = await Promise.race([booted(child.pid, base, mount), child.exited.then(() => undefined)]);
    if (pid === undefined) throw new Error(`the machine does not boot: ${(await said).trim()}`);
    return { name, pid, run: (script, options) => enterAndRun(pid, base, script, options), end };
  } catch (cause) {
    await end();
    throw cause;
  }
}

/** A control group for a machine: its systemd makes more in it. */
function makeGroup(name: string) {
  const path = join(cgroupMount() ?? "", `lakehouse-${process.pid}-${name}`);
  mkdirSync(path);
  return {
    // Into the group before the namespace is made, so that the group is the machine's root.
    enter: ["bash", "-c", 'echo 0 > "$1/cgroup.procs"; shift; exec "$@"', "enter", path],
    kill: () => void (existsSync(path) && writeFileSync(join(path, "cgroup.kill"), "1")),
    remove: async () => {
      // The kernel takes a moment to reap those it has killed, a long one on a busy machine.
      const until = performance.now() + endTimeoutMs;
      while (readText(join(path, "cgroup.events")).includes("populated 1") && performance.now() < until)
        await Bun.sleep(50);
      removeGroup(path);
    },
  };
}

/** A cable between two machines, with the addresses that their /etc/hosts name. */
export function connect(a: Machine, b: Machine): void {
  const inside = ({ pid }: Machine, ...words: string[]) => {
    const done = Bun.spawnSync(["nsenter", "-t", String(pid), "-n", "ip", ...words]);
    if (done.exitCode !== 0) throw new Error(`ip ${words.join(" ")}: ${done.stderr.toString().trim()}`);
  };
  inside(a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", String(b.pid));
  for (const [at, machine] of [a, b].entries()) {
    inside(machine, "addr", "add", `198.18.0.${at + 1}/30`, "dev", "eth0");
    inside(machine, "link", "set", "eth0", "up");
  }
}

/** Waits until it has started what there is to start. */
async function booted(unshare: number, base: Base, mount: string): Promise<number> {
  const [process1, wait] =
    base.kind === "systemd"
      ? ["systemd", "systemctl is-system-running --wait || systemctl is-system-running | grep -q degraded"]
      : ["bash", `test -e /run/booted-${mount.replaceAll("/", "-")}`];
  const until = performance.now() + bootTimeoutMs;
  while (performance.now() < until) {
    const pid = Number(readText(`/proc/${unshare}/task/${unshare}/children`).trim().split(" ")[0]);
    if (pid > 0 && readText(`/proc/${pid}/comm`).trim() === process1) {
      const { code } = await enterAndRun(pid, base, wait, { timeoutMs: bootTimeoutMs });
      if (code === 0) return pid;
    }
    await Bun.sleep(50);
  }
  throw new Error(`the machine did not come up within ${bootTimeoutMs} ms`);
}

/** Empty for what is gone, as the file of a process that ended. */
const readText = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (!/ENOENT|ESRCH|ENODEV/.test(messageOf(cause))) throw cause;
    return "";
  }
};

async function enterAndRun(pid: number, base: Base, script: string, options: RunOptions): Promise<Outcome> {
  const own = base.kind === "systemd" ? ["-C", ...(options.online ? [] : ["-n"])] : [];
  // Its own root: where this process itself runs in a changed one, that is not the root of the mounts.
  const namespaces = ["-m", "-r", "-w", "-u", "-i", "-p", ...own];
  const variables = Object.entries(base.kind === "bare" ? base.env : {}).map(
    ([name, value]) => `${name}=${value}`,
  );
  const environment = [
    "env",
    "-i",
    "HOME=/root",
    `PATH=${systemPath}`,
    "LANG=C.UTF-8",
    "TERM=dumb",
    ...variables,
  ];
  const shell = Bun.spawn(
    ["nsenter", "-t", String(pid), ...namespaces, "--", ...environment, "bash", "-c", script],
    { stdio: ["ignore", "pipe", "pipe"], cwd: "/" },
  );
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      const text = decoder.decode(bytes, { stream: true });
      output += text;
      options.onOutput?.(text);
    }
  };
  const reading = Promise.all([collect(shell.stdout), collect(shell.stderr)]);
  const timer = setTimeout(() => shell.kill("SIGKILL"), options.timeoutMs);
  const code = await shell.exited;
  clearTimeout(timer);
  // What a script left behind in the background holds the pipes: its output is waited for only a moment.
  await Promise.race([reading, Bun.sleep(200)]);
  return { code: shell.signalCode === "SIGKILL" ? undefined : code, output };
}

/** A group and those that its systemd made in it, innermost first. */
function removeGroup(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(join(path, entry.name));
  rmdirSync(path);
}
