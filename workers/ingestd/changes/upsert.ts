/** Rows of a file that take the place of those with the same key, and come besides where there is none. */
import { join } from "node:path";
import { discard } from "../../../runtime/durable/durable.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Piece } from "../loading/loading.ts";
import type { Base, RowFile } from "./base.ts";
import { type Changed, type Committing, commitChange, type Outcome } from "./commit.ts";
import { readRows } from "./reading.ts";
import { checkNulls, laidAnew, type Rewriting, rewrite } from "./rewrite.ts";
import { quotedVersion, versionName } from "./statements.ts";

interface Upsert {
  base: Base;
  /** Names of columns. */
  key: readonly string[];
  /** Several rows may have one key: together they take the place of all that have it. */
  keyRepeats: boolean;
  /** The file's rows, with the dataset's columns. */
  pieces: readonly Piece[];
  operationId: string | undefined;
  commits: () => void;
  /** See `Committing`. */
  beside: Committing["beside"];
}

/**
 * Throws `unprocessable` for a key that is no column, is NULL, or stands in two rows of the file: which of them should stay is
 * not known.
 */
export async function upsert(
  rewriting: Rewriting,
  { base, key, keyRepeats, pieces, operationId, commits, beside }: Upsert,
): Promise<Changed> {
  const { deps, session, directory, requestId } = rewriting;
  const { manifest } = base;
  for (const name of key)
    if (!manifest.columns.some((column) => column.name === name))
      throw invalidField("key", `'${manifest.name}' has no column '${name.slice(0, 200)}'`);
  const names = key.map(quoteName);
  for (const piece of pieces) checkNulls(manifest.columns, piece);
  const fresh = `${await keysOf(rewriting, names, pieces)} AS fresh`;
  await checkKeys(rewriting, { fresh, key, names, keyRepeats });
  const among = await betweenKeys(rewriting, { fresh, key, columns: manifest.columns });
  const isSame = names.map((name) => `fresh.${name} = kept.${name}`).join(" AND ");
  const countOf = async (now: Base, objects: readonly RowFile[]): Promise<number> => {
    rewriting.signal.throwIfAborted();
    const version = versionName(now.manifest);
    const path = join(directory, `${deps.newId()}.keys.parquet`);
    const sql = `SELECT ${names.join(", ")} FROM ${quotedVersion(now.manifest)}${among}`;
    try {
      await readRows(rewriting, { sql, version, keys: objects.map((object) => object.key) }, path);
      const kept = `read_parquet(${quoteText(path)}, hive_partitioning = false) AS kept`;
      const [row] = await session.run(
        `SELECT count(*) AS matched FROM ${kept} WHERE EXISTS (FROM ${fresh} WHERE ${isSame})`,
      );
      return Number(row?.matched);
    } finally {
      await discard(path);
    }
  };
  const evaluate = async (now: Base, object: RowFile): Promise<Outcome> => {
    const matched = await countOf(now, [object]);
    if (matched === 0 || matched === object.row_count) return { matched };
    const version = versionName(now.manifest);
    const sql = `SELECT * FROM ${quotedVersion(now.manifest)}`;
    const only = `NOT EXISTS (FROM ${fresh} WHERE ${isSame})`;
    const asked = { sql, version, object, columns: now.manifest.columns, only };
    return { matched, rewritten: await rewrite(rewriting, now, asked) };
  };
  const added = await laidAnew(
    rewriting,
    pieces.filter(({ rows }) => rows > 0),
    base,
  );
  return commitChange(
    {
      ...{
        deps,
        name: manifest.name,
        requestId,
        operationId,
        operation: "upsert",
        dryRun: false,
        commits,
        beside,
        count: countOf,
        evaluate,
      },
      added,
      columns: (now) => now.columns,
    },
    base,
  );
}

/**
 * The keys of the file's rows, in a file of their own: what is registered leaves its place before the commit, and after a
 * lost one the keys are asked about again.
 */
async function keysOf(
  { deps, session, directory }: Rewriting,
  names: readonly string[],
  pieces: readonly Piece[],
): Promise<string> {
  const path = quoteText(join(directory, `${deps.newId()}.keys.parquet`));
  const paths = pieces.map((piece) => quoteText(piece.path)).join(", ");
  await session.run(
    `COPY (SELECT ${names.join(", ")} FROM read_parquet([${paths}], hive_partitioning = false)) TO ${path} (FORMAT parquet)`,
  );
  return `read_parquet(${path}, hive_partitioning = false)`;
}

/** Types whose values stand in SQL as they are printed, and are in the order of their bounds. */
const plainTypes = /^((TINY|SMALL|BIG|HUGE)?INT|INTEGER|DECIMAL\(\d+,\s?\d+\)|VARCHAR|DATE|TIMESTAMP)$/;
/** Longer ones say no more of where rows are. */
const boundCharactersMax = 1000;

/**
 * A condition that all rows with one of the keys meet: files whose bounds are elsewhere are not opened. Only of types that
 * compare alike wherever they are compared.
 */
async function betweenKeys(
  { session }: Rewriting,
  {
    fresh,
    key,
    columns,
  }: { fresh: string; key: readonly string[]; columns: readonly { name: string; type: string }[] },
): Promise<string> {
  const plain = columns.filter(({ name, type }) => key.includes(name) && plainTypes.test(type));
  if (plain.length === 0) return "";
  const bounds = plain.map(({ name, type }, at) =>
    ["min", "max"]
      .map((of) => `CAST(${of}(CAST(${quoteName(name)} AS ${type})) AS VARCHAR) AS ${of}${at}`)
      .join(", "),
  );
  const [row = {}] = await session.run(`SELECT ${bounds.join(", ")} FROM ${fresh}`);
  const conditions = plain.flatMap(({ name, type }, at) => {
    const [least, most] = [row[`min${at}`], row[`max${at}`]].map((text) => literalOf(text, type));
    return least === undefined || most === undefined
      ? []
      : [`${quoteName(name)} >= ${least}`, `${quoteName(name)} <= ${most}`];
  });
  return conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
}

function literalOf(text: unknown, type: string): string | undefined {
  if (typeof text !== "string" || text.length > boundCharactersMax || text.includes("\0")) return undefined;
  if (type === "VARCHAR") return quoteText(text);
  return type === "DATE" || type === "TIMESTAMP" ? `CAST(${quoteText(text)} AS ${type})` : text;
}

async function checkKeys(
  { session }: Rewriting,
  {
    fresh,
    key,
    names,
    keyRepeats,
  }: { fresh: string; names: readonly string[] } & Pick<Upsert, "key" | "keyRepeats">,
): Promise<void> {
  const texts = names.map((name, at) => `left(CAST(${name} AS VARCHAR), 100) AS k${at}`);
  const isNull = names.map((name) => `${name} IS NULL`).join(" OR ");
  const [bad] = await session.run(
    `SELECT ${texts.join(", ")}, count(*)::INTEGER AS times FROM ${fresh} GROUP BY ${names.join(", ")} HAVING ${keyRepeats ? "" : "count(*) > 1 OR "}${isNull} LIMIT 1`,
  );
  if (!bad) return;
  const shown = key.map((name, at) => `${name} = ${bad[`k${at}`] ?? "NULL"}`).join(", ");
  const what = key.some((_, at) => bad[`k${at}`] === null)
    ? "a row of the file has no key"
    : `the file has ${bad.times} rows with one key`;
  throw fail("unprocessable", `${what}: ${shown}; expected each key once, and none that is NULL`, {
    details: { key: Object.fromEntries(key.map((name, at) => [name, bad[`k${at}`]])) },
  });
}
