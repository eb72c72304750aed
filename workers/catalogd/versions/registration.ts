/** What a registration must hold beyond the form that the contract checks. */
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { columnProblem, fold } from "../../../runtime/sql/sql.ts";
import type { Column, DataObject } from "./version.ts";

export interface Registration {
  name: string;
  columns: Column[];
  objects: (DataObject & {
    /** In an open table with partitions: the value of each field, as text. */
    partition?: (string | null)[];
  })[];
  operation?: "replace" | "append" | "delete" | "update" | "upsert" | "retype";
  if_match?: string;
  /** Of changes of rows: keys of the objects that go. */
  removes?: string[];
  made_by?: string;
  /** The number that the version is to have. */
  version?: number;
  /** In an open table: the partition spec by which the objects were made. */
  spec_id?: number;
  /** Other columns than the registered ones are no drift. */
  new_columns?: boolean;
  /** Columns may change as `evolution.ts` says. */
  evolve?: boolean;
}

/**
 * Names under which SQL finds the engine's own schemas and catalog tables. Every other name can be reached, reserved
 * words in double quotes (tried on DuckDB 1.5.6 with all its keywords, functions, types and views).
 */
const reservedNames = new Set(["information_schema", "main", "pg_catalog", "system", "temp"]);
const reservedPrefix = /^(duckdb|pg|pragma|sqlite)_/i;

/** `primary://key` and `key` are one object. */
export const canonicalKey = (key: string): string =>
  key.startsWith("primary://") ? key.slice("primary://".length) : key;

/** Throws `invalid_name`, `invalid_field` or `unprocessable` for what no query could read back as it was given. */
export function checkRegistration({ name, columns, objects, made_by = "" }: Registration): void {
  checkName(name);
  checkText("made_by", made_by);
  for (const [at, { comment = "" }] of columns.entries()) checkText(`columns.${at}.comment`, comment);
  const wrong = columnProblem(columns);
  if (wrong) {
    const { field, problem, twice } = wrong;
    const details = { details: { field, ...(twice !== undefined && { twice }) } };
    throw fail(twice === undefined ? "invalid_field" : "unprocessable", `${field}: ${problem}`, details);
  }
  refuseTwice(
    "columns",
    columns.flatMap(({ field_id, nested_ids = [] }) =>
      field_id === undefined ? [] : [field_id, ...nested_ids].map((id) => `field id ${id}`),
    ),
    "each column, and each part of one, has its own; or leave field_id out",
  );
  for (const [at, object] of objects.entries()) checkObject(`objects.${at}`, object, columns);
  refuseTwice(
    "objects",
    objects.map(({ key }) => canonicalKey(key)),
    "each object counts once",
  );
}

/** Throws `invalid_name` for a name that SQL has its own use for. */
export function checkName(name: string): void {
  if (!reservedNames.has(fold(name)) && !reservedPrefix.test(name)) return;
  const all = `${[...reservedNames].join(", ")} and names that begin with duckdb_, pg_, pragma_ or sqlite_`;
  throw fail("invalid_name", `'${name}' is reserved: SQL has its own use for ${all}`);
}

/** UTF-8 cannot hold half a surrogate pair, and no SQL identifier or text holds a NUL. */
export function checkText(field: string, text: string): void {
  if (text.isWellFormed() && !text.includes("\0")) return;
  throw invalidField(field, `expected Unicode text without NUL and without half surrogate pairs`);
}

function checkObject(
  field: string,
  { key, etag, row_count, statistics }: DataObject,
  columns: readonly Column[],
): void {
  checkText(`${field}.key`, key);
  checkText(`${field}.etag`, etag);
  const names = new Set(columns.map((column) => column.name));
  for (const [at, { column, min = "", max = "", null_count = 0 }] of statistics.entries()) {
    for (const text of [column, min, max]) checkText(`${field}.statistics.${at}`, text);
    // A part of a nested column goes by its path, and may have more values than there are rows.
    if (names.has(column) && null_count > row_count) {
      const text = `${field}.statistics.${at}: column '${column}' has ${null_count} nulls in ${row_count} rows`;
      throw fail("unprocessable", text, { details: { field: `${field}.statistics.${at}` } });
    }
  }
  refuseTwice(
    `${field}.statistics`,
    statistics.map(({ column }) => column),
    "each column has one entry",
  );
}

function refuseTwice(field: string, keys: readonly string[], why: string): void {
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) {
      throw fail("unprocessable", `${field}: '${key.slice(0, 200)}' is there twice; ${why}`, {
        details: { field, twice: key },
      });
    }
    seen.add(key);
  }
}
