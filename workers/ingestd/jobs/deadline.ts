/** The time that the work on a file may take: a base, and more for each byte. Its error says which phases took long. */

import type { Config } from "../../../runtime/config/config.ts";
import { fail, invalidField, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

export interface Deadline {
  /** Starts the deadline: the whole file has been received, with so many bytes decompressed. */
  begin: (bytes: number) => void;
  /** Says which phase begins. */
  phase: (what: string) => void;
  /** To be called in every case. */
  end: () => void;
}

type Limits = Pick<Config["ingestd"], "base_timeout_ms" | "timeout_bytes_per_s" | "max_timeout_ms">;

interface DeadlineOptions {
  limits: Limits;
  /** As the request names it. */
  askedMs: number | undefined;
  clock: Clock;
  /** Ends the work. */
  stop: (why: ServiceError) => void;
}

/** Throws `invalid_field` for a longer time than may be asked for. */
export function createDeadline({ limits, askedMs, clock, stop }: DeadlineOptions): Deadline {
  const { base_timeout_ms: baseMs, timeout_bytes_per_s: bytesPerS, max_timeout_ms: maxMs } = limits;
  if (askedMs !== undefined && askedMs > maxMs)
    throw invalidField("timeout_ms", `at most ${maxMs}, got ${askedMs}`);
  /** Milliseconds of each phase, in the order in which they were begun. */
  const spent = new Map<string, number>();
  let now = { what: "reading the file", since: clock.elapsed() };
  const phase = (what: string) => {
    const at = clock.elapsed();
    spent.set(now.what, (spent.get(now.what) ?? 0) + at - now.since);
    now = { what, since: at };
  };
  const late = (ms: number, bytes: number): ServiceError => {
    phase("");
    const phases = [...spent]
      .sort(([, a], [, b]) => b - a)
      .map(([what, took]) => `${what} ${Math.round(took)} ms`);
    const by =
      askedMs === undefined
        ? `what ingestd gives ${bytes} bytes (${baseMs} ms and a second for each ${bytesPerS} bytes)`
        : "what timeout_ms says";
    const advice =
      ms < maxMs ? `send timeout_ms of up to ${maxMs}, or a smaller file` : "send a smaller file";
    return fail(
      "timeout",
      `the work on the file took longer than ${ms} ms, ${by}: ${phases.join(", ")}; nothing was registered. To give it more, ${advice}`,
    );
  };
  let forget = () => {};
  return {
    begin: (bytes) => {
      spent.clear();
      now.since = clock.elapsed();
      const ms = askedMs ?? Math.min(maxMs, Math.round(baseMs + (bytes / bytesPerS) * 1000));
      forget = clock.after(ms, () => stop(late(ms, bytes)));
    },
    phase,
    end: () => forget(),
  };
}
