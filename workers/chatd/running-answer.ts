/** An answer under way: its chunks as they pass, and everything that is settled once when it ends, however it ends. */
import type { Clock } from "../../runtime/clock.ts";
import { fail, type ServiceError } from "../../runtime/errors.ts";
import type { ModelFacts, Target } from "../../runtime/model-names.ts";
import { hasToken, type Opened } from "./attempts.ts";
import type { Deadline } from "./deadline.ts";
import { type Observation, type Observer, textIn } from "./observation.ts";
import { type Json, ProviderFailure } from "./provider.ts";
import type { ProviderSetting } from "./provider-setting.ts";
import type { Quota } from "./quota.ts";
import { roughTokens, usageOf } from "./usage.ts";

/** What an answer holds on to, and lets go of at its end. */
export interface Running {
  about: { target: Pick<Target, "id">; observed: Observation };
  facts: ModelFacts;
  setting: ProviderSetting;
  quota: Quota;
  /** Gives the place back. */
  leave: () => void;
  /** Remembers a whole answer; absent when nobody asked for that. */
  keep: ((texts: string[]) => void) | undefined;
  clock: Clock;
  observer: Observer;
}

/** Settles a whole answer and names its model as callers do. */
export function settle(whole: Json, deadline: Deadline, running: Running): Json {
  deadline.end();
  running.leave();
  const { about, facts, observer } = running;
  const named = { ...whole, model: about.target.id };
  about.observed.usage = usageOf(whole.usage, facts);
  about.observed.output = textIn(whole);
  spend(running);
  running.keep?.([JSON.stringify(named)]);
  observer.finish(about.observed);
  return named;
}

/** A stream that goes on: it is read as fast as its caller reads, and let go when the caller leaves. */
export function runningStream(
  { prelude, rest, deadline }: Exclude<Opened, { whole: Json }>,
  running: Running,
  signal: AbortSignal,
): { chunks: AsyncGenerator<Json>; leave: (reason: ServiceError) => void } {
  const { about, observer, clock } = running;
  const { observed } = about;
  const texts: string[] | undefined = running.keep && [];
  let isOver = false;
  const finish = (cause?: unknown) => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener("abort", gone);
    deadline.end();
    running.leave();
    spend(running);
    if (cause === undefined && texts) running.keep?.(texts);
    observer.finish(observed, cause);
  };
  const leave = (reason: ServiceError) => {
    finish(reason);
    deadline.abort(reason);
  };
  // Whether or not anybody reads: who stops reading holds nothing longer than the deadline.
  const late = () => {
    const { reason } = deadline.signal;
    finish(signal.aborted ? left() : reason instanceof ProviderFailure ? reason.error : reason);
  };
  deadline.signal.addEventListener("abort", late, { once: true });
  const gone = () => leave(left());
  if (signal.aborted) gone();
  else signal.addEventListener("abort", gone, { once: true });

  const pass = (chunk: Json): Json => {
    const named = { ...chunk, model: about.target.id };
    if (observed.firstTokenAt === undefined && hasToken(chunk)) observed.firstTokenAt = clock.elapsed();
    if (typeof chunk.usage === "object" && chunk.usage !== null)
      observed.usage = usageOf(chunk.usage, running.facts);
    observed.output += textIn(chunk);
    texts?.push(JSON.stringify(named));
    return named;
  };

  async function* chunks(): AsyncGenerator<Json> {
    try {
      for (const chunk of prelude) yield pass(chunk);
      while (rest) {
        deadline.expect(running.setting.idleTimeoutMs, "further token");
        const { done, value } = await rest.next();
        deadline.rest();
        if (done) break;
        yield pass(value);
      }
    } catch (cause) {
      const error = cause instanceof ProviderFailure ? cause.error : cause;
      finish(error);
      throw error;
    }
    finish();
  }
  return { chunks: chunks(), leave };
}

const left = (): ServiceError => fail("client_closed", "the caller went away");

/** Counts against the budget what the provider counted, or else what a text of that length has. */
function spend({ about: { observed }, quota }: Running): void {
  const { promptTokens, completionTokens, costUsd } = observed.usage ?? {};
  const prompt = promptTokens ?? roughTokens(JSON.stringify(observed.messages).length);
  const completion = completionTokens ?? roughTokens(observed.output.length);
  quota.spend({ usd: costUsd ?? 0, tokens: prompt + completion });
}
