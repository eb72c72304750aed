/** The columns of an NDJSON file, and SQL for their values. */
import { fold, isSameType, parseSqlType, quoteText } from "../../../runtime/sql/sql.ts";
import { checkedCast, type Notation, narrowStrings, sqlType } from "../inference/inference.ts";
import { type Column, type FileContext, textColumn } from "../tables/tables.ts";
import { fits, structureOf } from "./fit.ts";
import { columnTypeOf, type JsonColumnType, type JsonShape, valuesOf } from "./shape.ts";

export interface Planned extends JsonColumnType {
  key: string;
  shape: JsonShape;
  /** Its source said the type. */
  isKnown?: true;
}

/** A column for each key of the objects; of nested ones as many as Parquet may have columns. */
export function plan({ fields }: JsonShape, { columnsMax, known = [] }: FileContext): Planned[] {
  let left = columnsMax - fields.size;
  const types = new Map(known.map((column) => [column.name, column]));
  return [...fields].map(([key, shape]) => {
    const { type, as } = types.get(key) ?? {};
    if (type !== undefined) return { key, shape, type, as: as === "json" ? "json" : "plain", isKnown: true };
    const column = columnTypeOf(shape, left + 1);
    if (column.structure !== undefined) left -= valuesOf(shape) - 1;
    return { key, shape, ...column };
  });
}

/** The column in a table whose `cell` has the value's characters, or its JSON text. */
export function columnOf(planned: Planned, name: string, cell: string, context: FileContext): Column {
  const { type, shape, as: written } = planned;
  const { reading } = context;
  if (planned.isKnown && !reading.types.has(fold(name))) return knownColumn(planned, name, cell, context);
  const isText = shape.kind === "string" || shape.kind === undefined;
  if (isText || reading.types.has(fold(name))) {
    const among = reading.byValue ? undefined : shape.kind === "string" ? narrowStrings : [];
    return { ...textColumn(name, cell, reading, among), mayMiss: () => true };
  }
  const isNumber = shape.kind === "int" || shape.kind === "number";
  const held = (wanted: string) => wanted === type || (wanted === "DOUBLE" && isNumber && shape.exact);
  const as = (asked: string, index: number): string | undefined => {
    const wanted = sqlType(asked);
    if (written === "json") return nestedCast(cell, planned, wanted);
    if (held(wanted)) return `CAST(${cell} AS ${wanted})`;
    if (wanted === "VARCHAR") return cell;
    // A number in a type that JSON does not have, such as DECIMAL: by its value, in whatever digits.
    return isNumber && fits(shape, parseSqlType(wanted))
      ? checkedCast(cell, wanted, index, numbers)
      : undefined;
  };
  const mayMiss = (wanted: string) => isNumber && !held(sqlType(wanted)) && wanted !== "VARCHAR";
  const column = { name, cell, among: [], type, forced: false, as, mayMiss };
  return isNumber ? { ...column, notation: numbers } : column;
}

/** A column whose source said the type. It may be written as another one where each value is the same in it. */
function knownColumn(
  { type, as: written }: Planned,
  name: string,
  cell: string,
  { reading }: FileContext,
): Column {
  // Texts of strangers: those that are none are bad rows, as with types=.
  if (type === "UUID")
    return textColumn(name, cell, { ...reading, types: new Map([[fold(name), { name, type }]]) });
  const isNested = written === "json";
  const own = isNested
    ? `from_json(${cell}, ${quoteText(JSON.stringify(type))})`
    : `CAST(${cell} AS ${type})`;
  const as = (asked: string, index: number): string | undefined => {
    const wanted = sqlType(asked);
    if (wanted === "VARCHAR") return cell;
    if (isSameType(wanted, type)) return own;
    return isNested || type === "BLOB" ? undefined : checkedCast(cell, wanted, index, numbers);
  };
  const mayMiss = (wanted: string) => !isNested && sqlType(wanted) !== type && sqlType(wanted) !== "VARCHAR";
  return { name, cell, among: [], type, forced: false, as, mayMiss, ...(!isNested && { notation: numbers }) };
}

/** Numbers in JSON are compared by value, not by their text. */
const numbers: Notation = { mode: "asked" };

/** Objects and arrays as a type: their own, JSON text, or a registered one that holds them all. */
function nestedCast(cell: string, { type, structure, shape }: Planned, wanted: string): string | undefined {
  if (wanted === "VARCHAR") return cell;
  const registered = parseSqlType(wanted);
  const wide = wanted === type ? structure : fits(shape, registered) ? structureOf(registered) : undefined;
  return wide && `from_json(${cell}, ${quoteText(wide)})`;
}

/** What a caller should know of a column that has no narrower type. */
export function warningOf({ key, shape, type, tooLarge, isKnown }: Planned): string[] {
  const { kind } = shape;
  if (isKnown || type !== "VARCHAR" || kind === undefined || kind === "string") return [];
  if (kind === "int" || kind === "number")
    return [`'${key}' stays text: a number in it fits neither 64 bits nor a double exactly`];
  if (kind === "scalar")
    return [`'${key}' is text: its values are of several kinds, as numbers beside texts`];
  return tooLarge
    ? [`'${key}' stays JSON text: a type of ${valuesOf(shape)} values a row is larger than one may be`]
    : [`'${key}' stays JSON text: its values have no type in common`];
}
