/** The threads that work on corpora's databases, as the service's thread sees them: it never waits for a disk. */
import { fail, fromWire } from "../../runtime/errors/errors.ts";
import type { Log } from "../../runtime/telemetry/telemetry.ts";
import type { AnswerOf, FromThread, InputOf, LexiconCall, ToThread } from "./lexicon-calls.ts";

/** What writes a database, or looks through it; all else reads. */
const writing: ReadonlySet<LexiconCall> = new Set<LexiconCall>([
  "create",
  "open",
  "check",
  "begin",
  "stage",
  "countPending",
  "pending",
  "removeUnseen",
  "finish",
  "undo",
  "purge",
  "garbage",
  "forgetGarbage",
  "leftOut",
  "forgetLeftOut",
]);
/** What takes long and is asked by operators: a thread of its own does it. */
const aside: ReadonlySet<LexiconCall> = new Set<LexiconCall>(["copy", "inspect", "endInspection"]);

/** Threads that read, beside the one that writes: WAL lets them go on while it does. */
const readers = 2;
/** Questions that may wait for a thread. */
const waitingMax = 1024;

export interface Lexicon {
  /**
   * Asks about one database. Throws what the thread threw, `too_many_requests` when too many wait, the signal's reason.
   * A question that has begun runs to its end.
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

/** Starts the threads. */
export function startLexicon(log: Log): Lexicon {
  const writer = startThread(log);
  const reading = Array.from({ length: readers }, () => startThread(log));
  // Started when it is first needed: most days it is not.
  let apart: LexiconThread | undefined;
  const threadOf = (file: string, call: LexiconCall): LexiconThread => {
    if (writing.has(call)) return writer;
    if (!aside.has(call)) return readerOf(file);
    apart ??= startThread(log);
    return apart;
  };
  const readerOf = (file: string) => reading[Bun.hash.crc32(file) % readers] ?? writer;
  return {
    ask: async (file, call, input, options = {}) => {
      return (await threadOf(file, call).ask({ type: "ask", file, call, input }, options)) as AnswerOf<
        typeof call
      >;
    },
    close: async (file) => {
      const ask = { type: "ask", file, call: "close", input: {} } as const;
      await Promise.all([readerOf(file), writer].map((thread) => thread.ask(ask, {})));
    },
    stop: async () => {
      await Promise.all([writer, ...reading, ...(apart ? [apart] : [])].map((thread) => thread.stop()));
    },
  };
}

interface Question {
  message: ToThread;
  transfer: ArrayBufferLike[];
  resolve: (value: unknown) => void;
  reject: (cause: unknown) => void;
}

interface LexiconThread {
  ask: (
    message: ToThread,
    options: { signal?: AbortSignal; transfer?: ArrayBufferLike[] },
  ) => Promise<unknown>;
  stop: () => Promise<void>;
}

/** One thread and its line: a question is sent when the one before is answered, so that those who leave cost nothing. */
function startThread(log: Log): LexiconThread {
  const line: Question[] = [];
  let asked: Question | undefined;
  let isStopping = false;
  const stopped = Promise.withResolvers<void>();
  const worker = new Worker(new URL("./lexicon-thread.ts", import.meta.url), { name: "matrixd-lexicon" });

  const next = () => {
    asked = line.shift();
    if (asked) worker.postMessage(asked.message, asked.transfer);
  };
  worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
    const answered = asked;
    if (data.type === "stopped") {
      stopped.resolve();
      worker.terminate();
      return;
    }
    if (data.type === "done") answered?.resolve(data.value);
    else {
      if (data.error.type === "internal") log.error("a corpus's database failed", data.cause);
      answered?.reject(fromWire(data.error));
    }
    next();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    log.error("a lexicon thread failed", { error: event.message });
  };
  worker.addEventListener("close", () => {
    const why = fail("unavailable", "the thread of the corpora's databases ended", { retryAfterSeconds: 1 });
    for (const question of [...(asked ? [asked] : []), ...line.splice(0)]) question.reject(why);
    stopped.resolve();
    // Without its threads the service is of no use: its own end lets the supervisor start it again.
    if (!isStopping) throw new Error("a lexicon thread ended unexpectedly");
  });
  return {
    ask: (message, options) =>
      new Promise((resolve, reject) => {
        const question = { message, transfer: options.transfer ?? [], resolve, reject };
        if (isStopping) return reject(fail("unavailable", "matrixd is stopping", { retryAfterSeconds: 1 }));
        const refusal = enter(line, question, options.signal);
        if (refusal) reject(refusal);
        else if (!asked) next();
      }),
    stop: () => {
      isStopping = true;
      const why = fail("unavailable", "matrixd is stopping", { retryAfterSeconds: 1 });
      for (const question of line.splice(0)) question.reject(why);
      worker.postMessage({ type: "stop" } satisfies ToThread);
      return stopped.promise;
    },
  };
}

/** Puts a question into the line, or says why not. One whose signal aborts leaves it. */
function enter(line: Question[], question: Question, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  if (line.length >= waitingMax)
    return fail("too_many_requests", `${waitingMax} questions wait for the corpora's databases already`, {
      retryAfterSeconds: 1,
    });
  line.push(question);
  if (!signal) return undefined;
  const leave = () => {
    const at = line.indexOf(question);
    if (at >= 0) line.splice(at, 1);
    question.reject(signal.reason);
  };
  signal.addEventListener("abort", leave, { once: true });
  const { resolve, reject } = question;
  question.resolve = (value) => {
    signal.removeEventListener("abort", leave);
    resolve(value);
  };
  question.reject = (cause) => {
    signal.removeEventListener("abort", leave);
    reject(cause);
  };
  return undefined;
}
