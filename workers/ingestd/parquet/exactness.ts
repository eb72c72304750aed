/** Whether what DuckDB reads of a Parquet file is what the file holds: every difference is an error that names the column. */

import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { SchemaNode } from "../../../runtime/parquet/parquet.ts";
import {
  columnProblem,
  leavesOf,
  nameProblem,
  parseSqlType,
  quoteName,
  quoteText,
  type SqlType,
  twiceNamed,
} from "../../../runtime/sql/sql.ts";
import type { Described, Session } from "../engine/engine.ts";
import { anyType, type FileType, fileTypeOf } from "./exact-types.ts";

const refusal = (text: string, column: string): ServiceError =>
  fail("unprocessable", text, { details: { column } });

/** A place in the schema as people write it: a.list.element. */
const placeOf = ({ path }: SchemaNode): string => path.join(".").slice(0, 200);

/**
 * Throws `unprocessable` for names that SQL cannot tell apart, at any level: DuckDB would give them others. Iterates
 * over a schema whose depth is bounded.
 */
export function checkNames(nodes: readonly SchemaNode[], inside = ""): void {
  const names = nodes.map(({ path }) => path.at(-1) ?? "");
  const problem = names.map(nameProblem).find((found) => found !== undefined);
  const twice = twiceNamed(names);
  const where = inside === "" ? "of the Parquet file" : `inside '${inside}'`;
  if (problem !== undefined) throw refusal(`the columns ${where}: ${problem}; rename it`, inside);
  if (twice !== undefined)
    throw refusal(
      `the columns ${where}: '${twice.slice(0, 200)}' is there twice, and SQL does not tell upper case from lower; rename one`,
      twice,
    );
  for (const node of nodes) if (node.children.length > 0) checkNames(node.children, placeOf(node));
}

/** What the writer of the file tells beside its schema. */
export interface Writer {
  /** It knows timestamps of microseconds only. */
  microseconds: boolean;
  /** Columns with durations, which are whole numbers in the schema. */
  durations: readonly string[];
}

/**
 * Compares what the file holds with the columns that DuckDB describes, value by value of the schema from left to right.
 * Throws `unprocessable` naming the column, both types and the way out.
 */
export function checkTypes(
  nodes: readonly SchemaNode[],
  columns: readonly Described[],
  { microseconds, durations }: Writer,
): void {
  const [duration] = durations;
  if (duration !== undefined)
    throw refusal(
      `column '${duration}' is a duration in the file, and BIGINT here does not tell its unit: write it as a whole number, as text, or as two timestamps`,
      duration,
    );
  for (const [index, node] of nodes.entries()) {
    const column = columns[index];
    const name = node.path[0] ?? "";
    const leaves = leafNodes(node).map((leaf) => ({ leaf, found: fileTypeOf(leaf.element, microseconds) }));
    // First what no type holds: its name says more than what DuckDB makes of it.
    for (const { leaf, found } of leaves)
      if (found.exact === undefined) throw notExact(leaf, found, column?.type);
    if (column?.name !== name)
      throw refusal(`column '${name}' of the Parquet file is read as '${column?.name}': rename it`, name);
    const here = [...leavesOf(typeOf(column))];
    if (here.length !== leaves.length)
      throw notExact(node, { name: kindOf(node), advice: plainer }, column.type);
    for (const [at, { leaf, found }] of leaves.entries())
      if (found.exact !== anyType && found.exact !== here[at]) throw notExact(leaf, found, here[at]);
  }
}

const plainer = "write it as plain columns, lists, maps and groups";

function typeOf(column: Described): SqlType {
  const wrong = columnProblem([column]);
  if (wrong) throw refusal(wrong.problem, column.name);
  return parseSqlType(column.type);
}

const kindOf = ({ element: { logical_type: logical, converted_type: converted } }: SchemaNode): string =>
  String(logical?.type ?? converted ?? "a group");

function notExact(node: SchemaNode, { name, exact, advice }: FileType, here = "no type"): ServiceError {
  const place = placeOf(node);
  const loses =
    exact === undefined
      ? `which no type of a dataset holds${here === name ? "" : ` (it would be ${here.slice(0, 200)})`}`
      : `and would be ${here.slice(0, 200)} here, which is not ${exact}`;
  return refusal(`column '${place}' is ${name} in the file, ${loses}: ${advice}`, place);
}

/** The values of a column, from left to right. A VARIANT is one value, though it is a group in the file. */
function leafNodes(node: SchemaNode): SchemaNode[] {
  if (node.children.length === 0 || node.element.logical_type?.type === "VARIANT") return [node];
  return node.children.flatMap(leafNodes);
}

/** Times of day have no more than this: DuckDB fails inside when it is to write one beyond. */
const dayOf: Record<string, string> = {
  TIME: "TIME",
  TIME_NS: "TIME_NS",
  "TIME WITH TIME ZONE": "TIMETZ",
};

/** Throws `unprocessable` for a time before 0 or after 24 o'clock, which a file can hold and no query can show. */
export async function checkTimes(
  session: Session,
  relation: string,
  columns: readonly Described[],
): Promise<void> {
  for (const { name, type } of columns) {
    const outside = outsideDay(quoteName(name), parseSqlType(type), 0);
    if (outside === undefined) continue;
    const [found] = await session.run(`SELECT count(*)::BIGINT AS count FROM ${relation} WHERE ${outside}`);
    const count = Number(found?.count);
    if (count > 0)
      throw refusal(
        `column '${name}' has ${count} values beyond the 24 hours of a ${type}: write them as numbers`,
        name,
      );
  }
}

/** SQL that is true where a time inside the value is none; undefined for types without times. */
function outsideDay(value: string, type: SqlType, depth: number): string | undefined {
  const item = `x${depth}`;
  const anyOf = (list: string, of: SqlType): string | undefined => {
    const outside = outsideDay(item, of, depth + 1);
    return outside && `len(list_filter(${list}, lambda ${item}: ${outside})) > 0`;
  };
  const either = (parts: (string | undefined)[]): string | undefined => {
    const conditions = parts.filter((part) => part !== undefined).map((part) => `coalesce(${part}, false)`);
    return conditions.length === 0 ? undefined : `(${conditions.join(" OR ")})`;
  };
  if (type.kind === "list") return either([anyOf(value, type.item)]);
  if (type.kind === "map")
    return either([anyOf(`map_keys(${value})`, type.key), anyOf(`map_values(${value})`, type.value)]);
  if (type.kind === "struct")
    return either(
      type.fields.map((field) =>
        outsideDay(`struct_extract(${value}, ${quoteText(field.name)})`, field.type, depth),
      ),
    );
  const time = dayOf[type.name];
  return time && `coalesce(${value} < '00:00:00'::${time} OR ${value} > '24:00:00'::${time}, false)`;
}
