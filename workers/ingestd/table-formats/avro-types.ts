/** What a schema of Avro makes of bytes: columns with their types, and each record as a line of JSON. */
import type { AvroField, AvroReader, AvroSchema } from "../../../runtime/avro/avro.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { fold, quoteName } from "../../../runtime/sql/sql.ts";
import { type Compiled, logicalTypes, type Named } from "./avro-logical.ts";
import { bytesText, type TakenColumn } from "./taking.ts";

interface Names {
  defined: Map<string, Compiled | "open">;
  namespace: string;
}

const refused = (what: string) => fail("unprocessable", `the schema of the Avro file: ${what}`);
const real = (value: number): string => (Number.isFinite(value) ? String(value) : `"${value}"`);
const float = (from: AvroReader, bytes: 4 | 8): number => {
  const taken = from.take(bytes);
  const view = new DataView(taken.buffer, taken.byteOffset, bytes);
  return bytes === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
};
const boolean = (from: AvroReader): string => {
  const [byte = 0] = from.take(1);
  if (byte > 1) throw fail("corrupt", "a boolean is neither 0 nor 1");
  return byte === 1 ? "true" : "false";
};

const scalars: Record<string, Compiled> = {
  null: { isNull: true, read: () => "null" },
  boolean: { type: "BOOLEAN", read: boolean },
  int: { type: "INTEGER", read: (from) => String(from.long()) },
  long: { type: "BIGINT", read: (from) => String(from.long()) },
  float: { type: "FLOAT", read: (from) => real(float(from, 4)) },
  double: { type: "DOUBLE", read: (from) => real(float(from, 8)) },
  string: { type: "VARCHAR", read: (from) => JSON.stringify(from.text()) },
};

const bytesOf = (take: (from: AvroReader) => Uint8Array): Compiled => ({
  ...{ type: "BLOB", hasBytes: true },
  read: (from) => JSON.stringify(bytesText(take(from))),
});

const isNamed = (schema: AvroSchema): schema is Named & { name: string } =>
  typeof schema === "object" && !Array.isArray(schema);

function compile(schema: AvroSchema, names: Names): Compiled {
  if (Array.isArray(schema)) return union(schema.map((each: AvroSchema) => compile(each, names)));
  if (typeof schema === "string")
    return scalars[schema] ?? (schema === "bytes" ? bytesOf(sized) : known(schema, names));
  if (!isNamed(schema)) throw refused("it is none");
  const { type } = schema;
  const { logicalType } = schema;
  const logical = typeof logicalType === "string" ? logicalTypes[logicalType]?.(schema) : undefined;
  if (logical) {
    if (typeof schema.name === "string" && type === "fixed") define(schema.name, logical, schema, names);
    return logical;
  }
  switch (type) {
    case "record":
      return define(schema.name, "open", schema, names, (inside) => record(schema as never, inside));
    case "enum":
      return define(schema.name, enumeration(schema.symbols), schema, names);
    case "fixed":
      return define(
        schema.name,
        bytesOf((from) => from.take(Number(schema.size))),
        schema,
        names,
      );
    case "array":
      return array(compile(schema.items as AvroSchema, names));
    case "map":
      return map(compile(schema.values as AvroSchema, names));
    default:
      return compile(type, names);
  }
}

const sized = (from: AvroReader): Uint8Array => from.take(from.count());

function fullName(name: string, { namespace }: { namespace: string }): string {
  return name.includes(".") || namespace === "" ? name : `${namespace}.${name}`;
}

function known(name: string, names: Names): Compiled {
  const found = names.defined.get(fullName(name, names)) ?? names.defined.get(name);
  if (found === "open") throw refused(`'${name.slice(0, 100)}' holds itself, and columns have an end`);
  if (!found) throw refused(`it names no type '${name.slice(0, 100)}'`);
  return found;
}

function define(
  name: unknown,
  what: Compiled | "open",
  schema: Named,
  names: Names,
  make?: (inside: Names) => Compiled,
): Compiled {
  const called = String(name ?? "");
  const namespace = typeof schema.namespace === "string" ? schema.namespace : names.namespace;
  const full = fullName(called, { namespace });
  names.defined.set(full, what);
  if (what !== "open") return what;
  const inside = { ...names, namespace: full.includes(".") ? full.slice(0, full.lastIndexOf(".")) : "" };
  const made = (make as (inside: Names) => Compiled)(inside);
  names.defined.set(full, made);
  return made;
}

function enumeration(symbols: unknown): Compiled {
  const texts = (symbols as string[]).map((symbol) => JSON.stringify(symbol));
  return {
    type: "VARCHAR",
    read: (from) => {
      const text = texts[from.count()];
      if (text === undefined) throw fail("corrupt", "an enum has no such symbol");
      return text;
    },
  };
}

