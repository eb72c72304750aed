/** Parquet field ids, as the catalog gives them: open-table formats find columns by these. */

import type { Static } from "@sinclair/typebox";
import {
  type KnownFields,
  type Numbered,
  numberColumns,
  quoteName,
  quoteText,
} from "../../../runtime/sql/sql.ts";
import type { ColumnStatistics } from "../../catalogd/contract.ts";
import type { EngineRow, Shape, Value } from "../engine/engine.ts";

interface FieldIds {
  /** For COPY's FIELD_IDS. */
  sql: string;
  /** Of each column. */
  columns: ReturnType<typeof numberColumns<Numbered>>["columns"];
  /** By path as COPY's statistics name it: `"s"."x"`. */
  byPath: ReadonlyMap<string, { id: number; column: string }>;
}

/** The columns of a file with the ids they have, or will have, in the dataset that is `known`; of one that is new without. */
export function numberFields(
  described: readonly { name: string; type: string; shape: Shape }[],
  known?: KnownFields,
): FieldIds {
  const byPath = new Map<string, { id: number; column: string }>();
  const { columns } = numberColumns<Numbered>(
    described.map(({ name, type }) => ({ name, type })),
    known,
  );
  const nested = (shape: Shape, path: string, column: string, ids: Iterator<number>): string => {
    const children = childrenOf(shape).map(({ name, shape: child }) => {
      const id = ids.next().value;
      const childPath = `${path}.${quoteName(name)}`;
      byPath.set(childPath, { id, column: `${column}.${name}` });
      return `${quoteText(name)}: ${fieldSql(id, nested(child, childPath, `${column}.${name}`, ids))}`;
    });
    return children.join(", ");
  };
  const sql = described.map(({ name, shape }, index) => {
    const path = quoteName(name);
    const { field_id: id = 0, nested_ids: ids = [] } = columns[index] ?? {};
    byPath.set(path, { id, column: name });
    return `${quoteText(name)}: ${fieldSql(id, nested(shape, path, name, ids.values()))}`;
  });
  return { sql: `{${sql.join(", ")}}`, columns, byPath };
}

const fieldSql = (id: number, children: string): string =>
  children === "" ? String(id) : `{__duckdb_field_id: ${id}, ${children}}`;

/** Names as Parquet and DuckDB give them to the parts of lists and maps. */
function childrenOf({ fields, key, child }: Shape): { name: string; shape: Shape }[] {
  if (fields) return fields;
  if (key && child)
    return [
      { name: "key", shape: key },
      { name: "value", shape: child },
    ];
  return child ? [{ name: "element", shape: child }] : [];
}

/** Longer bounds are left out: they cost more in every manifest than they save in reading. */
const boundCharactersMax = 256;

/** COPY's RETURN_STATS as the catalog keeps it, in the order of the field ids. */
export function readStatistics(answer: EngineRow, { byPath }: FieldIds): Static<typeof ColumnStatistics>[] {
  const columns = pairs(answer.column_statistics).flatMap(([path, entries]) => {
    const field = byPath.get(path);
    return field ? [statisticsOf(field, new Map(pairs(entries)))] : [];
  });
  return columns.sort((a, b) => a.field_id - b.field_id);
}

function statisticsOf({ id, column }: { id: number; column: string }, found: Map<string, Value>) {
  const count = (name: string) => (found.has(name) ? Number(found.get(name)) : undefined);
  const bound = (name: string) => {
    const text = found.get(name);
    return typeof text === "string" && text.length <= boundCharactersMax ? text : undefined;
  };
  const [nullCount, valueCount, compressed] = [
    count("null_count"),
    count("num_values"),
    count("column_size_bytes"),
  ];
  const [min, max] = [bound("min"), bound("max")];
  return {
    column,
    field_id: id,
    ...(nullCount !== undefined && { null_count: nullCount }),
    ...(valueCount !== undefined && { value_count: valueCount }),
    ...(compressed !== undefined && { compressed_bytes: compressed }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
  };
}

/** A map as DuckDB gives it in JSON. */
const pairs = (map: Value | undefined): [string, Value][] =>
  Array.isArray(map)
    ? map.flatMap((entry) => (isEntry(entry) ? [[entry.key, entry.value] as [string, Value]] : []))
    : [];

const isEntry = (value: Value): value is { key: string; value: Value } =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  typeof value.key === "string" &&
  "value" in value;
