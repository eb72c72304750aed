/**
 * One index in an engine of others: filled from the rows in memory, in the order of the log, and searched as far as it has
 * come. Every search and every step is checked against how far the engine says it has come: an engine that lost
 * something, or that another process wrote to, is found out before its answer is used, and filled anew.
 */
import { Mutex } from "async-mutex";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Engine, Neighbours, SearchOptions } from "../engine/engine.ts";
import type { Rows } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import { type Connection, nameOf } from "./connection.ts";
import type { Applied, Collection, Driver, Step } from "./interface.ts";
import { createProgress, judge, type Progress } from "./progress.ts";
import { asSent, queriesOf, rescored } from "./scoring.ts";

export interface Replica {
  /** A batch is in memory: the segment that it came in, and what it removed. In the order of the log. */
  applied: (segment: number, rows: Rows, deletes: readonly string[]) => void;
  /** The engine over these rows; `local` compares exactly what the other does not have. */
  over: (rows: Rows, local: Engine) => Engine;
  /** From now on these rows are the index's; `wake` is called when there is something to do for them. */
  serve: (rows: Rows, wake: () => void) => void;
  /** Ends it in the engine too: the index was dropped. */
  drop: () => Promise<void>;
  close: () => void;
}

interface ReplicaDeps {
  connection: Connection;
  log: Log;
  newId: () => string;
}

interface State {
  /** The engine's own state was read, or written, and is as expected. */
  isChecked: boolean;
  /** Searched there; else it is being filled anew. */
  isServing: boolean;
  /** Rows up to this sequence are in the engine, and all of the log up to this segment. */
  sequence: number;
  segment: number;
  rebuilding: string | undefined;
  /** Of an engine whose graph does not grow with the rows: it is there, or is being built. */
  isBuilt: boolean;
  isBuilding: boolean;
}

/** A step of filling and what is built after it may take so much longer than a search. */
const times = { step: 6, graph: 360 };

/** A replica from inside. */
interface Opened extends ReplicaDeps {
  config: IndexConfig;
  incarnation: string;
  collection: Collection;
  progress: Progress;
  /** This process, while the index is open. */
  writer: string;
  state: State;
  mutex: Mutex;
  serving?: { rows: Rows; wake: () => void };
}

export function openReplica(config: IndexConfig, incarnation: string, deps: ReplicaDeps): Replica {
  const { connection } = deps;
  const { name: index, dimension, metric, connectivity, ef_construction: efConstruction } = config;
  const progress = createProgress();
  const opened: Opened = {
    ...{ ...deps, config, incarnation, progress, writer: deps.newId(), mutex: new Mutex() },
    collection: { index, dimension, metric, connectivity, efConstruction },
    state: {
      isChecked: false,
      isServing: false,
      sequence: -1,
      segment: -1,
      rebuilding: undefined,
      isBuilt: false,
      isBuilding: false,
    },
  };
  const close = connection.whenUp(() => {
    opened.state.isChecked = false;
    opened.serving?.wake();
  });
  return {
    applied: (segment, rows, deletes) => progress.add(segment, lastOf(rows), deletes),
    serve: (rows, wake) => {
      opened.serving = { rows, wake };
    },
    over: (rows, local) => engineOver(opened, rows, local),
    drop: () => connection.ask(() => connection.driver.drop(index), { times: times.step }),
    close,
  };
}

function engineOver(opened: Opened, rows: Rows, local: Engine): Engine {
  const { config, connection, state, mutex } = opened;
  const isServed = () => opened.serving?.rows === rows;
  return {
    name: config.engine ?? "",
    covered: () => (state.isServing ? rows.after(state.sequence) : 0),
    // Rows that are copied for a compaction lack what was added meanwhile: they are not what it is filled from.
    owes: () => isServed() && (!state.isChecked || !state.isServing || isBehind(opened)),
    add: async (_, signal = new AbortController().signal) => {
      await connection.up(signal);
      await mutex.runExclusive(async () => {
        if (!isServed()) return;
        await fill(opened, rows, signal).catch((error) => {
          state.isChecked = false;
          throw error;
        });
      });
    },
    search: (queries, options) => searchThere(opened, rows, queries, options),
    exact: local.exact,
    save: undefined,
    saveBytes: () => 0,
    memoryBytes: local.memoryBytes,
    moved: local.moved,
    problem: () => problemOf(connection, config, state, rows),
    away: () => connection.away(),
    candidatesMax: connection.driver.limits.candidates,
    close: local.close,
  };
}

const isBehind = ({ progress, state }: Opened): boolean =>
  progress.last().segment > state.segment && state.isServing;

const appliedAt = ({ incarnation, collection, writer }: Opened, segment: number): Applied => {
  const { dimension, metric } = collection;
  return { incarnation, dimension, metric, segment, writer };
};

const write = (
  { connection, collection, writer }: Opened,
  step: Omit<Step, "writer">,
  signal: AbortSignal,
): Promise<void> =>
  connection.ask(() => connection.driver.write(collection, { ...step, writer }), {
    signal,
    times: times.step,
  });

