/**
 * The columns of an open table as SQL over one of its files: each by its field id, and so is each part of a nested one, whatever
 * name and place it had when the file was written. Pure.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import type { SchemaNode } from "../../../runtime/parquet/parquet.ts";
import { fold, parseSqlType, quoteName, quoteText, type SqlType, sqlOf } from "../../../runtime/sql/sql.ts";
import type { Manifest } from "./snapshots.ts";

export interface FileColumns {
  /** As the catalog names it. */
  key: string;
  schema: readonly SchemaNode[];
  /** Ids of columns whose values are in the file's partition, if they are not in the file. */
  partitionIds: readonly number[];
  /** Ids by names, for files without any: of a part of a nested column by the id around it, U+001F and its name. */
  names: Readonly<Record<string, number>>;
  /** What stands for a column where the file has no value of it, by ids. */
  instead: Readonly<Record<number, string>>;
}

/** A column, or a part of one. */
interface Part {
  id: number;
  name: string;
  type: SqlType;
  /** A struct's fields; a list's element; a map's key and value. */
  parts: readonly Part[];
}

const partSeparator = "\u001f";

/** Throws `unsupported_table` for a file that cannot be read so. */
export function fileSelection(table: Pick<Manifest, "name" | "columns">, file: FileColumns): string {
  const { schema, names } = file;
  const unsupported = (why: string) =>
    fail(
      "unsupported_table",
      `table '${table.name}' cannot be read: its file ${file.key} ${why}: query it with an engine that can`,
    );
  const folded = schema.map(({ element }) => fold(element.name));
  if (new Set(folded).size < folded.length)
    throw unsupported("has columns whose names differ in letter case alone");
  const hasIds = schema.some(({ element }) => element.field_id !== undefined);
  if (!hasIds && schema.length > 0 && Object.keys(names).length === 0)
    throw unsupported("has no field ids, and the table has no schema.name-mapping.default");
  const inFile = new Map(
    schema.map((node) => [hasIds ? node.element.field_id : names[node.element.name], node]),
  );
  const idsOf = (owner: number, node: SchemaNode) =>
    hasIds ? node.element.field_id : names[`${owner}${partSeparator}${node.element.name}`];
  return table.columns
    .map(({ name, type, field_id: id = 0, nested_ids: ids = [] }) => {
      const parsed = parseSqlType(type);
      const node = inFile.get(id);
      if (!node && file.partitionIds.includes(id))
        throw unsupported(`has no column '${name}', by which it was put into its partition`);
      const reading = {
        idOf: idsOf,
        unreadable: () => unsupported(`has another form of the nested column '${name}'`),
      };
      const part = partOf({ id, name, type: parsed }, ids.values());
      const value = node ? read(part, node, quoteName(node.element.name), { ...reading, depth: 0 }) : "NULL";
      const whole = file.instead[id] === undefined ? value : `coalesce(${value}, ${file.instead[id]})`;
      return `CAST(${whole} AS ${sqlOf(parsed)}) AS ${quoteName(name)}`;
    })
    .join(", ");
}

/** With the ids of what is nested in it, in their order: each part before what is nested in that. */
function partOf({ id, name, type }: Omit<Part, "parts">, ids: Iterator<number>): Part {
  const inside = (name: string, type: SqlType) => partOf({ id: ids.next().value ?? 0, name, type }, ids);
  if (type.kind === "scalar") return { id, name, type, parts: [] };
  if (type.kind === "list") return { id, name, type, parts: [inside("element", type.item)] };
  if (type.kind === "map")
    return { id, name, type, parts: [inside("key", type.key), inside("value", type.value)] };
  return { id, name, type, parts: type.fields.map((field) => inside(field.name, field.type)) };
}

interface Reading {
  idOf: (owner: number, node: SchemaNode) => number | undefined;
  unreadable: () => Error;
  /** How deep the lambda is. */
  depth: number;
}

/** SQL that gives the part of a value of the file. What has the same form in the file is taken as it is. */
function read(part: Part, node: SchemaNode, value: string, reading: Reading): string {
  const { type, parts } = part;
  if (type.kind === "scalar") {
    if (node.children.length > 0) throw reading.unreadable();
    return value;
  }
  if (type.kind === "struct") return readStruct(part, node, value, reading);
  const item = `x${reading.depth}`;
  const inner = { ...reading, depth: reading.depth + 1 };
  const nodes = type.kind === "map" ? entryOf(node) : elementOf(node);
  if (!nodes) throw reading.unreadable();
  const paths = type.kind === "map" ? [`${item}.key`, `${item}.value`] : [item];
  const read_ = parts.map((each, at) => read(each, nodes[at] as SchemaNode, paths[at] ?? "", inner));
  if (read_.every((sql, at) => sql === paths[at])) return value;
  return type.kind === "map"
    ? `map_from_entries(list_transform(map_entries(${value}), lambda ${item}: struct_pack("key" := ${read_[0]}, "value" := ${read_[1]})))`
    : `list_transform(${value}, lambda ${item}: ${read_[0]})`;
}

function readStruct({ id, parts }: Part, node: SchemaNode, value: string, reading: Reading): string {
  if (node.children.length === 0) throw reading.unreadable();
  const ids = node.children.map((child) => reading.idOf(id, child));
  // Some writers give ids to columns alone: then names have to be the same ones.
  const isBare = ids.every((each) => each === undefined);
  const byName = new Map(node.children.map((child) => [child.element.name, child]));
  const byId = new Map(node.children.map((child, at) => [ids[at], child]));
  const nodes = parts.map((part) => (isBare ? byName.get(part.name) : byId.get(part.id)));
  const isWhole = nodes.length === node.children.length && nodes.every((each) => each !== undefined);
  if (isBare && !isWhole) throw reading.unreadable();
  const paths = nodes.map((each) =>
    each ? `struct_extract(${value}, ${quoteText(each.element.name)})` : "NULL",
  );
  const fields = parts.map((part, at) => {
    const found = nodes[at];
    return found ? read(part, found, paths[at] ?? "", reading) : `CAST(NULL AS ${sqlOf(part.type)})`;
  });
  const isSame =
    isWhole && parts.every(({ name }, at) => name === nodes[at]?.element.name && fields[at] === paths[at]);
  if (isSame) return value;
  const packed = parts.map(({ name }, at) => `${quoteName(name)} := ${fields[at]}`);
  return `CASE WHEN ${value} IS NULL THEN NULL ELSE struct_pack(${packed.join(", ")}) END`;
}

/** The element of a list, in the forms that Parquet has had for it. */
function elementOf(node: SchemaNode): SchemaNode[] | undefined {
  const [repeated] = node.children;
  if (!repeated || node.children.length > 1) return undefined;
  const [first, second] = repeated.children;
  return [first && second === undefined ? first : repeated];
}

function entryOf(node: SchemaNode): SchemaNode[] | undefined {
  const [repeated] = node.children;
  return node.children.length === 1 && repeated?.children.length === 2 ? repeated.children : undefined;
}
