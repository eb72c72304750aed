/** Where a corpus's rows come from: a dataset or a statement, read through queryd. */
import { fail, invalidField, peerError } from "../../../runtime/errors/errors.ts";
import { fold, quoteName } from "../../../runtime/sql/sql.ts";
import { viewIn } from "../../catalogd/contract.ts";
import { type CorpusSpec, rowField } from "../schemas/schemas.ts";
import type { Peers } from "./peers.ts";

export interface Source {
  /** Stands after FROM. */
  from: string;
  /** The dataset's version as it was when this was asked. */
  version?: number;
}

const datasetName = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** What vectors' metadata holds beside columns, and what filters over it call an item's id and text. */
const ownFields: readonly string[] = [rowField, "@id", "@text"];

/** Lines are handed on in pieces of about so many bytes. */
const pieceBytes = 256 * 1024;

/**
 * Finds the source and holds the corpus's columns against its own. Throws `invalid_field`, `not_found` for a dataset
 * that is not there, `sql_error` as queryd says it, `unprocessable` naming the columns that are missing.
 */
export async function findSource(spec: CorpusSpec, peers: Peers, signal: AbortSignal): Promise<Source> {
  if ((spec.dataset === undefined) === (spec.sql === undefined))
    throw invalidField(
      "dataset",
      `expected either dataset or sql, got ${spec.sql === undefined ? "neither" : "both"}`,
    );
  const taken = spec.metadata_columns?.find((name) => ownFields.includes(name));
  if (taken !== undefined)
    throw invalidField(
      "metadata_columns",
      `the name ${taken} is used by the corpus itself; rename the column`,
    );
  const astray = (spec.json_columns ?? []).find((name) => !spec.metadata_columns?.includes(name));
  if (astray !== undefined)
    throw invalidField("json_columns", `expected columns of metadata_columns, got '${astray.slice(0, 100)}'`);
  const { columns, ...source } =
    spec.dataset === undefined
      ? await describe(spec.sql ?? "", peers, signal)
      : await datasetOf(spec.dataset, peers, signal);
  const known = new Set(columns.map(fold));
  const wanted = [spec.id_column, ...spec.text_columns, ...(spec.metadata_columns ?? [])];
  const missing = [...new Set(wanted)].filter((name) => !known.has(fold(name)));
  if (missing.length > 0)
    throw fail(
      "unprocessable",
      `the source has no column ${missing.map((name) => `'${name}'`).join(", ")}; it has ${listed(columns)}`,
      { details: { missing } },
    );
  return source;
}

const listed = (columns: readonly string[]): string =>
  columns.length > 50
    ? `${columns.slice(0, 50).join(", ")}, and ${columns.length - 50} more`
    : columns.join(", ");

type Described = Source & { columns: string[] };

/** A dataset, or a view. */
async function datasetOf(name: string, { catalogd, queryd }: Peers, signal: AbortSignal): Promise<Described> {
  if (!datasetName.test(name))
    throw invalidField(
      "dataset",
      `expected the name of a dataset, letters, digits and '_', got '${name.slice(0, 100)}'`,
    );
  try {
    const { columns, version } = await catalogd.verbs.manifest({ name }, { signal });
    return { from: quoteName(name), version, columns: columns.map((column) => column.name) };
  } catch (cause) {
    const view = viewIn(cause);
    if (view === undefined) throw cause;
    const from = quoteName(view);
    const { columns } = await queryd.verbs.describe({ sql: `SELECT * FROM ${from}` }, { signal });
    return { from, columns: columns.map((column) => column.name) };
  }
}

async function describe(sql: string, peers: Peers, signal: AbortSignal): Promise<Described> {
  const from = `(\n${sql}\n) AS source`;
  const rows = await (await ask(peers, { sql: `DESCRIBE SELECT * FROM ${from}` }, signal)).json();
  return { from, columns: (rows as { column_name: string }[]).map((row) => row.column_name) };
}

/** How many rows there are. */
export async function countRows({ from }: Source, peers: Peers, options: ReadOptions): Promise<number> {
  const { timeoutMs, signal } = options;
  const request = { sql: `SELECT count(*) AS n FROM ${from}`, timeout_ms: timeoutMs };
  const [row] = (await (await ask(peers, request, signal)).json()) as { n: number }[];
  return Number(row?.n ?? 0);
}

interface ReadOptions {
  timeoutMs: number;
  signal: AbortSignal;
}

/** The rows as NDJSON, in pieces of whole lines: `i` the id, `t0…` the texts, `m0…` the metadata. Reads as it is read. */
export async function* readLines(
  { from }: Source,
  spec: CorpusSpec,
  peers: Peers,
  { timeoutMs, signal }: ReadOptions,
): AsyncGenerator<Uint8Array> {
  const columns = [
    `CAST(${quoteName(spec.id_column)} AS VARCHAR) AS i`,
    ...spec.text_columns.map((name, at) => `CAST(${quoteName(name)} AS VARCHAR) AS t${at}`),
    ...(spec.metadata_columns ?? []).map((name, at) => {
      const own = quoteName(name);
      return `${spec.json_columns?.includes(name) ? `TRY_CAST(${own} AS JSON)` : own} AS m${at}`;
    }),
  ];
  const request = { sql: `SELECT ${columns.join(", ")} FROM ${from}`, timeout_ms: timeoutMs };
  const response = await ask(peers, request, signal, "application/x-ndjson");
  let kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of bodyOf(response)) {
    kept.push(chunk);
    bytes += chunk.length;
    if (bytes < pieceBytes) continue;
    const all = Buffer.concat(kept);
    const end = all.lastIndexOf(10) + 1;
    // A copy of its own, so that it can be handed over.
    if (end > 0) yield Uint8Array.prototype.slice.call(all, 0, end);
    const rest = all.subarray(end);
    kept = [rest];
    bytes = rest.length;
  }
  if (bytes > 0) yield Uint8Array.prototype.slice.call(Buffer.concat(kept));
}

/** A stream that breaks off is queryd's failure, whatever the transport calls it. */
async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) yield chunk;
  } catch (cause) {
    throw fail("bad_gateway", "queryd broke off in the middle of the rows; ask again", { cause });
  }
}

async function ask(
  { queryd }: Peers,
  body: { sql: string; timeout_ms?: number },
  signal: AbortSignal,
  accept = "application/json",
): Promise<Response> {
  const response = await queryd.fetch("/sql?numbers=json", {
    method: "POST",
    headers: { "content-type": "application/json", accept },
    body: JSON.stringify(body),
    signal,
  });
  if (response.ok) return response;
  const { type, message } = await peerError("queryd", response);
  // Places in the text are those of the statement around the caller's: they would mislead.
  throw fail(type, message);
}
