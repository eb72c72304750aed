/**
 * JSON functions in which DuckDB (1.5.6) recurses for each level: text that nests tens of thousands deep overflows the
 * stack, which ends the process. Macros of the same names look at the text first.
 */
import { typeNestingMax } from "../../../runtime/sql/sql.ts";

/** Levels that JSON may nest there; 10,000 and more crash the process. */
const levelsMax = 128;
/** Levels that one pass of the pattern takes away. */
const levelsAPass = 32;
/** Text up to this many bytes cannot nest deep enough, and is not looked at. */
const bytesFree = 1000;

const functions: Readonly<Record<string, readonly number[]>> = {
  json_structure: [1],
  json_group_structure: [1],
  json_contains: [2],
  json_pretty: [1],
  json_merge_patch: [2, 3, 4],
};

/** The functions under guard: called with a schema they would reach past the macros. */
export const guardedJson: ReadonlySet<string> = new Set(Object.keys(functions));

/** Brackets that match, up to so many levels of them. */
const matching = (levels: number): string => (levels === 0 ? "" : `(?:[\\[{]${matching(levels - 1)}[\\]}])*`);

/** Gives its argument back, or an error when the brackets outside of texts nest too deep. */
function shallow(): string {
  const withoutTexts = `regexp_replace(j::VARCHAR, '"(?:[^"\\\\]|\\\\.)*"', '', 'gs')`;
  let rest = `regexp_replace(${withoutTexts}, '[^\\[\\]{}]+', '', 'g')`;
  for (let levels = 0; levels < levelsMax; levels += levelsAPass)
    rest = `regexp_replace(${rest}, '${matching(levelsAPass)}', '', 'g')`;
  const message = `JSON nests deeper than ${levelsMax} levels, or its brackets do not match`;
  return `CREATE MACRO main.json_shallow(j) AS CASE WHEN strlen(j::VARCHAR) <= ${bytesFree} THEN j WHEN ${rest} <> '' THEN error('${message}') ELSE j END`;
}

function guard(name: string, counts: readonly number[]): string {
  const forms = counts.map((count) => {
    const names = Array.from({ length: count }, (_, at) => `j${at}`);
    const values = names.map((each) => `json_shallow(${each})`);
    return `(${names.join(", ")}) AS system.main.${name}(${values.join(", ")})`;
  });
  return `CREATE MACRO main.${name}${forms.join(", ")}`;
}

/** Made once, before the first query. */
export const jsonGuardStatements: readonly string[] = [
  shallow(),
  ...Object.entries(functions).map(([name, counts]) => guard(name, counts)),
];

/** Functions that make a type of the structure in their second argument, which must be a constant. */
export const structuring: ReadonlySet<string> = new Set([
  "from_json",
  "from_json_strict",
  "json_transform",
  "json_transform_strict",
]);

/** Whether a structure nests deeper than types do, or is not a constant. */
export function nestsTooDeep(structure: unknown): boolean {
  if (typeof structure !== "string") return true;
  let levels = 0;
  let isText = false;
  // What is escaped ends no text. One pass, also where a text never ends: a pattern for whole texts would start again at each quote.
  for (const mark of structure.match(/\\.|["[\]{}]/gs) ?? []) {
    if (mark === '"') isText = !isText;
    else if (!isText && mark.length === 1) levels += mark === "[" || mark === "{" ? 1 : -1;
    if (levels > typeNestingMax) return true;
  }
  return false;
}
