/** `COPY (SELECT …) TO STDOUT` and `COPY dataset TO STDOUT`: what is copied, and how it is written. */
import { fold, tokens } from "../../../runtime/sql/sql.ts";
import { sqlFailure } from "../protocol/protocol.ts";

/** As queryd takes it. */
export interface CopyOptions {
  format: "text" | "csv" | "binary";
  delimiter: string;
  null: string;
  header: boolean;
  quote: string;
  escape: string;
}

export interface CopyStatement {
  /** The query whose rows are copied. */
  sql: string;
  /** Where it begins in the client's text. */
  start: number;
  options: CopyOptions;
}

interface Word {
  /** In upper case. */
  text: string;
  /** The value of a text in quotes. */
  quoted: string | undefined;
  start: number;
  end: number;
}

const quotedText = /^e?'(.*)'$/is;

function wordsOf(sql: string): Word[] {
  return [...tokens(sql)].map(({ text, start, end }) => {
    const written = sql.slice(start, end);
    const [, inside] = quotedText.exec(written) ?? [];
    const quoted = inside?.replaceAll("''", "'").replace(/^\\t$/, /^e/i.test(written) ? "\t" : "\\t");
    // Names of options and formats may stand in quotes, as names do.
    return { text: text || written.replace(/^"(\w+)"$/, "$1").toUpperCase(), quoted, start, end };
  });
}

/** Reads the statement. Throws `0A000` for what goes elsewhere than to the client, `42601` for what is no COPY. */
export function copyOf(sql: string): CopyStatement {
  const words = wordsOf(sql);
  const close = words[1]?.text === "(" ? closingOf(words, 1) : undefined;
  const end = words.findIndex(({ text }, at) => at > (close ?? 1) && (text === "TO" || text === "FROM"));
  if (end < 0) throw sqlFailure("42601", "expected COPY (SELECT …) TO STDOUT, or COPY dataset TO STDOUT");
  if (words[end]?.text !== "TO" || words[end + 1]?.text !== "STDOUT")
    throw sqlFailure("0A000", "COPY goes TO STDOUT alone: nothing is written here, and no file is read");
  const options = optionsOf(words.slice(end + 2));
  const [first, last] = [
    words[close === undefined ? 1 : 2],
    words[close === undefined ? end - 1 : close - 1],
  ];
  const inside = sql.slice(first?.start, last?.end);
  if (close !== undefined) return { sql: inside, start: first?.start ?? 0, options };
  return { sql: tableQuery(inside), start: (first?.start ?? 0) - "SELECT * FROM ".length, options };
}

function closingOf(words: readonly Word[], open: number): number {
  let depth = 0;
  for (let at = open; at < words.length; at++) {
    if (words[at]?.text === "(") depth += 1;
    if (words[at]?.text === ")") depth -= 1;
    if (depth === 0) return at;
  }
  throw sqlFailure("42601", "COPY: the query has no closing bracket");
}

/** `jobs` or `jobs (id, title)` */
function tableQuery(text: string): string {
  const [, name = "", columns] = /^([^(]+?)\s*(?:\((.*)\))?$/s.exec(text) ?? [];
  return columns === undefined ? `SELECT * FROM ${name}` : `SELECT ${columns} FROM ${name}`;
}

const formats = new Set(["TEXT", "CSV", "BINARY"]);

/** `(FORMAT csv, HEADER true)` or, as before PostgreSQL 9, `CSV HEADER DELIMITER ','`. */
function optionsOf(words: readonly Word[]): CopyOptions {
  const given: {
    format?: string;
    header?: boolean;
    delimiter?: string;
    null?: string;
    quote?: string;
    escape?: string;
  } = {};
  const list = words.filter(({ text }) => !["(", ")", ",", "WITH", "AS"].includes(text));
  for (let at = 0; at < list.length; at++) {
    const { text: name } = list[at] as Word;
    const next = list[at + 1];
    if (formats.has(name)) given.format = name;
    else if (name === "FORMAT" && formats.has(unquoted(next))) {
      given.format = unquoted(next);
      at += 1;
    } else if (name === "HEADER") {
      const isWord = /^(TRUE|ON|1|FALSE|OFF|0)$/.test(unquoted(next));
      given.header = !isWord || /^(TRUE|ON|1)$/.test(unquoted(next));
      if (isWord) at += 1;
    } else if (next?.quoted !== undefined && /^(DELIMITER|NULL|QUOTE|ESCAPE|ENCODING)$/.test(name)) {
      if (name === "ENCODING") checkEncoding(next.quoted);
      else given[fold(name) as "delimiter"] = next.quoted;
      at += 1;
    } else
      throw sqlFailure(
        "0A000",
        `COPY: ${name} is no option here; expected FORMAT, DELIMITER, NULL, HEADER, QUOTE, ESCAPE or ENCODING`,
      );
  }
  return checked(given);
}

const unquoted = (word: Word | undefined): string => (word?.quoted ?? word?.text ?? "").toUpperCase();

function checkEncoding(name: string): void {
  if (!/^utf-?8$/i.test(name)) throw sqlFailure("0A000", `COPY: ENCODING is UTF8, got ${name}`);
}

const isOneByte = (text: string): boolean =>
  text.length === 1 && text > "\0" && text <= "\x7f" && text !== "\n" && text !== "\r";

function checked(given: Partial<Record<keyof CopyOptions, unknown>>): CopyOptions {
  const isCsv = given.format === "CSV";
  const quote = (given.quote as string | undefined) ?? '"';
  const options: CopyOptions = {
    format: isCsv ? "csv" : given.format === "BINARY" ? "binary" : "text",
    delimiter: (given.delimiter as string | undefined) ?? (isCsv ? "," : "\t"),
    null: (given.null as string | undefined) ?? (isCsv ? "" : "\\N"),
    header: given.header === true,
    quote,
    escape: (given.escape as string | undefined) ?? quote,
  };
  for (const name of ["delimiter", "quote", "escape"] as const)
    if (!isOneByte(options[name]))
      throw sqlFailure("22023", `COPY: ${name} is one character of one byte and no line end`);
  if (options.null.length > 100) throw sqlFailure("22023", "COPY: NULL has at most 100 characters");
  return options;
}
