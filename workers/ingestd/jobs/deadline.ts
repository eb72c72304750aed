/**
 * The time that the work on a file may take: a base, and more for each byte. It counts from the first byte, without the
 * time in which the client is waited for: decompressing and dividing are work, too. Its error says which phases took long.
 */

import type { Config } from "../../../runtime/config/config.ts";
import { fail, invalidField, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

export interface Deadline {
  /** The client is waited for, which is no work. So it is at first. */
  waits: () => void;
  /** The client has sent something, or all: work goes on. */
  goesOn: () => void;
  /** So many bytes more were received, decompressed. */
  more: (bytes: number) => void;
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
  let bytes = 0;
  /** Of the work, in milliseconds: what ended when the client was waited for, and since when it has gone on again. */
  let worked = 0;
  let since: number | undefined;
  let isOver = false;
  let forget: (() => void) | undefined;
  const workedMs = () => worked + (since === undefined ? 0 : clock.elapsed() - since);
  const allowedMs = () => askedMs ?? Math.min(maxMs, Math.round(baseMs + (bytes / bytesPerS) * 1000));
  /** Milliseconds of each phase, in the order in which they were begun. */
  const spent = new Map<string, number>();
  let now = { what: "receiving the file", from: 0 };
  const phase = (what: string) => {
    const at = workedMs();
    spent.set(now.what, (spent.get(now.what) ?? 0) + at - now.from);
    now = { what, from: at };
  };
  const late = (ms: number): ServiceError => {
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
  /** One timer for all pieces of a body: it looks again when more was received meanwhile, or the client was waited for. */
  const look = () => {
    forget = undefined;
    if (since === undefined || isOver) return;
    const left = allowedMs() - workedMs();
    if (left > 0) {
      forget = clock.after(left, look);
      return;
    }
    isOver = true;
    stop(late(allowedMs()));
  };
  return {
    waits: () => {
      worked = workedMs();
      since = undefined;
    },
    goesOn: () => {
      since ??= clock.elapsed();
      if (forget === undefined) look();
    },
    more: (received) => {
      bytes += received;
    },
    phase,
    end: () => {
      isOver = true;
      forget?.();
    },
  };
}
