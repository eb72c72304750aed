/** Names of versions that are past: a dataset's name, `@`, and a version's number or a time. */

/** A dataset's version as a statement names it: `jobs@3`, `jobs@2026-11-01T00:00:00Z`. */
export interface PastName {
  name: string;
  version?: number;
  /** RFC 3339. */
  as_of?: string;
}

/** What catalogd takes for the name of a dataset. */
const dataset = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** And for that of a table in a namespace. */
const inSchema = /^[A-Za-z0-9_][A-Za-z0-9_ -]{0,99}\.[A-Za-z0-9_][A-Za-z0-9_ -]{0,99}$/;
/** A number without zeros before it; a time with its zone, in upper case as catalogd takes it. */
const number = /^[1-9]\d{0,7}$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** Undefined for a name that is not of this form; `withSchema` for one that was written with its schema. */
export function pastName(text: string, withSchema = false): PastName | undefined {
  const at = text.lastIndexOf("@");
  const name = text.slice(0, Math.max(0, at));
  const version = text.slice(at + 1).toUpperCase();
  if (!(withSchema ? isDatasetName(name) : dataset.test(name))) return undefined;
  if (number.test(version)) return { name, version: Number(version) };
  return time.test(version) ? { name, as_of: version } : undefined;
}

export const isDatasetName = (name: string): boolean => dataset.test(name) || inSchema.test(name);

/** For whoever wrote a name with `@` that is not of this form. */
export const pastNameHint = (name: string): string =>
  name.includes("@")
    ? `; a version is named by its number or by a time with its zone: "jobs@3", "jobs@2026-11-01T00:00:00Z"`
    : "";
