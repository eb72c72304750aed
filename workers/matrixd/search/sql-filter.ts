/**
 * The rows of a corpus for which a SQL predicate holds, found by queryd over the corpus's dataset or statement, as it
 * is now. Sets are kept under what they depend on, so that a predicate that comes again is cheap and never stale.
 *
 * The predicate is the caller's text inside of our statement. It stands there alone and whole, for it has to parse in
 * round and in square brackets: text that closes one kind to open it again cannot fit the other; a quote or a comment
 * that it leaves open has nothing after it to be closed by.
 */

import { LRUCache } from "lru-cache";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, peerError, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import { type Catalogd, viewIn } from "../../catalogd/contract.ts";
import type { Queryd } from "../../queryd/contract.ts";
import type { LiveCorpus } from "../corpora/corpora.ts";
import { type RowSet, rowSet } from "./row-set.ts";

export interface SqlFilters {
  /** Throws queryd's error with the place in the predicate. */
  rowsWhere: (live: LiveCorpus, predicate: string, signal: AbortSignal) => Promise<RowSet>;
}

interface Peers {
  catalogd: Peer<Catalogd>;
  queryd: Peer<Queryd>;
  clock: Clock;
}

/** Numbers in all sets kept, 8 bytes each. */
const keptNumbersMax = 4_000_000;
/** Sets kept: empty ones have no numbers and still a key. */
const keptSetsMax = 1000;
/** Rows one predicate may let through. */
const rowsMax = 5_000_000;
/** Ids looked up in one slice. */
const idsAtOnce = 5000;

interface Kept {
  set: RowSet;
  /** Of what queryd read; absent where the key says it. */
  etag: string | undefined;
}

export function createSqlFilters(peers: Peers): SqlFilters {
  const kept = new LRUCache<string, Kept>({
    max: keptSetsMax,
    maxSize: keptNumbersMax,
    sizeCalculation: ({ set }) => Math.max(1, set.numbers.length),
  });
  return {
    rowsWhere: async (live, predicate, signal) => {
      // Asked for before the rows are: what changes in between is found under the new key.
      const version = await versionOf(peers, live, predicate, signal);
      const key = JSON.stringify([live.index, live.info.name, live.generation, version, predicate]);
      const known = kept.get(key);
      if (known && version !== undefined) return known.set;
      const read = await readRows(peers, { live, predicate, known, tagged: version === undefined }, signal);
      if (version !== undefined || read.etag !== undefined) kept.set(key, read);
      return read.set;
    },
  };
}

/** Functions whose value changes with time: queryd gives no etag for a statement with one. */
const volatile =
  /\b(now|today|random|uuid\w*|gen_random_uuid|current_\w+|localtime\w*|get_current_\w+|transaction_timestamp|age|txid_current)\b/i;
const plainDataset = /^[A-Za-z_]\w*$/;
/** A subquery may read any dataset. */
const mayReadOthers = /\b(select|from|values|table)\b/i;

/** The version of the dataset where the result depends on nothing else; a view, a statement and a subquery read others. */
async function versionOf(
  { catalogd }: Peers,
  { info: { dataset } }: LiveCorpus,
  predicate: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const isPlain = !volatile.test(predicate) && !mayReadOthers.test(predicate);
  if (dataset === undefined || !plainDataset.test(dataset) || !isPlain) return undefined;
  const found = await catalogd.verbs.manifest({ name: dataset }, { signal }).catch((cause) => {
    if (viewIn(cause) === undefined) throw cause;
    return undefined;
  });
  return found && `${found.dataset_id}.${found.version}.${found.created_at}`;
}

interface Reading {
  live: LiveCorpus;
  predicate: string;
  /** What was read before, and is still right where queryd reads the same. */
  known: Kept | undefined;
  /** Whether queryd is asked for an etag. */
  tagged: boolean;
}

async function readRows(
  { queryd, clock }: Peers,
  { live, predicate, known, tagged }: Reading,
  signal: AbortSignal,
): Promise<Kept> {
  const { alone, whole } = filterStatements(live.info, predicate);
  if (!known) await run(queryd, alone, signal);
  const tag = tagged ? { tag: { of: "sql_filter", ...(known?.etag && { known: known.etag }) } } : {};
  const response = await run(queryd, whole, signal, tag);
  const etag = response.headers.get("etag") ?? undefined;
  if (response.status === 304 && known) return { ...known, etag };
  const [first] = (await response.json()) as { ids: (string | null)[] | null }[];
  const ids = (first?.ids ?? []).filter((id) => id !== null);
  if (ids.length > rowsMax)
    throw fail("unprocessable", `sql_filter: it holds for more than ${rowsMax} rows; narrow it`);
  const numbers: number[] = [];
  for (let from = 0; from < ids.length; from += idsAtOnce) {
    if (from > 0) await clock.sleep(0, signal);
    for (const number of await live.numbersOf(ids.slice(from, from + idsAtOnce)))
      if (number !== undefined) numbers.push(number);
  }
  return { set: rowSet(numbers), etag };
}

interface Statement {
  sql: string;
  /** Of the predicate, in characters, and the lines before it. */
  start: number;
  linesBefore: number;
  length: number;
}

/** The statement that tries whether the predicate stands alone, and the one that gives the ids of its rows. */
export function filterStatements(
  { dataset, sql, id_column }: { dataset?: string; sql?: string; id_column: string },
  predicate: string,
): { alone: Statement; whole: Statement } {
  const source = dataset === undefined ? `${sql}` : `SELECT * FROM ${quoteName(dataset)}`;
  const id = quoteName(id_column);
  const around = (before: string, after: string): Statement => ({
    sql: `${before}${predicate}${after}`,
    start: before.length,
    linesBefore: before.split("\n").length - 1,
    length: predicate.length,
  });
  return {
    alone: around("SELECT [\n", `\n] FROM (${source}\n) LIMIT 0`),
    whole: around(
      `SELECT list(CAST(${id} AS VARCHAR)) AS ids FROM (SELECT ${id} FROM (${source}\n) WHERE (\n`,
      `\n) LIMIT ${rowsMax + 1})`,
    ),
  };
}

async function run(
  queryd: Peer<Queryd>,
  statement: Statement,
  signal: AbortSignal,
  more: object = {},
): Promise<Response> {
  const response = await queryd.fetch("/sql", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ sql: statement.sql, ...more }),
    signal,
  });
  if (response.ok || response.status === 304) return response;
  throw withSourcePosition(await peerError("queryd", response), statement);
}

/** The error with its source position in the predicate instead of the statement. */
function withSourcePosition(error: ServiceError, { start, length, linesBefore }: Statement): ServiceError {
  if (error.status >= 500 || error.status === 429) return error;
  const extra = { cause: error };
  const message = `sql_filter: ${error.message}`;
  const place = error.details as { position?: number; line?: number; column?: number } | undefined;
  const position = (place?.position ?? -1) - start;
  if (place?.line === undefined || position < 0 || position > length)
    return new ServiceError(error.type, message, extra);
  const line = place.line - linesBefore;
  return new ServiceError(error.type, `${message} (line ${line}, column ${place.column} of the predicate)`, {
    ...extra,
    details: { field: "sql_filter", position, line, column: place.column },
  });
}
