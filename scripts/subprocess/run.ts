/** The one way in which set-up and the doctor run a command. */

export interface Ran {
  /** Exit code; -1 when it did not start or was ended. */
  code: number;
  out: string;
  /** What it wrote to its error stream, or why it did not start, or that it took too long. */
  err: string;
}

export interface Bounds {
  /** Any number: what is left of another bound is rarely a whole one. */
  timeoutMs: number;
  cwd?: string;
  env?: Record<string, string>;
}

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/**
 * Runs a command without a shell, at most so long. Never rejects: what kept it from running is in `err`.
 * The bound is a timer of our own, since `Bun.spawn` throws on a `timeout` that is no integer.
 */
export async function run(command: readonly string[], { timeoutMs, cwd, env }: Bounds): Promise<Ran> {
  let child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  try {
    const place = { ...(cwd !== undefined && { cwd }), ...(env && { env }) };
    child = Bun.spawn([...command], { ...place, stdio: ["ignore", "pipe", "pipe"] });
  } catch (cause) {
    return { code: -1, out: "", err: messageOf(cause) };
  }
  const { late, code, text } = await ended(child, timeoutMs, [child.stdout, child.stderr]);
  const [out = "", err = ""] = text;
  return late
    ? { code: -1, out, err: `${err}\nended after ${Math.round(timeoutMs)} ms`.trim() }
    : { code, out, err };
}

interface Process {
  readonly exited: Promise<number>;
  kill: (signal: "SIGKILL") => void;
}

/** Waits for the end of a process, which it brings about when that takes too long. */
export async function ended(
  child: Process,
  timeoutMs: number,
  streams: readonly ReadableStream<Uint8Array>[],
) {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  const text = streams.map(() => "");
  const reading = streams.map(async (stream, at) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) text[at] += decoder.decode(bytes, { stream: true });
  });
  const code = await child.exited;
  clearTimeout(timer);
  // What was left behind by one that was killed holds its pipes: then its output is waited for only a moment.
  await (late ? Promise.race([Promise.all(reading), Bun.sleep(200)]) : Promise.all(reading));
  return { late, code, text: text.map((each) => each.trim()) };
}
