/** Schemas: when two are the same, and how a proposed one differs from the registered one. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { isSameType, wideningRule } from "../../../runtime/sql/sql.ts";
import type { Column } from "./version.ts";

/**
 * What makes two schemas the same: SHA-256 in hex over `[[name, type, nullable], …]` as JSON. The type's text counts as
 * it is: DuckDB prints each type in one way only.
 */
export const schemaFingerprint = (columns: readonly Column[]): string =>
  Bun.SHA256.hash(JSON.stringify(columns.map(({ name, type, nullable }) => [name, type, nullable])), "hex");

export interface Drift {
  /** Names that only the proposal has. */
  added: string[];
  /** Names that only the registered schema has. */
  removed: string[];
  retyped: { name: string; from: string; to: string }[];
  nullability: { name: string; from: boolean; to: boolean }[];
  /** Names in both that stand elsewhere among the common ones. */
  reordered: string[];
}

/** Compares two schemas by column name. */
export function schemaDrift(registered: readonly Column[], proposed: readonly Column[]): Drift {
  const before = new Map(registered.map((column) => [column.name, column]));
  const after = new Map(proposed.map((column) => [column.name, column]));
  const kept = registered.filter(({ name }) => after.has(name));
  const keptNow = proposed.filter(({ name }) => before.has(name));
  const pairs = kept.flatMap((from) => {
    const to = after.get(from.name);
    return to ? [{ name: from.name, from, to }] : [];
  });
  return {
    added: proposed.filter(({ name }) => !before.has(name)).map(({ name }) => name),
    removed: registered.filter(({ name }) => !after.has(name)).map(({ name }) => name),
    retyped: pairs
      .filter(({ from, to }) => !isSameType(from.type, to.type))
      .map(({ name, from, to }) => ({ name, from: from.type, to: to.type })),
    nullability: pairs
      .filter(({ from, to }) => from.nullable !== to.nullable)
      .map(({ name, from, to }) => ({ name, from: from.nullable, to: to.nullable })),
    reordered: keptNow.filter(({ name }, at) => kept[at]?.name !== name).map(({ name }) => name),
  };
}

/** Columns of each kind that the message names; `details` has all of them. */
const namedMax = 10;

const list = (items: readonly string[]): string => {
  const more = items.length - namedMax;
  return items.slice(0, namedMax).join(", ") + (more > 0 ? ` and ${more} more` : "");
};
const null_ = (nullable: boolean) => (nullable ? "nullable" : "not null");
const shortType = (type: string) => (type.length > 100 ? `${type.slice(0, 100)}…` : type);

/** What whoever is refused can do. */
const wayOut = (name: string): string =>
  `send evolve=true to take columns that are added, missing or of a wider type, change them by PATCH /v1/catalog/datasets/${name}, or use another name`;
const wayOutOfEvolving = (name: string): string =>
  `with evolve=true a type may become a wider one (${wideningRule}); POST /v1/catalog/datasets/${name}/retype rewrites a column as another type`;

/** The 409 for a schema other than the registered one: names the columns that differ, all of them in `details`. */
export function driftError(name: string, drift: Drift, evolves = false): ServiceError {
  const parts = [
    ["added", drift.added],
    ["removed", drift.removed],
    ["retyped", drift.retyped.map(({ name, from, to }) => `${name} (${shortType(from)} → ${shortType(to)})`)],
    ["nullability", drift.nullability.map(({ name, from, to }) => `${name} (${null_(from)} → ${null_(to)})`)],
    ["reordered", drift.reordered],
  ] as const;
  const text = parts
    .filter(([, columns]) => columns.length > 0)
    .map(([kind, columns]) => `${kind}: ${list(columns)}`)
    .join("; ");
  return fail(
    "schema_drift",
    `the schema differs from the registered one of '${name}': ${text}; ${evolves ? wayOutOfEvolving(name) : wayOut(name)}`,
    { details: drift },
  );
}
