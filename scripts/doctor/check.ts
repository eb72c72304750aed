import { messageOf } from "../subprocess/subprocess.ts";

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