/** Where one part has no type of its own, the whole has none: its values show it. */
function record({ fields }: { fields: readonly AvroField[] }, names: Names): Compiled {
  const parts = fields.map(({ name, type }) => ({
    key: `${JSON.stringify(name)}:`,
    name,
    of: compile(type, names),
  }));
  const areDistinct = new Set(parts.map(({ name }) => fold(name))).size === parts.length && parts.length > 0;
  const types = parts.map(({ name, of }) => `${quoteName(name)} ${innerTypeOf(of)}`);
  const isTyped = areDistinct && parts.every(({ of }) => typeOf(of) !== undefined);
  return {
    ...(isTyped && { type: `STRUCT(${types.join(", ")})` }),
    ...bytesIn(...parts.map(({ of }) => of)),
    isNested: true,
    read: (from) => `{${parts.map(({ key, of }) => key + of.read(from)).join(",")}}`,
  };
}

/** What is always null is text, as in every format. */
const typeOf = ({ type, isNull }: Compiled): string | undefined => (isNull ? "VARCHAR" : type);
/** JSON has no bytes: within a list, a map or a record they are text. */
const innerTypeOf = (of: Compiled): string | undefined => (of.type === "BLOB" ? "VARCHAR" : typeOf(of));
const bytesIn = (...parts: readonly Compiled[]) =>
  parts.some(({ hasBytes }) => hasBytes) && { hasBytes: true as const };

function blocks(from: AvroReader, item: () => string): string {
  const all: string[] = [];
  for (let count = from.count(); count !== 0; count = from.count()) {
    // A negative count is followed by the block's bytes, for readers that skip it.
    if (count < 0) from.long();
    const items = Math.abs(count);
    // Values without bytes, such as null, could be endless.
    if (items > from.bytes.length - from.at) throw fail("corrupt", "a list has more items than bytes");
    for (let at = 0; at < items; at++) all.push(item());
  }
  return all.join(",");
}

function array(item: Compiled): Compiled {
  const type = innerTypeOf(item);
  return {
    ...(type !== undefined && { type: `${type}[]` }),
    ...bytesIn(item),
    isNested: true,
    read: (from) => `[${blocks(from, () => item.read(from))}]`,
  };
}

function map(value: Compiled): Compiled {
  const type = innerTypeOf(value);
  return {
    ...(type !== undefined && { type: `MAP(VARCHAR, ${type})` }),
    ...bytesIn(value),
    isNested: true,
    read: (from) => `{${blocks(from, () => `${JSON.stringify(from.text())}:${value.read(from)}`)}}`,
  };
}

/** Of null and one type it is that one; whole numbers of two sizes are of the larger, and floats. Else the values show it. */
function union(branches: readonly Compiled[]): Compiled {
  const others = branches.filter(({ isNull }) => !isNull);
  const types = new Set(others.map(({ type }) => type));
  const are = (...among: string[]) => [...types].every((type) => type !== undefined && among.includes(type));
  const type =
    types.size === 1
      ? others[0]?.type
      : are("INTEGER", "BIGINT")
        ? "BIGINT"
        : are("FLOAT", "DOUBLE")
          ? "DOUBLE"
          : undefined;
  return {
    ...(others.length === 0 && { isNull: true as const }),
    ...(type !== undefined && { type }),
    ...bytesIn(...others),
    ...(others.some(({ isNested }) => isNested) && { isNested: true as const }),
    read: (from) => {
      const branch = branches[from.count()];
      if (!branch) throw fail("corrupt", "a union has no such type");
      return branch.read(from);
    },
  };
}

/** The columns of a file of records, and each record as JSON. Throws `unprocessable` for another schema. */
export function compileRecord(schema: AvroSchema): {
  columns: TakenColumn[];
  read: (from: AvroReader) => string;
  warnings: string[];
} {
  if (!isNamed(schema) || schema.type !== "record")
    throw refused("expected a record, whose fields become columns");
  const namespace =
    typeof schema.namespace === "string"
      ? schema.namespace
      : schema.name.includes(".")
        ? schema.name.slice(0, schema.name.lastIndexOf("."))
        : "";
  const names: Names = { defined: new Map([[fullName(schema.name, { namespace }), "open"]]), namespace };
  const warnings: string[] = [];
  const columns = (schema.fields as readonly AvroField[]).map(({ name, type: of }) => {
    const compiled = compile(of, names);
    const type = typeOf(compiled);
    if (type === undefined)
      warnings.push(`'${name}' may be of several types by its schema: its values show which it has`);
    if (compiled.hasBytes && type !== "BLOB")
      warnings.push(`bytes in '${name}' are text of hexadecimal digits, as \\x00\\xff`);
    const as = compiled.isNested ? "json" : "text";
    const column: TakenColumn = type === undefined ? { name } : { name, type, as };
    return { column, key: `${JSON.stringify(name)}:`, read: compiled.read };
  });
  return {
    columns: columns.map(({ column }) => column),
    warnings,
    read: (from) => `{${columns.map(({ key, read }) => key + read(from)).join(",")}}`,
  };
}
