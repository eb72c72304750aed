/** One thing Lakehouse depends on, and how it is. `bun run doctor --json` prints a list of these: stable names and states. */
export interface Check {
  /** As `data directory` or `bucket primary`. */
  name: string;
  /** Without it Lakehouse, as it is configured, does not start or loses what it promises; the others make it better. */
  required: boolean;
  state: "ok" | "missing";
  /** What was found, in a few words; never a secret. */
  found: string;
  /** What to do; only when it is missing. */
  fix?: string;
}

export const ok = (name: string, required: boolean, found: string): Check => ({
  name,
  required,
  state: "ok",
  found,
});
export const missing = (name: string, required: boolean, found: string, fix: string): Check => ({
  name,
  required,
  state: "missing",
  found,
  fix,
});

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** Longest time of one probe, in milliseconds: a start of storaged on a busy machine takes some seconds. */
const probeTimeoutMs = 30_000;

/** The probe's checks; one that takes too long, or fails in a way it did not think of, is missing itself. */
export async function bounded(
  name: string,
  required: boolean,
  probe: () => Check | Check[] | Promise<Check | Check[]>,
  timeoutMs = probeTimeoutMs,
): Promise<Check[]> {
  const late = Promise.withResolvers<Check>();
  const timer = setTimeout(
    () =>
      late.resolve(
        missing(
          name,
          required,
          `no answer in ${timeoutMs / 1000} s`,
          "try again when the machine is less busy",
        ),
      ),
    timeoutMs,
  );
  try {
    return [await Promise.race([Promise.resolve().then(probe), late.promise])].flat();
  } catch (cause) {
    return [missing(name, required, messageOf(cause), "mend what the message names")];
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a command without a shell, at most so long; what it printed, and how it ended. Never rejects. */
export async function run(
  command: readonly string[],
  { timeoutMs, cwd, env }: { timeoutMs: number; cwd?: string; env?: Record<string, string> },
): Promise<{ code: number; out: string; err: string }> {
  try {
    const child = Bun.spawn([...command], {
      ...(cwd !== undefined && { cwd }),
      ...(env && { env }),
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, out: out.trim(), err: err.trim() || (child.killed ? `ended after ${timeoutMs} ms` : "") };
  } catch (cause) {
    return { code: -1, out: "", err: messageOf(cause) };
  }
}
