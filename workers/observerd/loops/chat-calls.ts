/**
 * The calls chatd finishes, as operations: each once, by chatd's start (its life) and the call's number in it. A long
 * poll follows them; who asks for statistics makes it catch up first, for a bounded time.
 */
import type { Static } from "@sinclair/typebox";
import { Mutex } from "async-mutex";
import type { ClientOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log, type Metrics } from "../../../runtime/telemetry/telemetry.ts";
import type { Call as CallSchema, Chatd } from "../../chatd/contract.ts";
import type { EventInput, MarkedEvent, Marks, OperationsStore } from "../operations/operations.ts";

type Call = Static<typeof CallSchema>;
type Calls = ReplyOf<Chatd["endpoints"]["calls"]>;

export interface ChatCalls {
  /** Takes what chatd has by now. Never rejects: a chatd that does not answer in time is left to the long poll. */
  catchUp: () => Promise<void>;
  stop: () => Promise<void>;
}

/** How long chatd is asked to hold a poll, in milliseconds. */
const pollMs = 20_000;
/** What a poll may take beyond that. */
const pollSlackMs = 5_000;
/** Longest that a request for statistics waits for chatd. */
const catchUpMs = 250;
/** Wait between polls: calls that end meanwhile are read and written together, not each for itself. */
const gatherMs = 200;
/** An answer with so many calls means that more may be waiting: the next poll follows at once. */
const manyCalls = 200;
/** Wait after a poll that failed: chatd is away, or starts. */
const retryMs = 1_000;
/** Runs of chatd whose marks are kept: an answer of the previous run may arrive late. */
const livesMax = 8;

type Chats = NonNullable<Marks["chat"]>;

/** The mark after this call. */
export const advanced = (marks: Chats, life: string, sequence: number): Chats =>
  [...marks.filter((mark) => mark.life !== life), { life, sequence }].slice(-livesMax);

const sequenceOf = (marks: Chats, life: string): number =>
  marks.find((mark) => mark.life === life)?.sequence ?? 0;

/** The call as an operation. Its class of error is its outcome. */
export function eventOf(call: Call): EventInput {
  const { at, model, outcome, error, duration_ms, input, output, sequence: _, ...attributes } = call;
  const success = outcome === "ok";
  return {
    endpoint: "/v1/chat",
    source: "chatd",
    timestamp: at,
    success,
    duration_ms,
    ...(model !== "" && { model: model.slice(0, 200) }),
    ...(!success && { error: (error ?? outcome).slice(0, textMax) }),
    ...(input !== undefined && { input_summary: input.slice(0, textMax) }),
    ...(output !== undefined && { output_summary: output.slice(0, textMax) }),
    attributes: { ...attributes, ...(!success && { "error.type": outcome }) },
  };
}

/** Characters kept of input, output and error, so that the operation stays below its size limit. */
const textMax = 10_000;

/** Follows chatd until it is stopped. */
export function followChatCalls(
  store: OperationsStore,
  {
    verbs,
    clock,
    log,
    metrics,
  }: {
    verbs: Pick<ClientOf<Chatd>, "calls">;
    clock: Clock;
    log: Log;
    metrics: Metrics;
  },
): ChatCalls {
  const missed = metrics.counter(
    "observerd_chat_calls_missed_total",
    "Calls that chatd forgot before they were read.",
  );
  const stopped = new AbortController();
  const marks = (): Chats => store.state.marks().chat ?? [];
  /** Answers are recorded one at a time, so that two that overlap record nothing twice. */
  const mutex = new Mutex();

  /** Gives how many were new. */
  const record = ({ calls, life }: Calls): Promise<number> =>
    mutex.runExclusive(async () => {
      const done = sequenceOf(marks(), life);
      const events: MarkedEvent[] = [];
      let chat = marks();
      for (const call of calls.filter(({ sequence }) => sequence > done)) {
        chat = advanced(chat, life, call.sequence);
        events.push({ event: eventOf(call), marks: { chat } });
      }
      if (events.length > 0) await store.recordMarked(events);
      return events.length;
    });

  /** Asks for what follows the latest mark; of a chatd that was started anew, for all it has. */
  const ask = async (waitMs: number, timeoutMs: number): Promise<number> => {
    const latest = marks().at(-1);
    const options = { timeoutMs, signal: stopped.signal };
    const after = latest?.sequence ?? 0;
    let answer = await verbs.calls({ after, wait_ms: waitMs }, options);
    if (latest && answer.life !== latest.life)
      answer = await verbs.calls({ after: sequenceOf(marks(), answer.life), wait_ms: 0 }, options);
    if (answer.missed > 0) {
      missed.add(answer.missed);
      log.warn("chatd forgot calls before they were read", { calls: answer.missed });
    }
    return record(answer);
  };

  /** chatd was started anew or is away when a poll fails: the one after it waits for nothing, to learn which. */
  const follow = async () => {
    let waitMs = 0;
    while (!stopped.signal.aborted) {
      try {
        const recorded = await ask(waitMs, waitMs + pollSlackMs);
        waitMs = pollMs;
        if (recorded < manyCalls) await clock.sleep(gatherMs, stopped.signal).catch(() => undefined);
      } catch (cause) {
        if (stopped.signal.aborted) return;
        if (waitMs > 0) log.warn("chatd's calls cannot be read; they are asked for again", describe(cause));
        waitMs = 0;
        await clock.sleep(retryMs, stopped.signal).catch(() => undefined);
      }
    }
  };
  const following = follow();

  return {
    catchUp: async () => {
      await ask(0, catchUpMs).catch((cause) => log.debug("chatd did not catch up", describe(cause)));
    },
    stop: async () => {
      stopped.abort(new Error("observerd stops"));
      await following;
      await mutex.waitForUnlock();
    },
  };
}
