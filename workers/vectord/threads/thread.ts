/** The Worker that does the native work of some indexes. It ends only when asked to, between two native calls. */
import { fail, toWire } from "../../../runtime/errors/errors.ts";
import { systemClock } from "../../../runtime/scheduling/scheduling.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Neighbours } from "../engine/engine.ts";
import { type LocalEngine, openLocal } from "./local.ts";
import { type Ask, type FromThread, pack, type ToThread } from "./protocol.ts";
import { createEngineQueue } from "./queue.ts";

interface Thread {
  postMessage: (message: FromThread, transfer?: ArrayBufferLike[]) => void;
  onmessage: ((event: { data: ToThread }) => void) | null;
}
const thread = globalThis as unknown as Thread;

const queue = createEngineQueue();
const engines = new Map<number, LocalEngine>();
const begun = new Set<Promise<void>>();
let threads = 1;

interface Call {
  call: number;
  engine: number;
}

const done = ({ call }: Call, value: unknown) => {
  thread.postMessage({ type: "done", call, value });
};
const failed = ({ call }: Call, error: unknown) => {
  thread.postMessage({ type: "failed", call, error: toWire(error), cause: describe(error) });
};
const answered = ({ call }: Call, answers: Neighbours[]) => {
  const packed = pack(answers);
  const buffers = [packed.rows.buffer, packed.distances.buffer, packed.counts.buffer];
  thread.postMessage({ type: "done", call, value: packed }, buffers);
};
const progress = ({ engine }: Call) => {
  const local = engines.get(engine);
  if (local) thread.postMessage({ type: "progress", engine, covered: local.covered(), bytes: local.bytes() });
};

function engineOf({ engine }: Call): LocalEngine {
  const local = engines.get(engine);
  if (local === undefined) throw fail("unavailable", "the engine was closed");
  return local;
}

function close(engine: LocalEngine, why: string): void {
  queue.drop(engine, fail("unavailable", why));
}

/** Does what can be done at once, and hands the rest to the queue. */
async function begin(call: Call, ask: Ask): Promise<void> {
  if (ask.type === "open") {
    engines.set(call.engine, await openLocal(ask, { threads, clock: systemClock }));
    progress(call);
    return done(call, undefined);
  }
  const engine = engineOf(call);
  if ("blocks" in ask) engine.grow(ask.blocks);
  const waiting = { call: call.call, engine, failed: (error: unknown) => failed(call, error) };
  const found = { ...waiting, done: (value: unknown) => answered(call, value as Neighbours[]) };
  if (ask.type === "search" && engine.search) return queue.search({ ...found, ...ask });
  if (ask.type === "search" || ask.type === "exact") {
    const among = ask.type === "exact" ? ask.among : { from: 0, to: engine.covered() };
    return queue.exact({ ...found, steps: engine.exactly(ask.queries, ask.k, among) });
  }
  if (ask.type === "add") {
    const all = { ...waiting, done: () => done(call, undefined), progress: () => progress(call) };
    return queue.add({ ...all, rows: ask.rows });
  }
  if (ask.type === "moved") return done(call, undefined);
  if (ask.type === "begin") {
    engine.begin(ask.start);
    return done(call, undefined);
  }
  if (ask.type === "save") return done(call, await engine.save(ask.path, ask.gone));
  engines.delete(call.engine);
  close(engine, "the engine was closed");
  // Native memory is freed with the object that holds it, which the collector believes to be small.
  Bun.gc(true);
  return done(call, undefined);
}

thread.onmessage = ({ data }) => {
  if (data.type === "start") threads = data.threads;
  if (data.type === "cancel") queue.cancel(data.call);
  if (data.type === "stop") {
    for (const engine of engines.values()) close(engine, "the service stops");
    engines.clear();
    // What saves still has files to clear away.
    void Promise.allSettled(begun).then(() => thread.postMessage({ type: "stopped" }));
  }
  if (data.type === "ask") {
    const call = { call: data.call, engine: data.engine };
    const work = begin(call, data.ask)
      .catch((error: unknown) => failed(call, error))
      .finally(() => begun.delete(work));
    begun.add(work);
  }
};
