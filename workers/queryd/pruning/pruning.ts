/** Pruning: the objects of a version that no row which a statement asks for can be in, by the catalog's statistics alone. */
import { fold, widens } from "../../../runtime/sql/sql.ts";
import { columnsOfSchema, type Manifest } from "../catalog/catalog.ts";
import type { Parameter } from "../statements/statements.ts";
import type { Constant, Literal, Operator, Predicate } from "./predicates.ts";
import { type Between, compare, type Domain, domainOf } from "./values.ts";

export { type Predicates, predicatesOf } from "./predicates.ts";

type Column = Manifest["columns"][number];
type Value = Between["least"];

/** What the statistics say of one column in one object. Absent: not known. */
interface Extent {
  min: Value | undefined;
  max: Value | undefined;
  hasNulls: boolean;
  hasValues: boolean;
}

interface ColumnExtents {
  domain: Domain | undefined;
  /** In the order of the objects. */
  extents: readonly Extent[];
}

/** A version's statistics as values, read at their first use and kept as long as the version. */
const known = new WeakMap<Manifest, Map<string, ColumnExtents>>();

/** Of fewer objects all are read: the others may be in memory, and are planned at once. */
const objectsMin = 8;

/** The places of the objects to read, where that is not all of them. */
export function pruned(
  manifest: Manifest,
  alternatives: readonly (readonly Predicate[])[] | undefined,
  parameters: ReadonlyMap<string, Parameter>,
): number[] | undefined {
  if (!alternatives || manifest.objects.length < objectsMin) return undefined;
  const places = withDeletes(manifest, placesOf(manifest, alternatives, parameters));
  return places.length < manifest.objects.length ? places : undefined;
}

/** Of an open table the files of deletes as well that are of those files, and no others: they follow the data files. */
function withDeletes({ open }: Manifest, places: readonly number[]): number[] {
  if (!open) return [...places];
  const { files } = open;
  const own = places.filter((at) => at < files.length);
  const deletes = new Set(own.flatMap((at) => files[at]?.deletes ?? []));
  return [...own, ...[...deletes].map((place) => files.length + place)];
}

/**
 * The places of the objects that may hold a row for one of the places where the statement reads the dataset. Statistics are
 * taken at the word of who registered them, as those in the files are.
 */
export function placesOf(
  manifest: Manifest,
  alternatives: readonly (readonly Predicate[])[],
  parameters: ReadonlyMap<string, Parameter>,
): number[] {
  const tests = alternatives.map((predicates) =>
    predicates.flatMap((predicate) => testOf(manifest, predicate, parameters) ?? []),
  );
  const places = [...manifest.objects.keys()];
  return places.filter((at) => tests.some((all) => all.every((test) => test(at))));
}

/** Whether an object may hold a row that passes. */
type Test = (at: number) => boolean;

/** Undefined for a predicate that rules nothing out. */
function testOf(
  manifest: Manifest,
  predicate: Predicate,
  parameters: ReadonlyMap<string, Parameter>,
): Test | undefined {
  const { domain, extents } = extentsOf(manifest, predicate.column);
  const of =
    (test: (extent: Extent) => boolean): Test =>
    (at) => {
      const extent = extents[at];
      return extent === undefined || test(extent);
    };
  if (predicate.is === "null") return of(({ hasNulls }) => hasNulls);
  if (predicate.is === "not null") return of(({ hasValues }) => hasValues);
  if (!domain) return undefined;
  const meaningOf = (literal: Literal) => {
    if (literal.kind !== "parameter") return domain.literal(literal);
    const given = literalOf(parameters.get(literal.name), domain);
    return given && domain.literal(given);
  };
  if (predicate.is === "compared") {
    const value = meaningOf(predicate.literal);
    return value && of((extent) => extent.hasValues && reaches(domain, extent, predicate.operator, value));
  }
  const values: Between[] = [];
  for (const literal of predicate.literals) {
    const value = meaningOf(literal);
    if (!value) return undefined;
    values.push(value);
  }
  return of((extent) => extent.hasValues && values.some((value) => reaches(domain, extent, "=", value)));
}

/**
 * A parameter as a constant of its type. Of fractions DuckDB makes doubles, which are no constants here, and a text is read
 * as a date only where it stands in the statement.
 */
function literalOf(parameter: Parameter | undefined, { isText }: Domain): Constant | undefined {
  if (parameter?.type === "integer" && typeof parameter.value === "number")
    return { kind: "integer", value: BigInt(parameter.value) };
  return parameter?.type === "text" && isText ? { kind: "text", value: String(parameter.value) } : undefined;
}

/** Whether a value between the bounds may compare so with the constant. */
function reaches(
  domain: Domain,
  { min, max }: Extent,
  operator: Operator,
  { least, most }: Between,
): boolean {
  const above = operator === "<" || operator === "<=" || operator === "=";
  if (above && min !== undefined) {
    const order = compare(min, most);
    if (order > 0 || (order === 0 && operator === "<")) return false;
  }
  const below = operator === ">" || operator === ">=" || operator === "=";
  if (!below || max === undefined || domain.hasNaN) return true;
  if (domain.isText && startsWith(least, max)) return true;
  const order = compare(max, least);
  return order > 0 || (order === 0 && operator !== ">");
}

const startsWith = (value: Value, beginning: Value): boolean =>
  Buffer.isBuffer(value) &&
  Buffer.isBuffer(beginning) &&
  value.subarray(0, beginning.length).equals(beginning);

function extentsOf(manifest: Manifest, name: string): ColumnExtents {
  const columns = known.get(manifest) ?? new Map<string, ColumnExtents>();
  known.set(manifest, columns);
  const found = columns.get(fold(name)) ?? readExtents(manifest, name);
  columns.set(fold(name), found);
  return found;
}

function readExtents(manifest: Manifest, name: string): ColumnExtents {
  const column = manifest.columns.find((each) => fold(each.name) === fold(name));
  // A name that the dataset has not is that of something else in the statement.
  if (!column) return { domain: undefined, extents: [] };
  const domain = domainOf(column.type);
  const inFiles = new Map<number, Column | undefined>();
  const extents = manifest.objects.map(({ row_count: rows, statistics, schema_id = 0 }): Extent => {
    if (!inFiles.has(schema_id)) {
      const own = columnsOfSchema(manifest, schema_id);
      inFiles.set(
        schema_id,
        own.find((each) => each.field_id === column.field_id),
      );
    }
    const own = inFiles.get(schema_id);
    // Its files have no such column.
    if (!own) return { min: undefined, max: undefined, hasNulls: true, hasValues: false };
    // By both: a caller may have numbered its columns in another way.
    const found = statistics.find((each) => each.column === own.name && each.field_id === own.field_id);
    const { min, max, null_count: nulls } = found ?? {};
    const isComparable = own.type === column.type || widens(own.type, column.type);
    const bound = (text: string | undefined) =>
      isComparable && text !== undefined ? domain?.bound(text) : undefined;
    return {
      min: bound(min),
      max: bound(max),
      hasNulls: nulls === undefined || nulls > 0,
      hasValues: nulls === undefined || nulls < rows,
    };
  });
  return { domain, extents };
}
