/** pathwayd: its verbs over the table in memory and the log on disk. */
import type { Running, VerbsOf } from "../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../runtime/errors/errors.ts";
import { logDamageOf } from "../../runtime/line-log/line-log.ts";
import { createMemoryBudget } from "../../runtime/memory/memory.ts";
import { waitAtStart } from "../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../runtime/service/service.ts";
import { describe } from "../../runtime/telemetry/telemetry.ts";
import type { Embedd } from "../embedd/contract.ts";
import { type Pathwayd, pathwayd } from "./contract.ts";
import { createCompactionPolicy, durableLog, gauges, openStore, type Store, statsOf } from "./log/log.ts";
import {
  createMeanings,
  createTexts,
  history,
  type SearchDeps,
  search,
  settledTime,
  type Texts,
} from "./search/search.ts";
import {
  createTimes,
  createTraceTable,
  erasedUid,
  formatTime,
  headAt,
  isLive,
  type TraceTable,
  traceOf,
  unknownUid,
} from "./traces/traces.ts";
import {
  createWriter,
  operationsFound,
  type TraceErasure,
  traceErasure,
  type Writer,
  writeVerbs,
} from "./writes/writes.ts";

/** Of the machine's memory, for traces, unless a setting says how much. */
const memoryShare = 1 / 8;

/**
 * Reads the log and serves it; 503 until it is read. A log that is not what was acknowledged stays closed. Throws
 * `corrupt` when a newer version wrote it.
 */
export async function createPathwayd(deps: Deps<{ embedd: Embedd }>): Promise<Running<Pathwayd>> {
  let memory: Memory | undefined;
  let pending = fail("unavailable", "pathwayd is reading its log", { retryAfterSeconds: 1 });
  const failed = (cause: unknown) => {
    const why = cause instanceof ServiceError ? cause : fail("unavailable", "see its errors");
    const type = staysClosed(cause) ? why.type : "unavailable";
    pending = fail(type, `pathwayd cannot read its log: ${why.message}`, { details: why.details });
    deps.log.error("the log cannot be read", describe(cause));
  };
  const opening = openMemory(deps).then(
    (opened) => {
      memory = opened;
    },
    (cause) => {
      if (!staysClosed(cause)) throw cause;
      failed(cause);
    },
  );
  await waitAtStart(deps.clock, opening);
  // The start is over: a failure from here on is logged and shown in /readyz.
  const opened = opening.catch(failed);
  return {
    raw: {},
    verbs: gated(() => {
      if (memory) return memory.verbs;
      throw pending;
    }),
    notReady: () => memory?.store.damage() ?? [pending.message],
    durable: durableLog(deps.directory, () => {
      if (memory) return memory.store;
      throw pending;
    }),
    erase: async (erasing) => {
      if (memory) return memory.erasure.eraseSubject(erasing);
      throw pending;
    },
    stop: async () => {
      await opened;
      await memory?.writer.stop();
      memory?.texts.close();
    },
  };
}

/** A restart would not help: it would find as little memory, or the same log. */
const staysClosed = (cause: unknown): boolean =>
  (cause instanceof ServiceError && cause.type === "memory_full") || logDamageOf(cause) !== undefined;

interface Memory {
  verbs: VerbsOf<Pathwayd>;
  store: Store;
  writer: Writer;
  texts: Texts;
  erasure: TraceErasure;
}

async function openMemory(deps: Deps<{ embedd: Embedd }>): Promise<Memory> {
  const { config, clock, log, directory } = deps;
  const times = createTimes(clock);
  const texts = createTexts({ table: () => table, clock });
  const meanings = createMeanings({ embedd: deps.peers.embedd.verbs, clock });
  const table: TraceTable = createTraceTable({ onContent: texts.touch });
  const started = clock.elapsed();
  const budget = createMemoryBudget({
    limit: config.pathwayd.max_memory_bytes,
    share: memoryShare,
    setting: "pathwayd.max_memory_bytes",
    advice: "add memory",
    metrics: deps.metrics,
  });
  const store = await openStore(directory, table, {
    kept: deps,
    budget,
    onRecord: operationsFound(table, deps.idempotency),
  });
  times.saw(table.lastAt());
  for (const problem of store.problems()) log.error("damage in the log", { problem });
  log.info("log read", { traces: table.entries.length, ms: Math.round(clock.elapsed() - started) });
  const writer = createWriter({
    table,
    store,
    times,
    limits: {
      waitingMax: config.pathwayd.max_waiting,
      logBytesMax: config.pathwayd.max_log_bytes,
      memoryBytesMax: budget.limit,
    },
    ...createCompactionPolicy({ table, store, limits: config.pathwayd, log }),
    settled: deps.idempotency.settled,
  });
  gauges(deps, { table, store, writer });
  const compact = async () => {
    const outcome = await writer.compact();
    log.info("log compacted", outcome);
    return outcome;
  };
  const forget = (ordinals: readonly number[]) => {
    texts.forget();
    for (const ordinal of ordinals) meanings.forget(ordinal);
  };
  const erasure = traceErasure({ ...deps, table, store, writer, times, forget });
  const verbs = {
    ...writeVerbs(deps, writer),
    erase: erasure.erase,
    ...readVerbs({ table, texts, meanings, times, settled: writer.settled }),
    stats: async () => statsOf(table, store),
    compact,
  };
  return { verbs, store, writer, texts, erasure };
}

/** Every verb asks for the opened memory first: until the log is read no caller learns that a trace does not exist. */
const gated = (opened: () => VerbsOf<Pathwayd>): VerbsOf<Pathwayd> =>
  Object.fromEntries(
    Object.keys(pathwayd.endpoints).map((name) => [
      name,
      async (input: never, context: never) => opened()[name as keyof VerbsOf<Pathwayd>](input, context),
    ]),
  ) as unknown as VerbsOf<Pathwayd>;

type Read = "get" | "history" | "search" | "alive";
function readVerbs(deps: SearchDeps): Pick<VerbsOf<Pathwayd>, Read> {
  const { table } = deps;
  return {
    get: async ({ uid, as_of }) => {
      const at = as_of === undefined ? undefined : await settledTime(as_of, deps);
      const entry = table.find(uid);
      if (!entry) throw unknownUid(uid);
      const head = at === undefined ? entry.head : headAt(entry, at);
      if (head?.erased) throw erasedUid(uid, head.erased);
      if (head) return traceOf(head);
      throw fail(
        "not_found",
        `trace '${uid}' was not there yet: it was made at ${formatTime(entry.head.created)}`,
        { details: { uid } },
      );
    },
    history: async (input) => history(input, table),
    search: (input, { signal }) => search(input, deps, signal),
    alive: async ({ uids }) => ({
      alive: uids.filter((uid) => {
        const entry = table.find(uid);
        return entry !== undefined && isLive(entry.head);
      }),
    }),
  };
}
