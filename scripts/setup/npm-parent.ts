/**
 * `npx … run supervisor` puts npm in front of the command, and npm dies of a SIGTERM without passing it on: the
 * product would go on, holding its ports, after whoever started it believes it stopped.
 */
import { existsSync, readFileSync } from "node:fs";

/** npm, perhaps a shell, `bun run`, this process. */
const generationsMax = 4;

/** A process' parent and its command, by /proc, else by ps(1), which macOS has; undefined when it ended. */
function lookUp(pid: number, proc: string): { parent: number; command: string } | undefined {
  if (!existsSync(proc)) {
    if (Bun.which("ps") === null) return undefined;
    const ps = Bun.spawnSync(["ps", "-o", "ppid=,args=", "-p", String(pid)]);
    const [, parent, command = ""] = /^\s*(\d+)\s+(.*)/.exec(ps.stdout.toString()) ?? [];
    return parent === undefined ? undefined : { parent: Number(parent), command };
  }
  try {
    // "pid (name) state ppid …", where the name may hold spaces and brackets.
    const [, parent] = /^.*\) \S (\d+) /s.exec(readFileSync(`${proc}/${pid}/stat`, "utf8")) ?? [];
    return { parent: Number(parent), command: readFileSync(`${proc}/${pid}/cmdline`, "utf8") };
  } catch {
    return undefined; // it ended meanwhile: nobody to follow
  }
}

/** The process id of the npm this process runs under; undefined without one. */
export function npmAncestor(pid: number, proc = "/proc"): number | undefined {
  let parent = lookUp(pid, proc)?.parent;
  for (let generation = 0; generation < generationsMax && parent !== undefined; generation++) {
    const found = lookUp(parent, proc);
    if (found?.command.startsWith("npm ")) return parent;
    parent = found?.parent;
  }
  return undefined;
}

/** Has this process, whatever it becomes by exec, told to stop once its npm is gone. Costs a shell that sleeps. */
export function stopWithNpm(): void {
  // Not by its variables: which of them a command finds differs from npm to npm (9 sets none of its version).
  const npm = npmAncestor(process.pid);
  if (npm === undefined) return;
  const watch = `while kill -0 ${npm} && kill -0 ${process.pid}; do sleep 0.5; done; kill -TERM ${process.pid}`;
  Bun.spawn(["sh", "-c", watch], { stdio: ["ignore", "ignore", "ignore"] }).unref();
}
