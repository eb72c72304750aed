/** One worker's life as the supervisor sees it: start, heartbeat, end. It decides nothing about restarts. */
import { Worker } from "node:worker_threads";
import type { Clock } from "./clock.ts";
import type { FromWorker, Init, ToWorker } from "./protocol.ts";
import type { Live } from "./reload.ts";
import type { Config } from "./settings.ts";

export interface UnitOptions {
  name: string;
  worker: URL;
  native: boolean;
  clock: Clock;
  settings: Config["supervisor"];
}

export interface Ended {
  message: string;
  code?: string;
  /** The thread holds native calls and does not answer: only a restart of the process helps. */
  stuck: boolean;
}

export interface Unit {
  /** Lets the service start, once: until then its thread loads its modules and waits. */
  begin: (init: Init) => void;
  /** The port it listens on; rejects with an Ended when it ends first. */
  ready: Promise<number>;
  /** Resolves once, when the thread is gone or was given up. */
  ended: Promise<Ended>;
  send: (message: ToWorker, transfer?: MessagePort[]) => void;
  /** Gives it what changed in the configuration; resolves when that holds, or when it ended before. */
  reload: (live: Live) => Promise<void>;
  /** Drains and ends it; resolves like `ended`. */
  stop: (drainMs: number) => Promise<Ended>;
}

/** Starts the thread of a service. */
export function startUnit({ name, worker, native, clock, settings }: UnitOptions): Unit {
  const thread = new Worker(worker, { name } as ConstructorParameters<typeof Worker>[1]);
  const ready = Promise.withResolvers<number>();
  const ended = Promise.withResolvers<Ended>();
  const closed = Promise.withResolvers<void>();
  ready.promise.catch(() => {});
  let cause: { message: string; code?: string } | undefined;
  // Before it begins nothing is expected of it.
  let lastHeard = Number.POSITIVE_INFINITY;
  let isReady = false;

  const finish = (stuck: boolean, fallback: string) => {
    clearInterval(heartbeat);
    const end: Ended = { ...(cause ?? { message: fallback }), stuck };
    ended.resolve(end);
    ready.reject(end);
  };
  /** A thread with native calls in flight aborts the whole process when it is ended. */
  const giveUp = (message: string) => {
    cause ??= { message };
    if (native) finish(true, message);
    else void thread.terminate();
  };
  const send = (message: ToWorker, transfer: MessagePort[] = []) =>
    thread.postMessage(message, transfer as never);

  const reloads = createReloads((live) => send({ type: "reload", live }), ended.promise);
  thread.on("message", (message: FromWorker) => {
    lastHeard = clock.elapsed();
    if (message.type === "ready") {
      isReady = true;
      ready.resolve(message.port);
    }
    if (message.type === "reloaded") reloads.done();
    if (message.type === "fatal") {
      const { message: text, code } = message;
      cause ??= { message: text, ...(code !== undefined && { code }) };
      void expectClosed(settings.stop_timeout_ms);
    }
    if (message.type === "closed") {
      closed.resolve();
      void thread.terminate();
    }
  });
  thread.on("error", (error: Error) => {
    cause ??= { message: error.message };
  });
  thread.on("exit", (code: number) => finish(false, `ended with code ${code}`));

  const heartbeat = setInterval(() => {
    const silentMs = clock.elapsed() - lastHeard;
    const limitMs = isReady ? settings.heartbeat_timeout_ms : settings.start_timeout_ms;
    if (silentMs > limitMs)
      return giveUp(isReady ? `hung: silent for ${Math.round(silentMs)} ms` : "did not start in time");
    send({ type: "ping", n: Math.round(lastHeard) });
  }, settings.heartbeat_ms);

  const expectClosed = async (ms: number) => {
    const timer = setTimeout(() => giveUp(`did not close within ${ms} ms`), ms);
    await Promise.race([closed.promise, ended.promise]);
    clearTimeout(timer);
  };

  return {
    begin: (init) => {
      lastHeard = clock.elapsed();
      send(init, portsOf(init));
    },
    ready: ready.promise,
    ended: ended.promise,
    send,
    reload: reloads.ask,
    stop: async (drainMs) => {
      clearInterval(heartbeat);
      cause ??= { message: "stopped" };
      send({ type: "stop", drainMs });
      await expectClosed(drainMs + settings.stop_timeout_ms);
      return ended.promise;
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
