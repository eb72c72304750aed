/**
 * What a statement asks of the rows of each dataset, from its syntax tree: comparisons of a column with constants that every
 * row must pass before anything else sees it. What is not understood asks nothing.
 */
import { fold } from "../../../runtime/sql/sql.ts";

/** A constant as it stands in the statement. */
export type Constant =
  | { kind: "integer"; value: bigint }
  | { kind: "decimal"; digits: bigint; scale: number; width: number }
  /** A text, or one that is cast to a date or a time. */
  | { kind: "text" | "date" | "timestamp" | "timestamptz"; value: string };
export type Literal = Constant | { kind: "parameter"; name: string };

export type Operator = "=" | "<" | "<=" | ">" | ">=";

export type Predicate =
  | { column: string; is: "compared"; operator: Operator; literal: Literal }
  | { column: string; is: "among"; literals: readonly Literal[] }
  | { column: string; is: "null" }
  | { column: string; is: "not null" };

/**
 * By the folded name of a dataset: for each place where the statement reads it, the predicates that all of its rows there
 * must pass. Names that are read anywhere without one are missing.
 */
export type Predicates = ReadonlyMap<string, readonly (readonly Predicate[])[]>;

type Node = Record<string, unknown>;

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null;

/** With its schema, where it has one: names of tables in others are not this one's. */
const nameOf = ({ schema_name: schema, table_name: name }: Node): string =>
  fold(schema ? `${schema}.${name}` : String(name));

export function predicatesOf(statement: unknown): Predicates {
  const found = new Map<string, Predicate[][]>();
  const everything = new Set<string>();
  /** References whose SELECT says what it asks of them. */
  const asked = new Set<unknown>();
  const walk = (value: unknown): void => {
    if (!isNode(value)) return;
    if (value.type === "SELECT_NODE")
      for (const [reference, predicates] of ofSelect(value)) {
        const name = nameOf(reference);
        if (predicates.length === 0) continue;
        asked.add(reference);
        found.set(name, [...(found.get(name) ?? []), predicates]);
      }
    if (typeof value.table_name === "string" && !asked.has(value)) everything.add(nameOf(value));
    for (const part of Object.values(value)) walk(part);
  };
  walk(statement);
  for (const name of everything) found.delete(name);
  return found;
}

/** The tables that a SELECT reads as they are, with what its WHERE asks of each. */
function ofSelect(select: Node): [reference: Node, predicates: Predicate[]][] {
  // A sample is drawn before rows are asked for anything.
  if (select.sample) return [];
  const tables = joined(select.from_table);
  const conditions = conjuncts(select.where_clause).flatMap(conditionOf);
  return tables.map((table) => {
    const name = fold(String(table.alias || table.table_name));
    const isSole = tables.length === 1 && select.from_table === table;
    const isUnique = tables.every(
      (other) => other === table || fold(String(other.alias || other.table_name)) !== name,
    );
    const predicates = conditions.flatMap(({ path, predicateOn }) => {
      const [column = "", ...rest] = path.toReversed();
      const isOwn =
        rest.length === 0 ? isSole : rest.length === 1 && isUnique && fold(rest[0] ?? "") === name;
      return isOwn ? [predicateOn(column)] : [];
    });
    return [table, predicates];
  });
}

/** The tables of a FROM that hold rows one by one: of inner joins alone, as the others give rows for those that are not there. */
function joined(from: unknown): Node[] {
  if (!isNode(from)) return [];
  if (from.type === "BASE_TABLE") {
    const aliases = from.column_name_alias;
    const isPlain = !from.sample && !(Array.isArray(aliases) && aliases.length > 0);
    return isPlain ? [from] : [];
  }
  const isInner =
    from.type === "JOIN" && from.join_type === "INNER" && /^(REGULAR|CROSS)$/.test(String(from.ref_type));
  return isInner && !from.sample ? [...joined(from.left), ...joined(from.right)] : [];
}

