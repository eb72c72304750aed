/** The threads that work on corpora's databases, as the service's thread sees them: it never waits for a disk. */

import { fail, fromWire, type ServiceError } from "../../../runtime/errors/errors.ts";
import { program } from "../../../runtime/program/program.ts";
import { createLimiter } from "../../../runtime/scheduling/scheduling.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import type { AnswerOf, FromThread, InputOf, LexiconCall, ToThread } from "./calls.ts";

export { damaged, type LexiconState } from "./database.ts";
export type { CorpusRow, LexicalRow, TextPart } from "./read.ts";
export type { PendingRow } from "./write.ts";

/** What only reads a database. */
const reading: ReadonlySet<LexiconCall> = new Set<LexiconCall>([
  "countTexts",
  "lexical",
  "read",
  "numbersOf",
]);
/** Long work that operators ask for, in a thread of its own. */
const background: ReadonlySet<LexiconCall> = new Set<LexiconCall>(["copy", "inspect", "endInspection"]);

/** Threads that read, beside the one that writes: WAL lets them go on while it does. */
const readers = 2;
/** Requests that may wait for a thread. */
const waitingMax = 1024;

export interface Lexicon {
  /**
   * Asks about one database. Throws what the thread threw, `too_many_requests` when too many wait, the signal's reason.
   * A request that has begun runs to its end.
   */
  ask: <C extends LexiconCall>(
    file: string,
    call: C,
    input: InputOf<C>,
    options?: { signal?: AbortSignal; transfer?: ArrayBufferLike[] },
  ) => Promise<AnswerOf<C>>;
  /** Lets go of a file everywhere. */
  close: (file: string) => Promise<void>;
  stop: () => Promise<void>;
}

/** Starts each thread when it is first needed. */
export function startLexicon(log: Log): Lexicon {
  const threads = new Map<string, LexiconThread>();
  let isStopping = false;
  const threadOf = (name: string): LexiconThread => {
    if (isStopping) throw stopping();
    const thread = threads.get(name) ?? startThread(log);
    threads.set(name, thread);
    return thread;
  };
  const readerOf = (file: string) => `reader ${Bun.hash.crc32(file) % readers}`;
  const nameOf = (file: string, call: LexiconCall): string => {
    if (reading.has(call)) return readerOf(file);
    return background.has(call) ? "background" : "writer";
  };
  return {
    ask: async (file, call, input, options = {}) => {
      const thread = threadOf(nameOf(file, call));
      return (await thread.ask({ type: "ask", file, call, input }, options)) as AnswerOf<typeof call>;
    },
    close: async (file) => {
      const ask = { type: "ask", file, call: "close", input: {} } as const;
      await Promise.all([readerOf(file), "writer"].map((name) => threads.get(name)?.ask(ask, {})));
    },
    stop: async () => {
      isStopping = true;
      // One after the other, the writer last: of two that close a file at once neither is the last, and its WAL stays.
      const last = threads.get("writer");
      for (const thread of threads.values()) if (thread !== last) await thread.stop();
      await last?.stop();
    },
  };
}

const stopping = () => fail("unavailable", "matrixd is stopping", { retryAfterSeconds: 1 });

interface LexiconThread {
  ask: (
    message: ToThread,
    options: { signal?: AbortSignal; transfer?: ArrayBufferLike[] },
  ) => Promise<unknown>;
  stop: () => Promise<void>;
}

const tooMany = () =>
  fail("too_many_requests", `${waitingMax} requests wait for the corpora's databases already`, {
    retryAfterSeconds: 1,
  });

const never = new AbortController().signal;

/** One thread; a request is sent when the one before is answered, so that an aborted one costs nothing. */
function startThread(log: Log): LexiconThread {
  const limiter = createLimiter(1, { waitingMax, refusal: tooMany });
  let ended: ServiceError | undefined;
  const stopped = Promise.withResolvers<void>();
  let asked: PromiseWithResolvers<unknown> | undefined;
  const worker = new Worker(program("workers/matrixd/lexicon/thread.ts"), { name: "matrixd-lexicon" });

  worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
    if (data.type === "stopped") {
      stopped.resolve();
      worker.terminate();
    } else if (data.type === "done") asked?.resolve(data.value);
    else {
      if (data.error.type === "internal") log.error("a corpus's database failed", data.cause);
      asked?.reject(fromWire(data.error));
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    log.error("a lexicon thread failed", { error: event.message });
  };
  worker.addEventListener("close", () => {
    const isExpected = ended !== undefined;
    ended ??= fail("unavailable", "the thread of the corpora's databases ended", { retryAfterSeconds: 1 });
    asked?.reject(ended);
    stopped.resolve();
    // Without its threads the service is of no use: its own end lets the supervisor start it again.
    if (!isExpected) throw new Error("a lexicon thread ended unexpectedly");
  });
  return {
    ask: async (message, { signal = never, transfer = [] }) => {
      const done = await limiter.take(signal);
      try {
        if (ended) throw ended;
        asked = Promise.withResolvers();
        worker.postMessage(message, transfer);
        return await asked.promise;
      } finally {
        done();
      }
    },
    stop: () => {
      ended ??= stopping();
      worker.postMessage({ type: "stop" } satisfies ToThread);
      return stopped.promise;
    },
  };
}
