/** PostgreSQL with pgvector, by Bun's own client: a schema a namespace, a table an index. The only file that speaks SQL to it. */
import type { SQL } from "bun";
import pMap from "p-map";
import { connectPostgres } from "../../../runtime/postgres/postgres.ts";
import {
  type Applied,
  type Collection,
  type Driver,
  EngineRefusal,
  NotOurs,
  type RemoteQuery,
  readApplied,
  type Step,
} from "./interface.ts";
import type { SettingsOf } from "./settings.ts";

const connections = 8;
/** Queries of one statement: a function of PostgreSQL takes 100 arguments. */
const queriesAtOnce = 50;
/** pgvector's own bounds: of an index over `vector`, over `halfvec`, of `hnsw.ef_search`. */
const dimensions = { vector: 2000, halfvec: 4000 };
const efMax = 1000;
/** The first that goes on scanning until there are enough (`hnsw.iterative_scan`). */
const versionMin = [0, 8] as const;
/** PostgreSQL compares so many rows in some milliseconds, and takes ten times as long for a row that a graph grows by. */
const graphFrom = 5000;
/** Rows an iterative scan may visit: a wide search ends by its limit, not by this. */
const scanMax = 2_147_483_647;

const operators = { cosine: "<=>", ip: "<#>", l2: "<->" } as const;

const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const vectorText = (vector: Float32Array): string => `[${vector.join(",")}]`;

export function pgvector(settings: SettingsOf<"pgvector">): Driver {
  let sql = connectTo(settings);
  const schema = `"${settings.namespace}"`;
  /** Numbers of the tables: a collection that was made anew has another. */
  const numbers = new Map<string, string>();
  const tableOf = ({ index }: Collection): string => {
    const number = numbers.get(index);
    if (number === undefined) throw new NotOurs();
    return `${schema}.v${number}`;
  };
  return {
    limits: {
      ...{ dimension: dimensions.halfvec, connectivity: 100, efConstruction: 1000 },
      ...{ candidates: 10_000, items: 500 },
    },
    own: (store, takeOver) => own(sql, schema, { store, takeOver }),
    applied: async (collection) => {
      const found = await stateOf(sql, schema, collection);
      if (found) numbers.set(collection.index, found.number);
      return found?.applied;
    },
    reset: async (collection, applied) => {
      numbers.set(collection.index, await sql.begin((tx) => makeTable(tx, schema, { collection, applied })));
    },
    write: (collection, step) =>
      sql.begin((tx) => write(tx, schema, tableOf(collection), { collection, step })),
    graph: {
      from: graphFrom,
      build: (collection) => makeGraph(sql, tableOf(collection), collection),
    },
    search: (collection, query) => searchAll(sql, schema, tableOf(collection), { collection, query }),
    drop: async (index) => {
      await sql.begin((tx) => dropTable(tx, schema, index));
      numbers.delete(index);
    },
    renew: () => {
      const old = sql;
      sql = connectTo(settings);
      void old.close({ timeout: 0 }).catch(() => undefined);
    },
    close: () => sql.close({ timeout: 0 }),
  };
}

const connectTo = ({ url, key, timeoutMs }: SettingsOf<"pgvector">): SQL =>
  connectPostgres({ url, password: key, connections, timeoutMs });

type Asked = Pick<SQL, "unsafe">;

async function own(
  sql: SQL,
  schema: string,
  { store, takeOver }: { store: string; takeOver: boolean },
): Promise<string> {
  const [found] = await sql.unsafe(`SELECT to_regclass(${text(`${schema}.owner`)})::text AS made`);
  if (!found?.made) await begin(sql, schema);
  await sql.unsafe(`INSERT INTO ${schema}.owner (store) VALUES ($1) ON CONFLICT (one) DO NOTHING`, [store]);
  if (takeOver)
    await sql.begin(async (tx) => {
      const change = `UPDATE ${schema}.owner SET store = $1 WHERE store <> $1 RETURNING 1 AS taken`;
      const taken = await tx.unsafe(change, [store]);
      // Its collections may be of this log, and ahead of it: all are filled anew.
      if (taken.length > 0) await tx.unsafe(`UPDATE ${schema}.collections SET applied = ''`);
    });
  const [owner] = await sql.unsafe(`SELECT store FROM ${schema}.owner`);
  return String(owner?.store);
}

