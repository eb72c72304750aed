/** A corpus's vectors: new rows to embedd, and on to vectord. */
import pMap from "p-map";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { PendingRow } from "../lexicon/lexicon.ts";
import { rowField } from "../schemas/schemas.ts";
import { named, type Peers } from "./peers.ts";

/** Rows embedded in one call, and the most bytes of their texts; of both services' limits the smaller. */
export const batchRows = 256;
export const batchBytes = 2 * 1024 * 1024;
/** Calls under way at once: one is embedded while others are added. */
const inFlight = 3;
/** Longest wait for a batch: a model on a small machine may take minutes for it. */
const callMs = 10 * 60_000;
/** Tries again of a call that was refused because too much was going on, and the wait before the first, doubled each time. */
const retries = 6;
const retryMs = 250;

export interface Model {
  model: string;
  dimension: number;
}

interface VectorPlan {
  peers: Peers;
  clock: Clock;
  signal: AbortSignal;
  index: string;
  /** As it was asked for; undefined for embedd's default. */
  model: string | undefined;
  /** The next rows to embed; empty at the end. */
  next: () => Promise<PendingRow[]>;
  /** Called once, with what the first answer says, before any vector is added. */
  ready: (model: Model) => Promise<void>;
  added: (rows: number) => void;
}

/** Embeds and adds all rows, a few batches at once. Rejects when all that was under way has ended. */
export async function addVectors(plan: VectorPlan): Promise<void> {
  const known = await addFirst(plan);
  if (!known) return;
  const failures: unknown[] = [];
  const failed = (cause: unknown) => void failures.push(cause);
  const batches = async function* () {
    while (failures.length === 0) {
      const rows = (await plan.next().catch(failed)) ?? [];
      if (rows.length === 0) return;
      yield rows;
    }
  };
  const embedAndAdd = async (rows: PendingRow[]) => {
    const { model, vectors } = await embed(plan, rows, known.model);
    if (model.dimension !== known.dimension) throw changed(known, model);
    await add(plan, rows, vectors, model);
  };
  await pMap(batches(), (rows) => embedAndAdd(rows).catch(failed), { concurrency: inFlight });
  if (failures.length > 0) throw failures[0];
}

/** The first batch says which model it is and how long its vectors are. */
async function addFirst(plan: VectorPlan): Promise<Model | undefined> {
  const rows = await plan.next();
  if (rows.length === 0) return undefined;
  const { model, vectors } = await embed(plan, rows, plan.model);
  await plan.ready(model);
  await add(plan, rows, vectors, model);
  return model;
}

const changed = (known: Model, now: Model) =>
  fail(
    "conflict",
    `embedd: the vectors of ${now.model} have ${now.dimension} numbers now and had ${known.dimension} before; build the corpus again`,
  );

async function embed(plan: VectorPlan, rows: readonly PendingRow[], model: string | undefined) {
  const texts = rows.map(({ text }) => text);
  const call = () =>
    plan.peers.embedd.verbs.vectorsOf(
      { texts, ...(model !== undefined && { model }) },
      { signal: plan.signal, timeoutMs: callMs },
    );
  try {
    const answer = await named("embedd", retrying(call, plan));
    return { model: { model: answer.model, dimension: answer.dimension }, vectors: answer.vectors };
  } catch (cause) {
    throw aboutRow(cause, rows);
  }
}

/** The error of a text that cannot be embedded names its row. */
function aboutRow(cause: unknown, rows: readonly PendingRow[]): unknown {
  if (!(cause instanceof ServiceError)) return cause;
  const { field } = (cause.details ?? {}) as { field?: unknown };
  const at = typeof field === "string" ? /^texts\.(\d+)$/.exec(field)?.[1] : undefined;
  const row = at === undefined ? undefined : rows[Number(at)];
  if (!row) return cause;
  return fail("unprocessable", `the text of row '${row.id}' cannot be embedded: ${cause.message}`, { cause });
}

async function add(plan: VectorPlan, rows: readonly PendingRow[], vectors: Uint8Array, model: Model) {
  const metadata = rows.map((row) => ({ ...JSON.parse(row.metadata), [rowField]: row.number }));
  const input = {
    name: plan.index,
    ids: rows.map(({ number }) => String(number)),
    metadata,
    embedding_model: model.model,
  };
  // Copied, so that a second try has them too; the copy is handed over.
  const call = () => {
    const copy = vectors.slice();
    return plan.peers.vectord.verbs.addVectors(
      { ...input, vectors: copy },
      { signal: plan.signal, timeoutMs: callMs, transfer: [copy.buffer] },
    );
  };
  await named("vectord", retrying(call, plan));
  plan.added(rows.length);
}

const busy = new Set(["too_many_requests", "overloaded"]);

/** Retries with backoff what was refused because a service has too much to do: nothing was done then. */
async function retrying<R>(call: () => Promise<R>, { clock, signal }: VectorPlan): Promise<R> {
  for (let tries = 0; ; tries++) {
    try {
      return await call();
    } catch (cause) {
      const isBusy = cause instanceof ServiceError && busy.has(cause.type) && tries < retries;
      if (!isBusy) throw cause;
      await clock.sleep(Math.max((cause.retryAfterSeconds ?? 0) * 1000, retryMs * 2 ** tries), signal);
    }
  }
}
