/** What a bare DuckDB makes of a statement: a process of its own with a memory limit, and nothing else around it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { memoryOf } from "../product/product.ts";
import { temporaryDirectory } from "../stacks/in-process.ts";

export interface PlainRules {
  /** After so long it is interrupted, in milliseconds. */
  timeoutMs: number;
  /** DuckDB's own, in bytes. */
  memoryBytes: number;
}

/** How a bare DuckDB ended: `ended` is no fault, but an answer, an error, or an interrupt that was obeyed. */
export type PlainOutcome = "ended" | `killed by ${string}` | "hung" | `bloated to ${string} MB`;

/** An interrupt is obeyed when the statement ends within this, of the clock and of the processor alike. */
const obeyedMs = 2000;
/** What DuckDB may hold by its limit, and half as much again. */
const bloatedFrom = 1.5;
const lookEveryMs = 50;

/** Processor time of all its threads so far, in milliseconds: Linux counts hundredths of a second. */
function processorOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Runs the statement, which may read a file with this content; its process is gone when this resolves. */
export async function runPlain(
  sql: (file: string) => string,
  { timeoutMs, memoryBytes }: PlainRules,
  content?: Buffer,
): Promise<PlainOutcome> {
  const directory = temporaryDirectory("plain");
  const [statement, file, spill] = ["statement", "file", "spill"].map((name) =>
    join(directory.path, name),
  ) as [string, string, string];
  await Bun.write(statement, sql(file));
  if (content) await Bun.write(file, content);
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "plain-child.ts"), statement, `${memoryBytes}B`, spill],
    { stdin: "pipe", stdout: "pipe", stderr: "ignore" },
  );
  let said = "";
  const begun = Promise.withResolvers<void>();
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      said += decoder.decode(chunk, { stream: true });
      begun.resolve();
    }
    begun.resolve();
  })();
  try {
    await begun.promise;
    const since = performance.now();
    let interrupted: { ms: number; cpuMs: number } | undefined;
    while (child.exitCode === null && child.signalCode === null) {
      await Promise.race([child.exited, Bun.sleep(lookEveryMs)]);
      if (child.exitCode !== null || child.signalCode !== null) break;
      const { resident } = await memoryOf(child.pid).catch(() => ({ resident: 0 }));
      if (resident > memoryBytes * bloatedFrom) return `bloated to ${Math.round(resident / 1e6)} MB`;
      const ms = performance.now() - since;
      if (ms > timeoutMs && interrupted === undefined) {
        child.stdin.write("interrupt\n");
        await child.stdin.flush();
        interrupted = { ms, cpuMs: processorOf(child.pid) };
      }
      if (interrupted === undefined || ms < interrupted.ms + obeyedMs) continue;
      if (processorOf(child.pid) > interrupted.cpuMs + obeyedMs || ms > interrupted.ms + 15 * obeyedMs)
        return "hung";
    }
    await reading;
    if (child.exitCode === 0 && said.trimEnd().endsWith("}")) return "ended";
    return `killed by ${child.signalCode ?? `exit ${child.exitCode}`}`;
  } finally {
    child.kill("SIGKILL");
    await child.exited;
    directory.remove();
  }
}