/** The table's number, and how far it is; not where its vectors have another length than it says. */
async function stateOf(
  sql: Asked,
  schema: string,
  { index, dimension }: Collection,
): Promise<{ number: string; applied: Applied | undefined } | undefined> {
  const [row] = await sql.unsafe(
    `SELECT c.number::text AS number, c.applied, (SELECT atttypmod FROM pg_attribute a
       WHERE a.attrelid = to_regclass(${text(schema)} || '.v' || c.number) AND attname = 'v') AS dimension
     FROM ${schema}.collections c WHERE c.index = $1`,
    [index],
  );
  if (!row) return undefined;
  const applied = readApplied(row.applied);
  const isWhole = Number(row.dimension) === (applied?.dimension ?? dimension);
  return { number: String(row.number), applied: isWhole ? applied : undefined };
}

async function makeTable(
  sql: Asked,
  schema: string,
  { collection: { index, dimension }, applied }: { collection: Collection; applied: Applied },
): Promise<string> {
  await dropTable(sql, schema, index);
  const [made] = await sql.unsafe(
    `INSERT INTO ${schema}.collections (index, applied) VALUES ($1, $2) RETURNING number::text AS number`,
    [index, JSON.stringify(applied)],
  );
  const number = String(made?.number);
  await sql.unsafe(
    `CREATE TABLE ${schema}.v${number} (id text PRIMARY KEY, v vector(${dimension}) NOT NULL)`,
  );
  return number;
}

/** A graph over a table that is filled is built in a fraction of the time that one takes that grows with it. */
async function makeGraph(sql: Asked, table: string, collection: Collection): Promise<void> {
  const { connectivity, efConstruction, metric } = collection;
  const [indexed] = await sql.unsafe(`SELECT to_regclass(${text(`${table}_hnsw`)})::text AS made`);
  if (indexed?.made) return;
  const operators = `${isHalf(collection) ? "halfvec" : "vector"}_${metric}_ops`;
  await sql.unsafe(
    `CREATE INDEX IF NOT EXISTS ${table.slice(table.lastIndexOf(".") + 1)}_hnsw ON ${table}
     USING hnsw ((${column(collection)}) ${operators})
     WITH (m = ${connectivity}, ef_construction = ${Math.max(efConstruction, 2 * connectivity)})`,
  );
}

