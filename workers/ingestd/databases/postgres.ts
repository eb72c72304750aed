/** Tables of PostgreSQL as CSV: read by a cursor, so that memory does not grow, in one snapshot of the database. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { connectPostgres } from "../../../runtime/postgres/postgres.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import { csvField } from "../tables/tables.ts";
import { type SourceColumn, textOf } from "./columns.ts";
import type { Source } from "./settings.ts";

/** What is read of it. */
export type Wanted = { table: string } | { query: string };

export interface Reading {
  columns: SourceColumn[];
  /** Each row as a line, after the names. Fails where the connection ends before the rows do. */
  chunks: AsyncGenerator<Uint8Array>;
}

/** Rows of one answer; the client holds two at most. */
const rowsAtOnce = 2000;
/** Values that hold in every session of the server, whatever its own settings are. */
const session = [
  "TimeZone = 'UTC'",
  "DateStyle = 'ISO, YMD'",
  "extra_float_digits = 3",
  "IntervalStyle = 'iso_8601'",
];

/**
 * Opens the rows of a table or of a SELECT; they are read as they are asked for. `close` ends the connection. Throws
 * `unavailable` where nobody answers, `unprocessable` for what the server refuses.
 */
export async function readPostgres(
  source: Source,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Reading & { close: () => Promise<void> }> {
  const sql = connectPostgres({ ...source, connections: 1 });
  // One and the same: on another one there is no cursor.
  const connection = sql.reserve();
  connection.catch(() => undefined);
  const close = () => sql.close({ timeout: 0 }).catch(() => undefined);
  signal.addEventListener("abort", close, { once: true });
  /** One statement by the protocol that takes no more than one, so that a query can bring none beside itself. */
  const ask = async (statement: string): Promise<Record<string, unknown>[]> => {
    try {
      return await (await connection)(template(statement));
    } catch (cause) {
      signal.throwIfAborted();
      throw failure(source, cause);
    }
  };
  try {
    await ask("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    for (const setting of [...session, `statement_timeout = ${source.timeoutMs}`])
      await ask(`SET LOCAL ${setting}`);
    const { from, columns } =
      "table" in wanted ? await ofTable(ask, wanted.table, source) : await ofQuery(ask, wanted.query);
    if (columns.length === 0) throw fail("unprocessable", `source '${source.name}': no columns`);
    const line = columns.map((column, at) => `${textOf(column, "t")} AS c${at}`).join(", ");
    await ask(`DECLARE lakehouse NO SCROLL CURSOR FOR SELECT ${line} FROM ${from} t`);
    return { columns, chunks: linesOf(ask, columns), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** Text as the client takes it for a prepared statement. */
const template = (text: string): TemplateStringsArray =>
  Object.defineProperty([text], "raw", { value: [text] }) as unknown as TemplateStringsArray;

type Ask = (statement: string) => Promise<Record<string, unknown>[]>;

async function ofTable(
  ask: Ask,
  table: string,
  { name }: Source,
): Promise<{ from: string; columns: SourceColumn[] }> {
  const [found] = await ask(`SELECT to_regclass(${quoteText(table)})::oid::text AS oid`);
  if (!found?.oid)
    throw fail(
      "unprocessable",
      `table: source '${name}' has no table '${table}' that its user may see; expected schema.table, names with capitals in double quotes`,
    );
  const columns = await ask(
    `SELECT attname AS name, CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
       ELSE format_type(atttypid, atttypmod) END AS type, attrelid::regclass::text AS "from"
     FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
     WHERE attrelid = ${found.oid} AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
  );
  return {
    from: String(columns[0]?.from),
    columns: columns.map(({ name: called, type }) => ({ name: String(called), type: String(type) })),
  };
}

/** Of a query the server says the types of the columns alone, without digits of numerics; the values decide these. */
async function ofQuery(ask: Ask, query: string): Promise<{ from: string; columns: SourceColumn[] }> {
  // The line's end ends a comment of the query's.
  const from = `(${query}\n)`;
  const none = `(VALUES (1)) one LEFT JOIN LATERAL (SELECT * FROM ${from} q LIMIT 0) r ON true`;
  const [empty] = await ask(`SELECT r.* FROM ${none}`);
  const names = Object.keys(empty ?? {});
  const typed = names.map((name, at) => `pg_typeof(r.${quoteName(name)})::text AS t${at}`);
  const [row] = await ask(`SELECT ${typed.join(", ")} FROM ${none}`);
  return { from, columns: names.map((name, at) => ({ name, type: String(row?.[`t${at}`]) })) };
}

async function* linesOf(ask: Ask, columns: readonly SourceColumn[]): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  yield encoder.encode(`${columns.map(({ name }) => csvField(name)).join(",")}\n`);
  for (;;) {
    const rows = await ask(`FETCH ${rowsAtOnce} FROM lakehouse`);
    if (rows.length === 0) return void (await ask("COMMIT"));
    const lines = rows.map((row) =>
      columns.map((_, at) => csvField((row[`c${at}`] as string | null) ?? null)).join(","),
    );
    yield encoder.encode(`${lines.join("\n")}\n`);
  }
}

/** SQLSTATE classes of a refused user: invalid authorization, and a database or role that is not there. */
const refusedUser = /^(28|3D)/;

/** SQLSTATE classes of connections that end, servers that stop or are full, and of a cursor that went with its connection. */
const isAway = /^(08|57P|53|34)/;

/** What the server says, or that it is away; never how it is reached beyond its name. */
function failure({ name }: Source, cause: unknown): ServiceError {
  const { errno, message } = Object(cause) as { errno?: unknown; message?: unknown };
  const state = typeof errno === "string" ? errno : "";
  const said = String(message);
  if (state === "" || isAway.test(state))
    return fail(
      "unavailable",
      `source '${name}' does not answer, or its connection broke; nothing was registered`,
      {
        retryAfterSeconds: 1,
        cause,
      },
    );
  if (state === "57014")
    return fail("timeout", `source '${name}' took longer for the next rows than its timeout_ms says`, {
      cause,
    });
  if (refusedUser.test(state))
    return fail(
      "unprocessable",
      `source '${name}' refuses its user: ${said}; its password is the secret [providers.${name}] api_key`,
      { cause },
    );
  return fail("unprocessable", `source '${name}': ${said}`, { cause });
}
