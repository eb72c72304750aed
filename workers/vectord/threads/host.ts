/** One engine thread as the service's thread sees it: asks and answers, cancelling, its end. */

import { fail, fromWire, type ServiceError } from "../../../runtime/errors/errors.ts";
import { program } from "../../../runtime/program/program.ts";
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

interface EngineListener {
  progress: (covered: number, bytes: number) => void;
  ended: (why: ServiceError) => void;
}

/** Starts a thread with so many native threads for its calls. `ended` is called once, also after `stop`. */
export function startEngineHost(
  threads: number,
  { log, ended }: { log: Log; ended: () => void },
): EngineHost {
  const worker = new Worker(program("workers/vectord/threads/thread.ts"), { name: "vectord-engine" });
  /** Calls that are not answered yet. */
  const calls = new Map<number, PromiseWithResolvers<unknown>>();
  const listeners = new Map<number, EngineListener>();
  const stopped = Promise.withResolvers<void>();
  let lastEngine = 0;
  let lastCall = 0;
  let gone: ServiceError | undefined;
  const send = (message: ToThread, transfer: ArrayBufferLike[] = []) => worker.postMessage(message, transfer);

  const end = (why: ServiceError) => {
    if (gone) return;
    gone = why;
    for (const { reject } of calls.values()) reject(why);
    for (const listener of [...listeners.values()]) listener.ended(why);
    stopped.resolve();
    ended();
  };
  worker.onmessage = ({ data }: MessageEvent<FromThread>) => {
    if (data.type === "done") calls.get(data.call)?.resolve(data.value);
    if (data.type === "progress") listeners.get(data.engine)?.progress(data.covered, data.bytes);
    if (data.type === "failed") {
      if (data.error.type === "internal") log.error("an engine's native call failed", data.cause);
      calls.get(data.call)?.reject(fromWire(data.error));
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
    ask: async (engine, ask, signal) => {
      if (gone) throw gone;
      signal?.throwIfAborted();
      const call = ++lastCall;
      const answer = Promise.withResolvers<unknown>();
      calls.set(call, answer);
      const abort = () => {
        answer.reject(signal?.reason);
        send({ type: "cancel", call });
      };
      signal?.addEventListener("abort", abort, { once: true });
      try {
        // Queries are copied, so that the caller keeps his, and then handed over.
        const mine = "queries" in ask ? { ...ask, queries: ask.queries.slice() } : ask;
        send({ type: "ask", call, engine, ask: mine }, "queries" in mine ? [mine.queries.buffer] : []);
        return await answer.promise;
      } finally {
        calls.delete(call);
        signal?.removeEventListener("abort", abort);
      }
    },
    stop: () => {
      if (!gone) send({ type: "stop" });
      return stopped.promise;
    },
  };
}
