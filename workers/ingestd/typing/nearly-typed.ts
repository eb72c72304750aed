/**
 * What stands in the way: columns of text of which most values are numbers, dates or booleans. They stay text, since
 * a few of their texts would not read back; the answer says how many, shows one, and how to have the type.
 */
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { EngineRow, Session } from "../engine/engine.ts";
import {
  exactly,
  holds,
  inShortestForm,
  isNullWord,
  type Notation,
  textFor,
  zoned,
} from "../inference/inference.ts";
import type { Column } from "../tables/tables.ts";

/** All rows of text, each with its place. */
export interface Texts {
  relation: string;
  /** SQL for the place of a row. */
  place: string;
  /** In words: the line, or the row where finding the line would take too long. */
  wordsFor: (place: number) => Promise<string>;
  /** SQL for the column's text in the relation. */
  cellOf: (column: Column) => string;
}

const byValue: Notation = { mode: "values" };
const byComma: Notation = { mode: "values", decimalComma: true };
/** As people write them, where the order of day and month is theirs to say. */
const dateFormats = ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%m-%d-%Y"];
/** Longer texts are no numbers and no dates. */
const charactersMax = 48;
/** Numbers but for those with leading zeros, which are identifiers. */
const number = "[+-]?((0|[1-9][0-9]*)[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?";
const identifierPattern = "0[0-9]+|[0-9]{19,}";
/** How numbers, dates and booleans begin. */
const begins = "^[ \\t]*[-+.0-9tTfF]";

interface Kind {
  name: string;
  /** SQL, true for a text that is a value of the kind. */
  holds: (cell: string) => string;
  /** The format that such dates are in. */
  format?: string;
  /** How such numbers are written. */
  number?: Notation;
}

const ofKind = (type: string, notation: Notation) => (cell: string) =>
  `strlen(${cell}) <= ${charactersMax} AND NOT ${isNullWord(cell)} AND ${holds(cell, type, notation)}`;

const numbers = (name: string, notation: Notation): Kind => ({
  name,
  holds: (cell) =>
    `strlen(${cell}) <= ${charactersMax} AND coalesce(regexp_full_match(${textFor(cell, "DOUBLE", notation)}, ${quoteText(number)}), false)`,
  number: notation,
});

/** The first of those that most values are of. */
export const kinds: readonly Kind[] = [
  numbers("number", byValue),
  numbers("number with a comma", byComma),
  ...["BOOLEAN", "DATE", "TIMESTAMP", zoned].map((name) => ({ name, holds: ofKind(name, byValue) })),
  ...dateFormats.map((format) => ({
    name: format,
    holds: ofKind("DATE", { ...exactly, dateFormat: format }),
    format,
  })),
];

/** Of the values that are not NULL and no word for it, at least this share must be of one kind. */
const nearShare = 0.5;
/** One value tells nothing of a column. */
const nearMin = 2;
/** Columns that are counted through all rows; the others are only numbered. */
const columnsMax = 50;

const spaces = "[ \\t\\x{A0}]*";
/** What every value of a kind looks like, and not much else: one look a value, where the kinds cost a dozen. */
export const anyKind = `${spaces}(${[
  "[-+]?[0-9.]+([eE][-+]?[0-9]+)?",
  "[-+]?[0-9]{1,3}([, '][0-9]{3})+([.][0-9]+)?",
  "(?i:true|false)",
  "[0-9]{4}-[0-9]{2}-[0-9]{2}.*",
  "[0-9]+([-/.][0-9]+){2}",
  "[+-]?[0-9.]*,[0-9]+",
].join("|")})${spaces}`;

const enough = (values: number, filled: number): boolean => values >= nearMin && values >= filled * nearShare;
const unpivoted = (sample: string, columns: readonly Column[]): string =>
  `${sample} UNPIVOT (value FOR name IN (${columns.map(({ cell }) => cell).join(", ")}))`;
const filled = `count(*) FILTER (NOT ${isNullWord("value")}) AS filled`;

const matching = (pattern: string, name: string): string =>
  `count(*) FILTER (strlen(value) <= ${charactersMax} AND regexp_full_match(value, ${quoteText(pattern)})) AS ${name}`;

/**
 * The columns of which so many values look like one of a kind that they may be nearly of it. Digits alone are numbers
 * and nothing else, and where some are identifiers, none are.
 */
