/** An answer in progress: its chunks as they pass, and what is settled exactly once when it ends. */

import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { ModelFacts, Target } from "../../../runtime/models/models.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { type Quota, roughTokens, usageOf } from "../budget/budget.ts";
import { ProviderFailure, type ProviderSetting } from "../providers/providers.ts";
import type { Json } from "../schemas/schemas.ts";
import { hasToken, type Opened } from "./attempts.ts";
import type { Deadline } from "./deadline.ts";
import { type Observation, type Observer, textIn } from "./observation.ts";

/** What an answer in progress holds until its end. */
interface Running {
  about: { target: Pick<Target, "id">; observed: Observation };
  facts: ModelFacts;
  setting: ProviderSetting;
  quota: Quota;
  /** Frees its place among the concurrent calls. */
  release: () => void;
  /** Caches a complete answer; absent when the caller did not ask for that. */
  keep: ((texts: string[]) => void) | undefined;
  clock: Clock;
  observer: Observer;
  /** Aborts when the service gives up what is open. */
  stopping: AbortSignal;
}

/** Settles a complete answer and names its model as callers do. */
export function settle(completion: Json, deadline: Deadline, running: Running): Json {
  deadline.end();
  running.release();
  const { about, facts, observer } = running;
  const named = { ...completion, model: about.target.id };
  about.observed.usage = usageOf(completion.usage, facts);
  about.observed.output = textIn(completion);
  spend(running);
  running.keep?.([JSON.stringify(named)]);
  observer.finish(about.observed);
  return named;
}

/** A stream that continues: it is read as fast as its caller reads, and cancelled when the caller disconnects. */
export function runningStream(
  { prelude, rest, deadline }: Exclude<Opened, { completion: Json }>,
  running: Running,
  signal: AbortSignal,
): { chunks: AsyncGenerator<Json>; cancel: (reason: ServiceError) => void } {
  const { about, observer, clock, stopping } = running;
  const { observed } = about;
  const texts: string[] | undefined = running.keep && [];
  let isOver = false;
  const finish = (cause?: unknown) => {
    if (isOver) return;
    isOver = true;
    signal.removeEventListener("abort", onAbort);
    stopping.removeEventListener("abort", onStopping);
    deadline.end();
    running.release();
    spend(running);
    if (cause === undefined && texts) running.keep?.(texts);
    observer.finish(observed, cause);
  };
  const cancel = (reason: ServiceError) => {
    finish(reason);
    deadline.abort(reason);
  };
  // Also when nobody reads: a caller that stops reading holds the provider no longer than the deadline.
  const onDeadline = () => {
    const { reason } = deadline.signal;
    finish(signal.aborted ? clientClosed() : reason instanceof ProviderFailure ? reason.error : reason);
  };
  deadline.signal.addEventListener("abort", onDeadline, { once: true });
  const onAbort = () => cancel(clientClosed());
  const onStopping = () => cancel(stopping.reason);
  if (signal.aborted) onAbort();
  else if (stopping.aborted) onStopping();
  else {
    signal.addEventListener("abort", onAbort, { once: true });
    stopping.addEventListener("abort", onStopping, { once: true });
  }

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
  return { chunks: chunks(), cancel };
}

const clientClosed = (): ServiceError => fail("client_closed", "the caller went away");

/** Charges the budget with the tokens that the provider counted, else with an estimate from the length of the text. */
function spend({ about: { observed }, quota }: Running): void {
  const { promptTokens, completionTokens, costUsd } = observed.usage ?? {};
  const prompt = promptTokens ?? roughTokens(JSON.stringify(observed.messages).length);
  const completion = completionTokens ?? roughTokens(observed.output.length);
  quota.spend({ usd: costUsd ?? 0, tokens: prompt + completion });
}
