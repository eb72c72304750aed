/**
 * Parquet field ids: 1 to n for the columns in order, then on for what is nested in them. Open-table formats find
 * columns by these, so they must not depend on anything but the columns.
 */

import type { Static } from "@sinclair/typebox";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { ColumnStatistics } from "../../catalogd/contract.ts";
import type { EngineRow, Shape, Value } from "../engine/engine.ts";

interface FieldIds {
  /** For COPY's FIELD_IDS. */
  sql: string;
  /** By path as COPY's statistics name it: `"s"."x"`. */
  byPath: ReadonlyMap<string, { id: number; column: string }>;
}

export function numberFields(columns: readonly { name: string; shape: Shape }[]): FieldIds {
  const byPath = new Map<string, { id: number; column: string }>();
  let next = columns.length + 1;
  const nested = (shape: Shape, path: string, column: string): string => {
    const children = childrenOf(shape).map(({ name, shape: child }) => {
      const id = next++;
      const childPath = `${path}.${quoteName(name)}`;
      byPath.set(childPath, { id, column: `${column}.${name}` });
      return `${quoteText(name)}: ${fieldSql(id, nested(child, childPath, `${column}.${name}`))}`;
    });
    return children.join(", ");
  };
  const sql = columns.map(({ name, shape }, index) => {
    const path = quoteName(name);
    byPath.set(path, { id: index + 1, column: name });
    return `${quoteText(name)}: ${fieldSql(index + 1, nested(shape, path, name))}`;
  });
  return { sql: `{${sql.join(", ")}}`, byPath };
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