/** Finds out how far the engine is, and empties it where that is of no use. */
async function attach(opened: Opened, signal: AbortSignal): Promise<void> {
  const { connection, collection, progress, incarnation, writer, state, log, config } = opened;
  const { driver } = connection;
  const found = await connection.ask(() => driver.applied(collection), { signal });
  const isOurs = found?.writer === writer;
  if (state.isServing && isOurs && found.segment === state.segment) {
    state.isChecked = true;
    return;
  }
  const isAnothers = state.isServing && !isOurs && found !== undefined && found.segment > state.segment;
  const verdict = isAnothers
    ? { rebuild: "another process wrote to it" }
    : judge(found, collection, incarnation, progress);
  if ("rebuild" in verdict) {
    if (progress.last().segment > 0)
      log.warn("an index is filled anew in its engine", {
        ...{ index: config.name, engine: config.engine, reason: verdict.rebuild },
      });
    const rebuilding = verdict.rebuild;
    Object.assign(state, { isServing: false, sequence: -1, segment: -1, rebuilding, isBuilt: false });
    await connection.ask(() => driver.reset(collection, appliedAt(opened, -1)), {
      signal,
      times: times.step,
    });
  } else {
    const { from } = verdict;
    const applied = appliedAt(opened, from);
    await write(opened, { ids: [], vectors: [], gone: [], claims: true, applied }, signal);
    const sequence = progress.sequenceOf(from) ?? -1;
    Object.assign(state, { isServing: true, sequence, segment: from, rebuilding: undefined });
  }
  state.isChecked = true;
}

/** Brings the engine to where the rows are. */
async function fill(opened: Opened, rows: Rows, signal: AbortSignal): Promise<void> {
  const { connection, progress, state } = opened;
  if (!state.isChecked) await attach(opened, signal);
  while (await step(opened, rows, signal)) signal.throwIfAborted();
  const { graph } = connection.driver;
  if (graph && !state.isBuilt && rows.total() >= graph.from) await buildGraph(opened, graph, signal);
  if (state.isServing) return;
  // What was removed while it was filled goes before anything is searched there.
  const { segment, deletes } = progress.upTo(-1, state.sequence) ?? { segment: 0, deletes: [] };
  const gone = [...deletes].filter((id) => rows.find(id) === undefined);
  await write(opened, { ids: [], vectors: [], gone, applied: appliedAt(opened, segment) }, signal);
  Object.assign(state, { isServing: true, segment, rebuilding: undefined });
  await fill(opened, rows, signal);
}

/** Over rows that are there it takes a fraction of the time that it takes to grow with them. */
async function buildGraph(
  { connection, collection, state, config, log }: Opened,
  { build }: NonNullable<Driver["graph"]>,
  signal: AbortSignal,
): Promise<void> {
  state.isBuilding = true;
  try {
    await connection.ask((ending) => build(collection, ending), { signal, times: times.graph });
    state.isBuilt = true;
    log.info("the graph of an index is built in its engine", { index: config.name, engine: config.engine });
  } finally {
    state.isBuilding = false;
  }
}

/** One step; whether there is more. */
async function step(opened: Opened, rows: Rows, signal: AbortSignal): Promise<boolean> {
  const { connection, progress, state, config } = opened;
  const total = rows.total();
  const from = rows.after(state.sequence);
  const to = Math.min(total, from + connection.driver.limits.items);
  const reached = to === total ? progress.last().sequence : rows.sequence(to - 1);
  const passed = state.isServing ? progress.upTo(state.segment, reached) : undefined;
  const chosen = numbers(from, to).filter((row) => rows.find(rows.id(row)) === row);
  await write(
    opened,
    {
      ids: chosen.map(rows.id),
      vectors: chosen.map((row) => asSent(rows.blocks.row(row), config.metric)),
      gone: [...(passed?.deletes ?? [])].filter((id) => rows.find(id) === undefined),
      ...(passed && { applied: appliedAt(opened, passed.segment) }),
    },
    signal,
  );
  state.sequence = Math.max(state.sequence, reached);
  if (passed) state.segment = passed.segment;
  return to < total || isBehind(opened);
}

async function searchThere(
  opened: Opened,
  rows: Rows,
  queries: Float32Array,
  { k, ef = opened.config.ef_search, upTo = rows.total(), signal }: SearchOptions,
): Promise<Neighbours[]> {
  const { config, connection, collection, state, writer } = opened;
  const { metric, dimension } = config;
  const { segment } = state;
  const asked = queriesOf(queries, dimension);
  const sent = asked.map((query) => asSent(query, metric));
  const answer = await connection.ask(
    (ending) =>
      connection.driver.search(collection, { queries: sent, k, ef: Math.max(ef, k), signal: ending }),
    { signal },
  );
  if (!isAsKnown(answer.applied, writer, segment)) {
    state.isChecked = false;
    opened.serving?.wake();
    throw changed(connection, config);
  }
  return rescored(rows, { metric, asked, ids: answer.ids, k, upTo, signal });
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at);

const lastOf = (rows: Rows): number => (rows.total() === 0 ? -1 : rows.sequence(rows.total() - 1));

/** The state that was written last, or one that was written since the search began. */
const isAsKnown = (found: Applied | undefined, writer: string, segment: number): boolean =>
  found?.writer === writer && found.segment >= segment;

const changed = ({ settings }: Connection, { name }: IndexConfig): ServiceError =>
  fail(
    "unavailable",
    `${nameOf(settings)} is not where index '${name}' left it: it was restored, or another process wrote to it; it is looked at again`,
    { retryAfterSeconds: 1 },
  );

function problemOf(
  connection: Connection,
  { name }: IndexConfig,
  { rebuilding, sequence, isBuilding }: State,
  rows: Rows,
): string | undefined {
  const away = connection.away();
  if (away) return away.message;
  const place = nameOf(connection.settings);
  if (isBuilding)
    return `the graph of index '${name}' is being built in ${place}: its rows are compared until it is`;
  if (rebuilding === undefined) return undefined;
  return `index '${name}' is being filled anew in ${place}, ${rows.after(sequence)} of ${rows.total()} rows: ${rebuilding}`;
}
