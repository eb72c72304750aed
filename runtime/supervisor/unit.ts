/** One worker's life as the supervisor sees it: start, heartbeat, end. It decides nothing about restarts. */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { Config } from "../config/config.ts";
import { program } from "../program/program.ts";
import type { FromWorker, Init, Live, ToWorker } from "../service/service.ts";
import type { ReadThread } from "../thread-time/thread-time.ts";
import type { StopLimits } from "./stop-limits.ts";
import { createWatchdog, type Health } from "./watchdog.ts";

interface UnitOptions {
  name: string;
  worker: URL;
  endsItself?: true;
  readThread: ReadThread;
  /** Called whenever it is judged otherwise than at the heartbeat before. */
  onHealth: (health: Health) => void;
  settings: Config["supervisor"];
}

export interface Ended {
  message: string;
  code?: string;
}

export interface Unit {
  /** Lets the service start, once: until then its thread loads its modules and waits. */
  begin: (init: Init) => void;
  /** The port it listens on, and the places it asked to be adopted; rejects with an Ended when it ends first. */
  ready: Promise<{ port: number; asked: string[] }>;
  /** Resolves when it hangs for the first time: it may still become ready. */
  hung: Promise<void>;
  /** Resolves once, when the thread is gone. */
  ended: Promise<Ended>;
  send: (message: ToWorker, transfer?: MessagePort[]) => void;
  /** Judges its silence and asks whether it lives; to be called every `heartbeat_ms`. */
  beat: () => void;
  isReady: () => boolean;
  /** Gives it what changed in the configuration; resolves when that holds, or when it ended before. */
  reload: (live: Live) => Promise<void>;
  /** Drains and ends it; resolves when all is closed, or was not in its time: its thread may take longer to end. */
  stop: (limits: StopLimits) => Promise<void>;
  /** Ends it without draining; resolves when it is gone, or did not close in its time and cannot be ended. */
  kill: () => Promise<void>;
}

/** What Bun's Worker takes beyond Node's. */
type WorkerOptions = ConstructorParameters<typeof Worker>[1];
const threadNumber = fileURLToPath(program("runtime/supervisor/thread-number.ts"));

/** Starts the thread of a service. */
export function startUnit(options: UnitOptions): Unit {
  const { name, worker, endsItself, settings } = options;
  const thread = new Worker(worker, { name, preload: [threadNumber] } as WorkerOptions);
  const ready = Promise.withResolvers<{ port: number; asked: string[] }>();
  const closed = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<Ended>();
  ready.promise.catch(() => {});
  let cause: Ended | undefined;
  let isReady = false;

  const send = (message: ToWorker, transfer: MessagePort[] = []) =>
    thread.postMessage(message, transfer as never);

  const reloads = createReloads((live) => send({ type: "reload", live }), ended.promise);
  thread.on("message", (message: FromWorker) => {
    pulse.heard();
    if (message.type === "thread") pulse.setThread(message.id);
    if (message.type === "ready") {
      isReady = true;
      ready.resolve(message);
    }
    if (message.type === "reloaded") reloads.done();
    if (message.type === "fatal") {
      const { message: text, code } = message;
      cause ??= { message: text, ...(code !== undefined && { code }) };
      void pulse.close(settings.stop_timeout_ms, text);
    }
    if (message.type === "closed") {
      closed.resolve();
      void thread.terminate();
    }
  });
  thread.on("error", (error: Error) => {
    cause ??= { message: error.message };
  });
  thread.on("exit", (code: number) => {
    const end = cause ?? { message: `ended with code ${code}` };
    ended.resolve(end);
    ready.reject(end);
  });

  const pulse = createPulse(options, (message: string) => {
    if (endsItself) return;
    cause ??= { message };
    void thread.terminate();
  });

  const stop = async ({ drainMs, closeMs }: StopLimits, done: Promise<unknown>): Promise<void> => {
    cause ??= { message: "stopped" };
    send({ type: "stop", drainMs });
    await Promise.race([done, pulse.close(drainMs + closeMs, "stopped"), ended.promise]);
  };
  return {
    begin: (init) => {
      pulse.begin();
      send(init, portsOf(init));
    },
    ready: ready.promise,
    hung: pulse.hung,
    ended: ended.promise,
    send,
    isReady: () => isReady,
    beat: () => {
      pulse.beat(isReady);
      send({ type: "ping" });
    },
    reload: reloads.ask,
    stop: (limits) => stop(limits, closed.promise),
    kill: () => stop({ drainMs: 0, closeMs: settings.stop_timeout_ms }, ended.promise),
  };
}

/** Judges a thread at each heartbeat, reports when it hangs or does not close in time, and ends it then. */
function createPulse({ readThread, onHealth, settings }: UnitOptions, giveUp: (message: string) => void) {
  const watchdog = createWatchdog(readThread);
  const hung = Promise.withResolvers<void>();
  const overdue = Promise.withResolvers<void>();
  const { heartbeat_ms: heartbeatMs, busy_timeout_ms: busyMs } = settings;
  let threadId: number | undefined;
  // Before it begins nothing is expected of it.
  let hasBegun = false;
  let health: Health["state"] = "well";
  let closing: { why: string; limitMs: number; leftMs: number } | undefined;

  const note = (judged: Health) => {
    if (judged.state === health) return;
    health = judged.state;
    onHealth(judged);
    if (judged.state !== "hung") return;
    if (judged.isCertain) giveUp(judged.message);
    hung.resolve();
  };
  return {
    hung: hung.promise,
    heard: watchdog.heard,
    setThread: (id: number | undefined) => {
      threadId = id;
    },
    begin: () => {
      hasBegun = true;
      watchdog.heard();
    },
    /** Resolves when the time is over. */
    close: (limitMs: number, why: string): Promise<void> => {
      closing ??= { why, limitMs, leftMs: limitMs };
      return overdue.promise;
    },
    beat: (isReady: boolean) => {
      if (closing) {
        // Counted in heartbeats as silence is: a process that was held has lost the time, not used it.
        closing.leftMs -= heartbeatMs;
        if (closing.leftMs > 0) return;
        const message = `${closing.why}; it did not close within ${closing.limitMs} ms`;
        note({ state: "hung", message, isCertain: true });
        giveUp(message);
        overdue.resolve();
      } else if (hasBegun) {
        const timeoutMs = isReady ? settings.heartbeat_timeout_ms : settings.start_timeout_ms;
        note(watchdog.beat(threadId, { heartbeatMs, timeoutMs, busyMs }));
      }
    },
  };
}

const portsOf = ({ peers }: Init): MessagePort[] =>
  Object.values(peers).flatMap(({ port }) => (port ? [port] : []));

/** Reloads that were sent to the thread and that it has not answered; it answers in their order. */
function createReloads(send: (live: Live) => void, ended: Promise<Ended>) {
  const waiting: (() => void)[] = [];
  return {
    ask: async (live: Live): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      send(live);
      await Promise.race([promise, ended]);
    },
    done: (): void => waiting.shift()?.(),
  };
}