async function worthALook(session: Session, columns: readonly Column[], sample: string): Promise<Column[]> {
  const rows = await session.run(
    `SELECT name, ${filled}, ${matching(anyKind, "alike")}, ${matching("[0-9]+", "digits")},
      ${matching(identifierPattern, "identifiers")} FROM ${unpivoted(sample, columns)} GROUP BY name`,
  );
  const mayBe = ({ alike, digits, identifiers }: EngineRow): number =>
    Number(alike) - (Number(identifiers) > 0 ? Number(digits) : 0);
  const worth = new Set(rows.filter((row) => enough(mayBe(row), Number(row.filled))).map((row) => row.name));
  return columns.filter(({ cell }) => worth.has(cell));
}

/** The kind that most values of each column are of, by the first rows. */
async function nearlyTyped(session: Session, all: readonly Column[], sample: string) {
  const columns = await worthALook(session, all, sample);
  if (columns.length === 0) return [];
  // Most texts are words, by their first character: they are not worth a cast.
  const isOne = (kind: Kind) =>
    `CASE WHEN regexp_matches(value, ${quoteText(begins)}) THEN ${kind.holds("value")} ELSE false END`;
  const counts = kinds.map((kind) => `count(*) FILTER (${isOne(kind)}) AS ${quoteName(kind.name)}`);
  const rows = await session.run(
    `SELECT name, ${filled},
      count(*) FILTER (regexp_full_match(value, ${quoteText(identifierPattern)})) AS identifiers, ${counts.join(", ")}
    FROM ${unpivoted(sample, columns)} GROUP BY name`,
  );
  const byCell = new Map(rows.map((row) => [String(row.name), row]));
  return columns.flatMap((column) => {
    const row = byCell.get(column.cell) ?? {};
    const countOf = ({ name }: Kind) => Number(row[name] ?? 0);
    const kind = kinds.reduce((best, each) => (countOf(each) > countOf(best) ? each : best));
    // 01/02 may be in January as well as in February.
    const formats = kinds.filter((each) => each.format !== undefined && countOf(each) === countOf(kind));
    if (kind.number && Number(row.identifiers) > 0) return [];
    return enough(countOf(kind), Number(row.filled))
      ? [{ column, kind, formats: formats.flatMap(({ format = "" }) => format) }]
      : [];
  });
}

/** Warnings for the columns of text that are nearly of a type: found by the first rows, counted over all. */
export async function nearlyTypedWarnings(
  session: Session,
  { columns, sample }: { columns: readonly Column[]; sample: string },
  texts: Texts,
): Promise<string[]> {
  if (columns.length === 0) return [];
  const near = await nearlyTyped(session, columns, sample);
  const warnings: string[] = [];
  for (const { column, kind, formats } of await withoutIdentifiers(
    session,
    near.slice(0, columnsMax),
    texts,
  )) {
    const found = await lookAt(session, texts, texts.cellOf(column), kind);
    if (found !== undefined) warnings.push(await inWords(column, formats, found, texts));
  }
  const more = near.length - columnsMax;
  return more > 0 ? [...warnings, `${more} more columns of text are nearly of a type`] : warnings;
}

/** Those whose numbers are no identifiers, such as 007, which are rightly text: all columns in one look through the rows. */
async function withoutIdentifiers<Near extends { column: Column; kind: Kind }>(
  session: Session,
  near: readonly Near[],
  { relation, cellOf }: Texts,
): Promise<Near[]> {
  const checks = near.flatMap(({ column, kind }, index) =>
    kind.number
      ? [`bool_or(regexp_full_match(${cellOf(column)}, ${quoteText(identifierPattern)})) AS i${index}`]
      : [],
  );
  const [row] = checks.length > 0 ? await session.run(`SELECT ${checks.join(", ")} FROM ${relation}`) : [];
  return near.filter((_, index) => row?.[`i${index}`] !== true);
}

/** What a column of text is, over all rows. */
interface Found {
  type: string;
  filled: number;
  /** Values that do not read back in the type, words for NULL among them. */
  inTheWay: number;
  /** Values of the kind, in whatever notation. */
  ofKind: number;
  words: number;
  spelled: string[];
  /** Numbers with a comma before their fraction. */
  withComma: boolean;
  example: { place: number; text: string };
}