async function begin(sql: Asked, schema: string): Promise<void> {
  await sql.unsafe("CREATE EXTENSION IF NOT EXISTS vector");
  const [row] = await sql.unsafe("SELECT extversion FROM pg_extension WHERE extname = 'vector'");
  const [major = 0, minor = 0] = String(row?.extversion).split(".").map(Number);
  const [leastMajor, leastMinor] = versionMin;
  if (major < leastMajor || (major === leastMajor && minor < leastMinor))
    throw new EngineRefusal(`pgvector ${row?.extversion}: ${versionMin.join(".")} or later is needed`);
  await sql.unsafe(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await sql.unsafe(
    `CREATE TABLE IF NOT EXISTS ${schema}.collections (
       index text PRIMARY KEY, number bigint GENERATED ALWAYS AS IDENTITY, applied text NOT NULL)`,
  );
  await sql.unsafe(
    `CREATE TABLE IF NOT EXISTS ${schema}.owner (one boolean PRIMARY KEY DEFAULT true CHECK (one), store text NOT NULL)`,
  );
}

async function dropTable(sql: Asked, schema: string, index: string): Promise<void> {
  const found = await sql.unsafe(
    `DELETE FROM ${schema}.collections WHERE index = $1 RETURNING number::text AS number`,
    [index],
  );
  for (const { number } of found) await sql.unsafe(`DROP TABLE IF EXISTS ${schema}.v${number}`);
}

const isHalf = ({ dimension }: Collection): boolean => dimension > dimensions.vector;
const column = (collection: Collection): string =>
  isHalf(collection) ? `v::halfvec(${collection.dimension})` : "v";

/** One transaction: a reader sees all of a step or nothing of it. */
async function write(
  sql: Asked,
  schema: string,
  table: string,
  { collection, step }: { collection: Collection; step: Step },
): Promise<void> {
  const { index } = collection;
  const { writer, claims, ids, vectors, gone, applied } = step;
  const [row] = await sql.unsafe(`SELECT applied FROM ${schema}.collections WHERE index = $1 FOR UPDATE`, [
    index,
  ]);
  const found = readApplied(row?.applied);
  if (!found || (!claims && found.writer !== writer)) throw new NotOurs();
  if (ids.length > 0)
    await sql.unsafe(
      `INSERT INTO ${table} (id, v) SELECT id, v::vector FROM json_to_recordset($1::text::json) AS x(id text, v text)
       ON CONFLICT (id) DO UPDATE SET v = excluded.v`,
      [JSON.stringify(ids.map((id, at) => ({ id, v: vectorText(vectors[at] as Float32Array) })))],
    );
  if (gone.length > 0)
    await sql.unsafe(`DELETE FROM ${table} WHERE id IN (SELECT json_array_elements_text($1::text::json))`, [
      JSON.stringify(gone),
    ]);
  if (applied)
    await sql.unsafe(`UPDATE ${schema}.collections SET applied = $2 WHERE index = $1`, [
      index,
      JSON.stringify(applied),
    ]);
}

interface Search {
  collection: Collection;
  query: RemoteQuery;
}

async function searchAll(
  sql: Asked,
  schema: string,
  table: string,
  { collection, query }: Search,
): Promise<{ applied: Applied | undefined; ids: string[][] }> {
  const { queries } = query;
  const groups = Array.from({ length: Math.ceil(queries.length / queriesAtOnce) }, (_, at) =>
    queries.slice(at * queriesAtOnce, (at + 1) * queriesAtOnce),
  );
  const found = await pMap(
    groups,
    (some) => search(sql, schema, table, { collection, query: { ...query, queries: some } }),
    { concurrency: 2 },
  );
  // Each must be of a whole collection: the one that had come least far speaks for all.
  const [least] = found.map(({ applied }) => applied).sort((a, b) => (a?.segment ?? -1) - (b?.segment ?? -1));
  return { applied: least, ids: found.flatMap(({ ids }) => ids) };
}

/**
 * One statement, so of one moment: the collection's state and what is near belong together. Its planner holds a graph that was built
 * over a filled table to be dearer than all rows of it in turn, and is wrong.
 */
async function search(
  sql: Asked,
  schema: string,
  table: string,
  { collection, query }: Search,
): Promise<{ applied: Applied | undefined; ids: string[][] }> {
  const { index, metric, dimension } = collection;
  const { queries, k, ef } = query;
  const type = isHalf(collection) ? `halfvec(${dimension})` : `vector(${dimension})`;
  const lists = queries.map(
    (vector) =>
      `(SELECT json_agg(id) FROM (SELECT id FROM ${table} ORDER BY ${column(collection)} ${operators[metric]} '${vectorText(vector)}'::${type} LIMIT ${k}) near)`,
  );
  const results = (await sql
    .unsafe(
      `SET hnsw.ef_search = ${Math.min(efMax, ef)}; SET hnsw.iterative_scan = strict_order; SET hnsw.max_scan_tuples = ${scanMax}; SET enable_seqscan = off;
       SELECT json_build_array((SELECT applied FROM ${schema}.collections WHERE index = ${text(index)}), ${lists.join(", ")}) AS found`,
    )
    .simple()) as unknown as { found?: unknown }[][];
  const found = results.flat().find((row) => row?.found !== undefined)?.found;
  const [applied, ...ids] = (typeof found === "string" ? JSON.parse(found) : found) as [
    string | null,
    ...(string[] | null)[],
  ];
  return { applied: readApplied(applied), ids: ids.map((list) => list ?? []) };
}
