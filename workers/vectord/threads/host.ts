/** One engine thread as the service's thread sees it: asks and answers, cancelling, its end. */
import { fail, fromWire, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Ask, FromThread, ToThread } from "./protocol.ts";

export interface EngineHost {
  /** Engines it holds. */
  engines: () => number;
  /** Reserves a number for an engine; `progress` hears of its rows and bytes, `ended` of the thread's unexpected end. */
  enter: (listener: EngineListener) => number;
  leave: (engine: number) => void;
  /** Rejects with the signal's reason as soon as it aborts, with `unavailable` when the thread is gone. */
  ask: (engine: number, ask: Ask, signal?: AbortSignal) => Promise<unknown>;
  /** Asks the thread to end between two native calls, and waits for that. */
  stop: () => Promise<void>;
}

export interface EngineListener {
  progress: (covered: number, bytes: number) => void;
  ended: (why: ServiceError) => void;
}

interface Open {
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/** The calls a thread has not answered. */
interface Calls {
  open: (call: Open) => number;
  resolve: (call: number, value: unknown) => void;
  reject: (call: number, error: unknown) => void;
  rejectAll: (error: unknown) => void;
}

function createCalls(): Calls {
  const calls = new Map<number, Open>();
  let last = 0;
  const take = (call: number): Open | undefined => {
    const open = calls.get(call);
    calls.delete(call);
    return open;
  };
  return {
    open: (call) => {
      calls.set(++last, call);
      return last;
    },
    resolve: (call, value) => take(call)?.resolve(value),
    reject: (call, error) => take(call)?.reject(error),
    rejectAll: (error) => {
      for (const call of [...calls.keys()]) take(call)?.reject(error);
    },
  };
}

/** Starts a thread with so many native threads for its calls. `ended` is called once, also after `stop`. */
export function startEngineHost(
  threads: number,
  { log, ended }: { log: Log; ended: () => void },
): EngineHost {
  const worker = new Worker(new URL("./thread.ts", import.meta.url), { name: "vectord-engine" });
  const calls = createCalls();
  const listeners = new Map<number, EngineListener>();
  const stopped = Promise.withResolvers<void>();
  let lastEngine = 0;
  let gone: ServiceError | undefined;
  const send = (message: ToThread, transfer: ArrayBufferLike[] = []) => worker.postMessage(message, transfer);

  const end = (why: ServiceError) => {
    if (gone) return;
    gone = why;
    calls.rejectAll(why);
    for (const listener of [...listeners.values()]) listener.ended(why);
    stopped.resolve();
    ended();
  };
  worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
    if (data.type === "done") calls.resolve(data.call, data.value);
    if (data.type === "progress") listeners.get(data.engine)?.progress(data.covered, data.bytes);
    if (data.type === "failed") {
      if (data.error.type === "internal") log.error("an engine's native call failed", data.cause);
      calls.reject(data.call, fromWire(data.error));
    }
    if (data.type === "stopped") {
      end(fail("unavailable", "the service stops"));
      worker.terminate();
    }
  };
  worker.onerror = (event) => {
    event.preventDefault();
    log.error("an engine thread failed", { error: event.message });
  };
  worker.addEventListener("close", () => {
    const message = "the index's engine ended unexpectedly; it has to be opened again";
    end(fail("unavailable", message, { retryAfterSeconds: 1 }));
  });
  send({ type: "start", threads });
  return {
    engines: () => listeners.size,
    enter: (listener) => {
      listeners.set(++lastEngine, listener);
      return lastEngine;
    },
    leave: (engine) => void listeners.delete(engine),
    ask: (engine, ask, signal) =>
      gone ? Promise.reject(gone) : put({ calls, send }, { engine, ask }, signal),
    stop: () => {
      if (!gone) send({ type: "stop" });
      return stopped.promise;
    },
  };
}

interface Channel {
  calls: Calls;
  send: (message: ToThread, transfer?: ArrayBufferLike[]) => void;
}

/** One question, until it is answered or its signal aborts. */
function put(
  { calls, send }: Channel,
  { engine, ask }: { engine: number; ask: Ask },
  signal?: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      calls.reject(call, signal?.reason);
      send({ type: "cancel", call });
    };
    const free = () => signal?.removeEventListener("abort", abort);
    const call = calls.open({
      resolve: (value) => {
        free();
        resolve(value);
      },
      reject: (error) => {
        free();
        reject(error);
      },
    });
    signal?.addEventListener("abort", abort, { once: true });
    // Queries are copied, so that the caller keeps his, and then handed over.
    const mine = "queries" in ask ? { ...ask, queries: ask.queries.slice() } : ask;
    send({ type: "ask", call, engine, ask: mine }, "queries" in mine ? [mine.queries.buffer] : []);
  });
}