function conjuncts(condition: unknown): unknown[] {
  if (!isNode(condition)) return [];
  if (condition.type !== "CONJUNCTION_AND") return [condition];
  return listOf(condition.children).flatMap(conjuncts);
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

interface Condition {
  /** The column as it is written, with what stands before its name. */
  path: readonly string[];
  predicateOn: (column: string) => Predicate;
}

const operators: Readonly<Record<string, Operator>> = {
  COMPARE_EQUAL: "=",
  COMPARE_LESSTHAN: "<",
  COMPARE_LESSTHANOREQUALTO: "<=",
  COMPARE_GREATERTHAN: ">",
  COMPARE_GREATERTHANOREQUALTO: ">=",
};
const mirrored: Readonly<Record<Operator, Operator>> = {
  "=": "=",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
};

/** What one condition asks of a column; nothing for one that is not understood. */
function conditionOf(condition: unknown): Condition[] {
  if (!isNode(condition)) return [];
  const { type } = condition;
  const operator = operators[String(type)];
  if (operator !== undefined) {
    const { left, right } = condition;
    return [...compared(left, operator, right), ...compared(right, mirrored[operator], left)];
  }
  if (type === "COMPARE_BETWEEN") {
    const { input, lower, upper } = condition;
    return [...compared(input, ">=", lower), ...compared(input, "<=", upper)];
  }
  const [subject, ...others] = listOf(condition.children);
  const path = pathOf(subject);
  if (!path) return [];
  if (type === "OPERATOR_IS_NULL") return [{ path, predicateOn: (column) => ({ column, is: "null" }) }];
  if (type === "OPERATOR_IS_NOT_NULL")
    return [{ path, predicateOn: (column) => ({ column, is: "not null" }) }];
  if (type !== "COMPARE_IN") return [];
  const literals = others.map(literalOf);
  if (!literals.every((literal) => literal !== undefined)) return [];
  return [{ path, predicateOn: (column) => ({ column, is: "among", literals }) }];
}

function compared(subject: unknown, operator: Operator, constant: unknown): Condition[] {
  const path = pathOf(subject);
  const literal = literalOf(constant);
  if (!path || literal === undefined) return [];
  return [{ path, predicateOn: (column) => ({ column, is: "compared", operator, literal }) }];
}

const pathOf = (node: unknown): readonly string[] | undefined =>
  isNode(node) && node.class === "COLUMN_REF" ? listOf(node.column_names).map(String) : undefined;

/** Texts cast to these are what the type says, where they are in one of a few forms: see `values.ts`. */
const castKinds: Readonly<Record<string, "date" | "timestamp" | "timestamptz">> = {
  DATE: "date",
  TIMESTAMP: "timestamp",
  "TIMESTAMP WITH TIME ZONE": "timestamptz",
};

function literalOf(node: unknown): Literal | undefined {
  if (!isNode(node)) return undefined;
  if (node.class === "PARAMETER") return { kind: "parameter", name: String(node.identifier) };
  if (node.class === "CAST") {
    const kind = castKinds[String((node.cast_type as Node | undefined)?.id)];
    const text = literalOf(node.child);
    return kind && text?.kind === "text" ? { kind, value: text.value } : undefined;
  }
  if (node.class !== "CONSTANT") return undefined;
  const {
    type,
    value,
    is_null: isNull,
  } = (node.value ?? {}) as { type?: Node; value?: unknown; is_null?: boolean };
  if (isNull || !isNode(type)) return undefined;
  if (type.id === "VARCHAR" && typeof value === "string" && !type.type_info) return { kind: "text", value };
  // Beyond these the tree, as JSON, has lost digits.
  if (typeof value !== "number" || !Number.isSafeInteger(value)) return undefined;
  if (type.id === "INTEGER" || type.id === "BIGINT") return { kind: "integer", value: BigInt(value) };
  const { width, scale } = (type.type_info ?? {}) as { width?: number; scale?: number };
  if (type.id !== "DECIMAL" || width === undefined) return undefined;
  return { kind: "decimal", digits: BigInt(value), scale: scale ?? 0, width };
}
