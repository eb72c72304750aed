/** What an answer says of how texts became values: what nearly was one, and what was one only by value. */
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Session } from "../engine/engine.ts";
import { hasSpaces, hasThousands, isNullWord, zoned } from "../inference/inference.ts";
import type { Column, Table } from "../tables/tables.ts";
import { nearlyTypedWarnings, type Texts } from "./nearly-typed.ts";

interface Written {
  table: Table;
  plan: { columns: readonly { column: Column | undefined; type: string }[] };
  /** What was written, as files of Parquet. */
  loaded: { pieces: readonly { path: string }[] };
  /** False when the dataset was there before: its columns keep their types whatever is sent. */
  isNew: boolean;
}

/** Looks at what was written, which is quicker to read than the text it came from. */
export async function textWarnings(session: Session, written: Written): Promise<string[]> {
  const columns = written.plan.columns.flatMap(({ column, type }) => (column ? [{ column, type }] : []));
  // A JSON string is text by its author's word.
  const text = columns.filter(
    ({ column, type }) => type === "VARCHAR" && isInferred(column) && column.among.includes("BIGINT"),
  );
  const near = await nearlyTypedWarnings(
    session,
    { columns: text.map(({ column }) => column), sample: sampleOf(written.table) },
    textsOf(written),
  );
  const registered =
    "; its type is registered: for another one load it under another name, or drop the dataset first";
  return [
    ...near.map((warning) => (written.isNew ? warning : warning + registered)),
    ...offsetWarnings(columns),
    ...(await valueWarnings(session, written.table, columns)),
  ];
}

const isInferred = ({ among, forced, notation }: Column): boolean =>
  !forced && among.length > 0 && notation !== undefined;

/** Rows that tell which columns are worth a look through all: fewer of many columns, since each value is looked at. */
const sampleRowsMax = 256;
const sampleRowsMin = 16;
const sampleValues = 64 * 1024;
function sampleOf({ sample, columns }: Table): string {
  const rows = Math.max(sampleRowsMin, Math.min(sampleRowsMax, Math.floor(sampleValues / columns.length)));
  return `(FROM ${sample} LIMIT ${rows})`;
}

/** All texts: with lines where the table has them, else as they stand in the objects, row after row. */
function textsOf({ table, loaded: { pieces } }: Pick<Written, "table" | "loaded">): Texts {
  if (table.positions) {
    const { relation, positions } = table;
    return {
      relation,
      place: positions.line,
      wordsFor: async (line) => `on line ${line}`,
      cellOf: ({ cell }) => cell,
    };
  }
  return {
    relation: `read_parquet([${pieces.map(({ path }) => quoteText(path)).join(", ")}], hive_partitioning = false)`,
    place: "row_number() OVER () - 1",
    wordsFor: async (row) => {
      const line = await table.lineOf?.(row);
      return line === undefined ? `in row ${row + 1}` : `on line ${line}`;
    },
    cellOf: ({ name }) => quoteName(name),
  };
}

/** Instants are kept, and the offsets they were written with are not. */
const offsetWarnings = (columns: readonly { column: Column; type: string }[]): string[] =>
  columns
    .filter(({ column, type }) => type === zoned && isInferred(column))
    .map(
      ({ column: { name } }) =>
        `column '${name}' holds instants: not all are written in UTC, and the offsets they are written with are not kept; types=${name}:VARCHAR keeps the text`,
    );

/** What `infer=values` read otherwise than it is written, by column. */
async function valueWarnings(
  session: Session,
  { relation }: Table,
  columns: readonly { column: Column; type: string }[],
): Promise<string[]> {
  const read = columns.filter(({ column, type }) => type !== "VARCHAR" && column.notation?.mode === "values");
  if (read.length === 0) return [];
  const notation = read[0]?.column.notation;
  const rows = await session.run(
    `SELECT name, count(*) FILTER (${isNullWord("value")}) AS words,
      list_sort(list(DISTINCT value) FILTER (${isNullWord("value")})) AS spelled,
      count(*) FILTER (${hasSpaces("value")}) AS spaces, count(*) FILTER (${hasThousands("value", notation)}) AS thousands
    FROM ${relation} UNPIVOT (value FOR name IN (${read.map(({ column }) => column.cell).join(", ")})) GROUP BY name`,
  );
  const byCell = new Map(rows.map((row) => [String(row.name), row]));
  return read.flatMap(({ column: { name, cell } }) => {
    const row = byCell.get(cell) ?? {};
    const spelled = Array.isArray(row.spelled) ? row.spelled.slice(0, 10) : [];
    const found = [
      [row.words, `are NULL: ${spelled.map((word) => `'${word}'`).join(", ")}`],
      [row.spaces, "have spaces around them"],
      [row.thousands, "have thousands separators"],
    ]
      .filter(([count]) => Number(count ?? 0) > 0)
      .map(([count, what]) => `${count} ${what}`);
    return found.length === 0 ? [] : [`column '${name}' was read by value: ${found.join("; ")}`];
  });
}
