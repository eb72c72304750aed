/**
 * The schema of a Parquet file, read from its footer before native code sees the file: DuckDB's own reader calls itself
 * once for each level of nesting and ends the process at a few thousand.
 */

import { parquetMetadata, type SchemaElement, snappyUncompress } from "hyparquet";
import { fail } from "../errors/errors.ts";
import { tooDeep, typeNestingMax } from "../sql/sql.ts";
import { readByte, readListHead, readVarInt, skipStruct } from "./thrift.ts";

export { type SchemaElement, snappyUncompress };

/** One value or group of the schema, in the order of the file: each group before its children. */
export interface SchemaNode {
  element: SchemaElement;
  /** Names from the top to this one. */
  path: readonly string[];
  /** Undefined for the columns. */
  parent: SchemaNode | undefined;
  children: SchemaNode[];
}

/** Bytes of a schema: names and types of 16,384 columns take about one million. */
const schemaBytesMax = 8 * 1024 * 1024;
/** Values and groups of a schema: each becomes an object. */
const elementsMax = 262_144;
/** Magic, and the footer's length with the magic again. */
const tailBytes = 8;

const broken = (why: string, cause?: unknown) =>
  fail("unprocessable", `the Parquet file cannot be read: ${why}`, { cause });

/**
 * The columns with all that is nested in them. Throws `unprocessable` for a footer that is none, a schema that is not
 * whole, and one that nests too deep. Its statistics, which are most of a footer, are not read: for 1,000 columns in 300 row
 * groups they take 33 MB, and in JavaScript 2 s and 1 GB.
 */
export async function readSchema(path: string): Promise<SchemaNode[]> {
  const file = Bun.file(path);
  const tail = Buffer.from(await file.slice(Math.max(0, file.size - tailBytes)).arrayBuffer());
  if (tail.length < tailBytes || tail.toString("latin1", 4) !== "PAR1")
    throw broken("it does not end with PAR1: it is cut off, or no Parquet file");
  const length = tail.readUInt32LE(0);
  const start = file.size - tailBytes - length;
  if (start < 4) throw broken(`its footer is said to have ${length} bytes, more than the file`);
  const bytes = await file.slice(start, start + Math.min(length, schemaBytesMax)).bytes();
  return treeOf(elementsOf(bytes));
}

/** The thrift of a footer begins with the version and the schema, whoever wrote it. */
function elementsOf(bytes: Uint8Array): SchemaElement[] {
  const reader = { bytes, offset: 0 };
  try {
    if (readByte(reader) !== 0x15) throw new Error("the footer does not begin with a version");
    readVarInt(reader);
    if (readByte(reader) !== 0x19) throw new Error("the footer has no schema after its version");
    const { type, count } = readListHead(reader);
    if (type !== 0x0c) throw new Error("the schema is no list of elements");
    if (count < 1 || count > elementsMax)
      throw new Error(`the schema has ${count} values and groups; at most ${elementsMax} are taken`);
    for (let index = 0; index < count; index++) skipStruct(reader);
    const { schema } = parquetMetadata(footerOf(bytes.subarray(0, reader.offset)), { geoparquet: false });
    if (!schema.every(isWellFormed)) throw new Error("an element has a field of another type than Parquet's");
    return schema;
  } catch (cause) {
    const whole = bytes.length < schemaBytesMax ? "" : ` (of which ${schemaBytesMax} bytes are looked at)`;
    throw broken(`its schema${whole} is damaged: ${cause instanceof Error ? cause.message : "?"}`, cause);
  }
}

/** Thrift tells the type of each field, and hyparquet passes on whatever it says. */
const isWellFormed = ({ name, num_children, type_length, precision, scale }: SchemaElement): boolean =>
  typeof name === "string" &&
  [num_children, type_length, precision, scale].every(
    (field) => field === undefined || (Number.isSafeInteger(field) && field >= 0),
  );

/** The same schema in a footer without rows, for hyparquet to give its types their names. */
function footerOf(head: Uint8Array): Uint8Array {
  const noRows = [0x16, 0, 0x19, 0x0c, 0];
  const tail = Buffer.alloc(tailBytes);
  tail.writeUInt32LE(head.length + noRows.length);
  tail.write("PAR1", 4);
  return Buffer.concat([head, Buffer.from(noRows), tail]);
}

interface Open {
  node: SchemaNode;
  left: number;
  levels: number;
}

/** A loop, not a recursion: nothing bounds the depth before it is known. */
function treeOf([root, ...elements]: SchemaElement[]): SchemaNode[] {
  const top: SchemaNode = { element: root as SchemaElement, path: [], parent: undefined, children: [] };
  const open: Open[] = [{ node: top, left: childrenIn(top.element), levels: 0 }];
  let deepest = 0;
  for (const element of elements) {
    while (open.at(-1)?.left === 0) open.pop();
    const above = open.at(-1);
    if (above === undefined) throw broken("its schema is damaged: it has more elements than its groups");
    above.left -= 1;
    const parent = above.node === top ? undefined : above.node;
    // What is nested too deep is counted and not kept: a path at each of 20,000 levels would take their square.
    const kept = above.levels <= typeNestingMax;
    const path = kept ? [...above.node.path, element.name] : [];
    const node: SchemaNode = { element, path, parent, children: [] };
    if (kept) above.node.children.push(node);
    const levels = above.levels + levelsOf(node);
    deepest = Math.max(deepest, levels);
    const children = childrenIn(element);
    if (children > 0) open.push({ node, left: children, levels });
  }
  if (open.some(({ left }) => left > 0)) throw broken("its schema is damaged: a group has too few elements");
  if (deepest > typeNestingMax)
    throw fail("unprocessable", `the schema of the Parquet file ${tooDeep(deepest)}`);
  return top.children;
}

const childrenIn = ({ num_children: children = 0 }: SchemaElement): number => Math.max(0, children);

/** LIST and MAP, in both notations of Parquet. */
const collections: readonly unknown[] = ["LIST", "MAP", "MAP_KEY_VALUE"];
const isCollection = ({ logical_type: logical, converted_type: converted }: SchemaElement): boolean =>
  collections.includes(logical?.type) || collections.includes(converted);

/** Levels that a group adds as SQL counts them: the repeated group inside a list or map is a part of it. */
function levelsOf({ element, parent }: SchemaNode): number {
  const isGroup = childrenIn(element) > 0;
  const repeated = element.repetition_type === "REPEATED";
  if (repeated && parent !== undefined && isCollection(parent.element))
    return isCollection(element) || (isListOf(parent.element) && childrenIn(element) > 1) ? 1 : 0;
  return (isGroup ? 1 : 0) + (repeated ? 1 : 0);
}

const isListOf = ({ logical_type: logical, converted_type: converted }: SchemaElement): boolean =>
  logical?.type === "LIST" || converted === "LIST";
