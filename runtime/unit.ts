/** One worker's life as the supervisor sees it: start, heartbeat, end. It decides nothing about restarts. */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { FromWorker, Init, ToWorker } from "./protocol.ts";
import type { Live } from "./reload.ts";
import type { Config } from "./settings.ts";
import type { ReadThread } from "./thread-time.ts";
import { createWatchdog, type Health } from "./watchdog.ts";

export interface UnitOptions {
  name: string;
  worker: URL;
  native: boolean;
  readThread: ReadThread;
  /** Called whenever it is judged otherwise than at the heartbeat before. */
  onHealth: (health: Health) => void;
  settings: Config["supervisor"];
}

export interface Ended {
  message: string;
  code?: string;
  /** It said that it ends, and its native calls do not: only a restart of the process helps. */
  stuck: boolean;
}

export interface Unit {
  /** Lets the service start, once: until then its thread loads its modules and waits. */
  begin: (init: Init) => void;
  /** The port it listens on; rejects with an Ended when it ends first. */
  ready: Promise<number>;
  /** Resolves when it hangs for the first time: it may still become ready. */
  hung: Promise<void>;
  /** Resolves once, when the thread is gone or was given up. */
  ended: Promise<Ended>;
  send: (message: ToWorker, transfer?: MessagePort[]) => void;
  /** Judges its silence and asks whether it lives; to be called every `heartbeat_ms`. */
  beat: () => void;
  isReady: () => boolean;
  /** Gives it what changed in the configuration; resolves when that holds, or when it ended before. */
  reload: (live: Live) => Promise<void>;
  /** Drains and ends it; resolves like `ended`. */
  stop: (drainMs: number) => Promise<Ended>;
}

/** What Bun's Worker takes beyond Node's. */
type WorkerOptions = ConstructorParameters<typeof Worker>[1];
const threadNumber = fileURLToPath(new URL("./thread-number.ts", import.meta.url));

/** Starts the thread of a service. */
export function startUnit(options: UnitOptions): Unit {
  const { name, worker, native, settings } = options;
  const thread = new Worker(worker, { name, preload: [threadNumber] } as WorkerOptions);
  const ready = Promise.withResolvers<number>();
  const ended = Promise.withResolvers<Ended>();
  ready.promise.catch(() => {});
  let cause: { message: string; code?: string } | undefined;
  let isReady = false;

  const finish = (stuck: boolean, fallback: string) => {
    const end: Ended = { ...(cause ?? { message: fallback }), stuck };
    ended.resolve(end);
    ready.reject(end);
  };
  const send = (message: ToWorker, transfer: MessagePort[] = []) =>
    thread.postMessage(message, transfer as never);

  const reloads = createReloads((live) => send({ type: "reload", live }), ended.promise);
  thread.on("message", (message: FromWorker) => {
    pulse.heard();
    if (message.type === "thread") pulse.setThread(message.id);
    if (message.type === "ready") {
      isReady = true;
      ready.resolve(message.port);
    }
    if (message.type === "reloaded") reloads.done();
    if (message.type === "fatal") {
      const { message: text, code } = message;
      cause ??= { message: text, ...(code !== undefined && { code }) };
      pulse.close(settings.stop_timeout_ms);
    }
    if (message.type === "closed") void thread.terminate();
  });
  thread.on("error", (error: Error) => {
    cause ??= { message: error.message };
  });
  thread.on("exit", (code: number) => finish(false, `ended with code ${code}`));

  /** A thread with native calls in flight aborts the whole process when it is ended. */
  const giveUp = (message: string) => {
    cause ??= { message };
    if (native) finish(true, message);
    else void thread.terminate();
  };
  const pulse = createPulse(options, giveUp);

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
    stop: (drainMs) => {
      cause ??= { message: "stopped" };
      send({ type: "stop", drainMs });
      pulse.close(drainMs + settings.stop_timeout_ms);
      return ended.promise;
    },
  };
}

/** Judges a thread at each heartbeat, and gives it up when it hangs or does not close in its time. */
function createPulse(
  { native, readThread, onHealth, settings }: UnitOptions,
  giveUp: (message: string) => void,
) {
  const watchdog = createWatchdog(readThread);
  const hung = Promise.withResolvers<void>();
  const { heartbeat_ms: heartbeatMs, busy_timeout_ms: busyMs } = settings;
  let threadId: number | undefined;
  // Before it begins nothing is expected of it.
  let hasBegun = false;
  let health: Health["state"] = "well";
  let closing: { limitMs: number; leftMs: number } | undefined;

  const judge = (timeoutMs: number) => {
    const judged = watchdog.beat(threadId, { heartbeatMs, timeoutMs, busyMs });
    if (judged.state === health) return;
    health = judged.state;
    onHealth(judged);
    if (judged.state !== "hung") return;
    if (judged.isCertain && !native) giveUp(judged.message);
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
    close: (limitMs: number) => {
      closing ??= { limitMs, leftMs: limitMs };
    },
    beat: (isReady: boolean) => {
      if (closing) {
        // Counted in heartbeats as silence is: a process that was held has lost the time, not used it.
        closing.leftMs -= heartbeatMs;
        if (closing.leftMs <= 0) giveUp(`did not close within ${closing.limitMs} ms`);
      } else if (hasBegun) judge(isReady ? settings.heartbeat_timeout_ms : settings.start_timeout_ms);
    },
  };
}

const portsOf = ({ peers }: Init): MessagePort[] =>
  Object.values(peers).flatMap(({ port }) => (port ? [port] : []));

/** Reloads that the thread was told of and has not answered; it answers in their order. */
function createReloads(tell: (live: Live) => void, ended: Promise<Ended>) {
  const waiting: (() => void)[] = [];
  return {
    ask: async (live: Live): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      tell(live);
      await Promise.race([promise, ended]);
    },
    done: (): void => waiting.shift()?.(),
  };
}
