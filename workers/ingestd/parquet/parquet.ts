/** Parquet in: read whole by DuckDB, and written anew with our field ids, row groups and statistics. */

import { fail } from "../../../runtime/errors/errors.ts";
import { readSchema } from "../../../runtime/parquet/parquet.ts";
import { columnProblem, isSameType, quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import { type Described, EngineError, type Session } from "../engine/engine.ts";
import {
  type Column,
  createPartWriter,
  createRejects,
  type FileContext,
  type Format,
  type Part,
  type Stored,
  type Table,
  vectorRows,
} from "../tables/tables.ts";
import { checkNames, checkTimes, checkTypes } from "./exactness.ts";
import { writerOf } from "./writer.ts";

export const parquet: Format = {
  store: async ({ chunks }, context) => {
    const { types } = context.reading;
    if (types.size > 0)
      throw fail("invalid_field", "types: a Parquet file has its types already; leave the parameter out");
    const writer = createPartWriter(context, "parquet");
    for await (const chunk of chunks) {
      context.signal.throwIfAborted();
      await writer.write(chunk);
    }
    return stored(await writer.end(), context);
  },
};

const stored = (parts: Part[], context: FileContext): Stored => ({
  tables: [(session) => tableOf(session, parts, context)],
});

const broken = (error: EngineError, context: FileContext) =>
  fail("unprocessable", `the Parquet file cannot be read: ${withoutPaths(error.message, context)}`, {
    cause: error,
  });

/** DuckDB's message without where we keep the file. */
const withoutPaths = (message: string, { directory }: FileContext): string => {
  const [first = ""] = message.split("\n");
  return first
    .replaceAll(new RegExp(`["']?${RegExp.escape(directory)}[^\\s"':]*["']?`, "g"), "the file")
    .slice(0, 300);
};

async function tableOf(session: Session, parts: Part[], context: FileContext): Promise<Table> {
  const path = parts[0]?.path ?? "";
  // A folder named like a=b above the file is no column.
  const relation = `read_parquet(${quoteText(path)}, hive_partitioning = false)`;
  const explain = (error: EngineError) => broken(error, context);
  // Before DuckDB sees the file: what nests too deep ends the process.
  const schema = await readSchema(path);
  checkCount(schema, context);
  checkNames(schema);
  try {
    const { warnings, ...writer } = await writerOf(session, path);
    const described = await session.describe(`FROM ${relation}`);
    checkTypes(schema, described, writer);
    const columns = described.map((column, index) =>
      schema[index]?.element.logical_type?.type === "NULL" ? { ...column, type: noType } : column,
    );
    const [facts] = await session.run(
      `SELECT sum(num_rows)::BIGINT AS rows FROM parquet_file_metadata(${quoteText(path)})`,
    );
    checkColumns(described);
    await checkTimes(session, relation, described);
    const rowsIn = Number(facts?.rows ?? 0);
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
    return {
      relation,
      sample: relation,
      columns: columns.map(columnOf),
      rowsIn,
      rejects: createRejects(context, "rejects", context.rejectRules),
      runs: [
        {
          relation,
          rows: rowsIn,
          rowBytes: rowsIn === 0 ? 1 : (bytes / rowsIn) * inflation,
          partRows: vectorRows,
        },
      ],
      speculative: false,
      mayLack: false,
      explain,
      warnings: [...columns.flatMap(changeOf), ...warnings],
    };
  } catch (error) {
    throw error instanceof EngineError ? explain(error) : error;
  }
}

/** How much larger values are in memory than in a compressed file, about. */
const inflation = 5;

/** Before DuckDB sees them: it takes minutes for a hundred thousand. */
function checkCount(columns: readonly unknown[], { columnsMax }: FileContext): void {
  if (columns.length > columnsMax)
    throw fail("unprocessable", `the file has ${columns.length} columns; at most ${columnsMax} are taken`);
}

function checkColumns(columns: readonly Described[]): void {
  const wrong = columnProblem(columns);
  if (wrong) throw fail("unprocessable", wrong.problem, { details: { field: wrong.field } });
}

/** Of a column that is NULL throughout by its type. DuckDB makes INTEGER of it; in every format it is text here. */
const noType = "NULL";

/** Types that open table formats lack, and the one that holds all their values. Nested ones are left as they are. */
const widened: Record<string, string> = {
  [noType]: "VARCHAR",
  TINYINT: "INTEGER",
  SMALLINT: "INTEGER",
  UTINYINT: "INTEGER",
  USMALLINT: "INTEGER",
  UINTEGER: "BIGINT",
  UBIGINT: "DECIMAL(20,0)",
  JSON: "VARCHAR",
};

const typeOf = ({ type }: Described): string => widened[type] ?? type;

function columnOf(described: Described): Column {
  const { name, type: before } = described;
  const type = typeOf(described);
  const value = type === before ? quoteName(name) : `${quoteName(name)}::${type}`;
  const as = (wanted: string) => (isSameType(wanted, type) ? value : undefined);
  return { name, cell: quoteName(name), among: [], type, forced: false, as };
}

const changeOf = (described: Described): string[] =>
  typeOf(described) === described.type
    ? []
    : [`column '${described.name}' is ${described.type} in the file and ${typeOf(described)} here`];
