/** One model asked for one answer: deadlines, tries, and the first token of a stream. */
import type { Clock } from "../../runtime/clock.ts";
import { hostOf } from "../../runtime/foreign.ts";
import { isThere } from "./connect-check.ts";
import { createDeadline, type Deadline } from "./deadline.ts";
import { failure, type Json, type Provider, type ProviderCall, ProviderFailure } from "./provider.ts";
import type { ProviderSetting } from "./provider-setting.ts";

/** Chunks held back until one of them brings a token: a role, an empty text. */
const preludeMax = 64;

export interface Attempted {
  provider: Provider;
  setting: ProviderSetting;
  call: Omit<ProviderCall, "signal" | "onAnswer">;
  streamed: boolean;
}

export interface AttemptOptions {
  clock: Clock;
  signal: AbortSignal;
  /** Called before each try after the first. */
  onRetry: () => void;
}

/** What came: a whole answer, or a stream whose first token is there. */
export type Opened = { whole: Json; deadline: Deadline } | Begun;

interface Begun {
  whole?: undefined;
  /** Chunks up to the first token. */
  prelude: Json[];
  /** What follows; undefined when that was all. */
  rest: AsyncGenerator<Json> | undefined;
  deadline: Deadline;
}

/**
 * Asks until there is a first token or a whole answer. Throws a ProviderFailure when tries, time or patience are used
 * up, and the signal's reason when that aborts.
 */
export async function attempt(asked: Attempted, { clock, signal, onRetry }: AttemptOptions): Promise<Opened> {
  const { setting, call } = asked;
  const who = `${setting.name} (model '${call.id}')`;
  const deadline = createDeadline(signal, { clock, totalMs: setting.totalTimeoutMs, who });
  const end = clock.elapsed() + setting.totalTimeoutMs;
  try {
    for (let tries = 0; ; tries++) {
      const outcome = await tried(() => once(asked, deadline, clock));
      if (!(outcome instanceof ProviderFailure)) return outcome;
      const waitMs = outcome.retryAfterMs ?? setting.retryWaitMs * 2 ** tries;
      const isWorthIt = outcome.remedy === "again" && tries < setting.retries;
      if (!isWorthIt || waitMs > setting.retryAfterMaxMs || clock.elapsed() + waitMs >= end) throw outcome;
      deadline.rest();
      await clock.sleep(waitMs, deadline.signal);
      onRetry();
    }
  } catch (cause) {
    deadline.end();
    throw deadline.signal.aborted ? deadline.signal.reason : cause;
  }
}

async function tried<T>(work: () => Promise<T>): Promise<T | ProviderFailure> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ProviderFailure) return cause;
    throw cause;
  }
}

async function once(
  { provider, setting, call, streamed }: Attempted,
  deadline: Deadline,
  clock: Clock,
): Promise<Opened> {
  const stopDoorbell = doorbell(setting, call.id, deadline, clock);
  const whole: ProviderCall = { ...call, signal: deadline.signal, onAnswer: stopDoorbell };
  try {
    if (!streamed) return { whole: await provider.complete(whole), deadline };
    deadline.expect(setting.firstTokenTimeoutMs, "first token");
    return await begin(provider.stream(whole), deadline);
  } finally {
    stopDoorbell();
  }
}

async function begin(stream: AsyncGenerator<Json>, deadline: Deadline): Promise<Begun> {
  const prelude: Json[] = [];
  for (;;) {
    const { done, value } = await stream.next();
    if (done) return { prelude, rest: undefined, deadline };
    prelude.push(value);
    if (hasToken(value) || prelude.length >= preludeMax) return { prelude, rest: stream, deadline };
  }
}

/** Whether a caller would see something of the answer in this chunk. */
export function hasToken({ choices }: Json): boolean {
  return (choices as Json[]).some((choice) => {
    const { role: _, ...delta } = Object(Object(choice).delta) as Json;
    return Object.values(delta).some((value) => value !== null && value !== "");
  });
}

/** A provider that says nothing for long is asked whether it is there at all. Stopped by the function returned. */
function doorbell(setting: ProviderSetting, id: string, deadline: Deadline, clock: Clock): () => void {
  const { connectTimeoutMs: ms, baseUrl, name } = setting;
  if (ms === 0) return () => {};
  let isAnswered = false;
  const stop = clock.after(ms, async () => {
    if (await isThere(baseUrl, { ms, clock })) return;
    if (isAnswered) return;
    const why = `${name} cannot be reached at ${hostOf(baseUrl)} for model '${id}': nobody took a connection within ${ms} ms`;
    deadline.abort(failure("bad_gateway", why, "next"));
  });
  return () => {
    isAnswered = true;
    stop();
  };
}
