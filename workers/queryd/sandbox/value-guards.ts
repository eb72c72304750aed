/**
 * Functions that make a giant value of a small one. Their memory is not under DuckDB's limit and they cannot be
 * interrupted (`repeat('x', 4e9)` took 8 GB and 50 s), so that macros of the same names stand before them. What
 * grows by other means, as replace() inside replace(), is not bounded here.
 */

/** Characters or bytes a value may be given by one such call. */
const charactersMax = 1_048_576;
/** Items a list may be given by one such call. */
const itemsMax = 1_000_000;

/** The functions under guard: called with a schema they would reach past the macros. */
export const guardedFunctions: ReadonlySet<string> = new Set([
  "repeat",
  "lpad",
  "rpad",
  "range",
  "generate_series",
  "list_resize",
  "array_resize",
  "bitstring",
]);

/** The argument, or an error when the size is too large. The bound also holds for volatile expressions. */
const bounded = (argument: string, size: string, { max, what }: { max: number; what: string }): string =>
  `CAST(least(CASE WHEN ${size} > ${max} THEN error('${what} at once; at most ${max}') ELSE ${argument} END, ${max}) + 0 * ${argument} AS BIGINT)`;

const text = (size: string) =>
  bounded("n", size, { max: charactersMax, what: "too many characters are made" });
const items = (argument: string, size: string) =>
  bounded(argument, size, { max: itemsMax, what: "too many list items are made" });

/** A number of any type, NULL for a timestamp: series of both share one name. */
const number = (argument: string): string => `TRY_CAST(${argument}::VARCHAR AS DOUBLE)`;
const instant = (argument: string): string => `epoch_us(TRY_CAST(${argument}::VARCHAR AS TIMESTAMP))`;
const span = (argument: string): string => `epoch_us(TRY_CAST(${argument}::VARCHAR AS INTERVAL))`;

const seriesSize =
  `coalesce(abs((${number("b")} - ${number("a")}) / nullif(${number("c")}, 0)), ` +
  `abs((${instant("b")} - ${instant("a")}) / nullif(${span("c")}, 0)), 0)`;

const series = (name: string): string =>
  `CREATE MACRO main.${name}(a) AS system.main.${name}(${items("a", "a")}), ` +
  `(a, b) AS system.main.${name}(a, b + 0 * ${items("(b - a)", "(b - a)")}), ` +
  `(a, b, c) AS system.main.${name}(a, b, CASE WHEN ${seriesSize} > ${itemsMax} THEN error('too many list items are made at once; at most ${itemsMax}') ELSE c END)`;

const pad = (name: string): string =>
  `CREATE MACRO main.${name}(s, n, f) AS system.main.${name}(s, CAST(${text("n")} AS INTEGER), f)`;

const resize = (name: string): string =>
  `CREATE MACRO main.${name}(l, n) AS system.main.${name}(l, ${items("n", "n")}), ` +
  `(l, n, v) AS system.main.${name}(l, ${items("n", "n")}, v)`;

/** Made once, before the first query. */
export const guardStatements: readonly string[] = [
  `CREATE MACRO main.repeat(s, n) AS system.main.repeat(s, ${text("n * greatest(strlen(s::VARCHAR), 1)")})`,
  `CREATE MACRO main.bitstring(s, n) AS system.main.bitstring(s, CAST(${text("n")} AS INTEGER))`,
  pad("lpad"),
  pad("rpad"),
  series("range"),
  series("generate_series"),
  resize("list_resize"),
  resize("array_resize"),
];

/** `{:1000000}` and `%1000000d` ask for that many characters. */
const wide = /[{%][^}%]*\d{5,}|[{%][^}%]*[{*]/;

/** Whether a call of format or printf may make a giant text: its pattern is no constant, or asks for one. */
export function asksForGiant(pattern: unknown): boolean {
  return typeof pattern !== "string" || wide.test(pattern);
}