async function lookAt(
  session: Session,
  { relation, place }: Texts,
  cell: string,
  kind: Kind,
): Promise<Found | undefined> {
  const type = await typeOf(session, relation, cell, kind);
  if (type === undefined) return undefined;
  const forms = type.startsWith("DECIMAL") || type === "DOUBLE" ? [type, inShortestForm(type)] : [type];
  const misfits = forms.map((form) => `NOT (${holds(cell, form)})`);
  const withComma = kind.number === byComma;
  const [row] = await session.run(
    `SELECT count(${cell}) AS filled, count(*) FILTER (${kind.holds(cell)}) AS of_kind,
      count(*) FILTER (${isNullWord(cell)}) AS words,
      ${misfits.map((misfit, index) => `count(*) FILTER (${misfit}) AS misfits${index}`).join(", ")}
    FROM ${relation}`,
  );
  const counts = misfits.map((_, index) => Number(row?.[`misfits${index}`]));
  const inTheWay = Math.min(...counts);
  const form = forms[counts.indexOf(inTheWay)] ?? type;
  const rows = `(SELECT ${place} AS place, ${cell} AS text FROM ${relation})`;
  const [first] = await session.run(
    `SELECT place, text FROM ${rows} WHERE NOT (${holds("text", form)}) ORDER BY place LIMIT 1`,
  );
  const spelled = await session.run(
    `SELECT text FROM ${rows} WHERE ${isNullWord("text")} GROUP BY text ORDER BY min(place) LIMIT ${wordsMax + 1}`,
  );
  return {
    type,
    filled: Number(row?.filled),
    inTheWay,
    ofKind: Number(row?.of_kind),
    words: Number(row?.words),
    spelled: spelled.map(({ text }) => String(text)),
    withComma,
    example: { place: Number(first?.place), text: String(first?.text) },
  };
}

/** The type that the values of the kind have by value: of numbers by their longest digits. */
async function typeOf(
  session: Session,
  relation: string,
  cell: string,
  kind: Kind,
): Promise<string | undefined> {
  if (kind.format !== undefined) return "DATE";
  if (kind.number === undefined) return kind.name;
  const text = textFor("value", "DOUBLE", kind.number);
  const found = (pattern: string) => `max(length(regexp_extract(text, ${quoteText(pattern)}, 1)))`;
  const [row] = await session.run(
    `SELECT ${found("^[+-]?([0-9]*)")} AS whole, ${found("[.]([0-9]*)")} AS scale, ${found("([eE])")} AS exponent
    FROM (SELECT ${text} AS text FROM (SELECT ${cell} AS value FROM ${relation}) WHERE ${kind.holds("value")})`,
  );
  const [whole, scale, exponent] = [row?.whole, row?.scale, row?.exponent].map(Number) as [
    number,
    number,
    number,
  ];
  // Whole numbers that fit no BIGINT are identifiers.
  if (scale === 0 && exponent === 0) return whole > 18 ? undefined : "BIGINT";
  const width = [18, 38].find((most) => whole + scale <= most);
  return exponent > 0 || width === undefined ? "DOUBLE" : `DECIMAL(${width},${scale})`;
}

/** Words for NULL that are listed, and characters of an example that are shown. */
const wordsMax = 10;
const shownCharacters = 40;

async function inWords(
  column: Column,
  formats: readonly string[],
  found: Found,
  { wordsFor }: Texts,
): Promise<string> {
  const { name } = column;
  const { type, filled, inTheWay, example } = found;
  if (inTheWay === 0) return `column '${name}' is text, and its ${filled} values are all ${type}`;
  const text =
    example.text.length > shownCharacters ? `${example.text.slice(0, shownCharacters)}…` : example.text;
  const where = await wordsFor(example.place);
  return `column '${name}' is text: ${inTheWay} of ${filled} values stand in the way of ${type}, such as '${text}' ${where}; ${mendOf(column, formats, found)}`;
}

function mendOf({ name, notation }: Column, formats: readonly string[], found: Found): string {
  const { type, filled, inTheWay, ofKind: count, words, spelled, withComma } = found;
  const forced = /[,:"{]/.test(name) ? `types=${JSON.stringify({ [name]: type })}` : `types=${name}:${type}`;
  const comma = withComma && !notation?.decimalComma;
  const format = comma ? "decimal=," : formats.map((each) => `date_format=${each}`).join(" or ");
  const others = filled - count - words;
  if (words === inTheWay && spelled.length <= wordsMax && spelled.every((word) => word.trim() !== ""))
    return `${spelled.map((word) => `null=${word}`).join("&")} would mend it`;
  const isByValue = notation?.mode === "values";
  if (others === 0 && comma) return `${isByValue ? format : `${format}&infer=values`} would mend it`;
  if (others === 0 && (format === "" ? !isByValue : words === 0))
    return `${format || "infer=values"} would mend it`;
  const parameters = [forced, ...(format === "" ? [] : [format]), "on_error=reject"].join("&");
  return `${parameters} would set those rows aside that hold none`;
}
