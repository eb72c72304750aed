/**
 * `npx … run supervisor` puts npm in front of the command, and npm dies of a SIGTERM without passing it on: the
 * product would go on, holding its ports, after whoever started it believes it stopped.
 */
import { readFileSync } from "node:fs";

/** npm, perhaps a shell, `bun run`, this process. */
const generationsMax = 4;

/** The process id of the npm this process runs under; undefined without one, or where there is no /proc. */
export function npmAncestor(pid: number): number | undefined {
  try {
    for (let generation = 0; generation < generationsMax; generation++) {
      // "pid (name) state ppid …", where the name may hold spaces and brackets.
      pid = Number(/^.*\) \S (\d+) /s.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1]);
      if (readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("npm ")) return pid;
    }
  } catch {
    // Not Linux, or the ancestors ended: nobody to follow.
  }
  return undefined;
}

/** Has this process, whatever it becomes by exec, told to stop once its npm is gone. Costs a shell that sleeps. */
export function stopWithNpm(): void {
  const npm = process.env.npm_config_npm_version === undefined ? undefined : npmAncestor(process.pid);
  if (npm === undefined) return;
  const watch = `while kill -0 ${npm} && kill -0 ${process.pid}; do sleep 0.5; done; kill -TERM ${process.pid}`;
  Bun.spawn(["sh", "-c", watch], { stdio: ["ignore", "ignore", "ignore"] }).unref();
}
