/** What answers a statement: queryd, the catalog, or the session itself. Decided on its words. */
import { tokens } from "../../../runtime/sql/sql.ts";
import { type CopyStatement, copyOf } from "./copy-options.ts";

export type Statement =
  | { kind: "empty" }
  /** Rows of datasets, by queryd, which refuses whatever does not read. */
  | { kind: "rows"; sql: string }
  /** A question about tables, columns and types, in PostgreSQL's own SQL. */
  | { kind: "catalog"; sql: string }
  | { kind: "copy"; copy: CopyStatement }
  /** Of the session: its words in upper case, and its text. */
  | { kind: "session"; verb: string; words: readonly string[]; sql: string };

const sessionVerbs = new Set([
  ...["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"],
  ...["SET", "RESET", "SHOW", "DISCARD", "DEALLOCATE", "UNLISTEN", "DECLARE", "FETCH", "MOVE", "CLOSE"],
]);
/** What queryd shows itself. */
const shownByQueryd = new Set(["TABLES", "DATABASES"]);
const reading = new Set(["SELECT", "WITH", "VALUES", "TABLE", "(", "EXPLAIN"]);

/** Names that only PostgreSQL's catalog has, and its words for types and settings. */
const catalogWord =
  /^(PG_\w+|INFORMATION_SCHEMA|REG(CLASS|TYPE|PROC|PROCEDURE|NAMESPACE|ROLE|OPER)|CURRENT_(SCHEMA|SCHEMAS|DATABASE|CATALOG|SETTING|USER|ROLE)|SESSION_USER|SET_CONFIG|HAS_\w+_PRIVILEGE|(OBJ|COL|SHOBJ)_DESCRIPTION|FORMAT_TYPE|QUOTE_IDENT|TO_REG\w+|INET_SERVER_\w+|TXID_CURRENT)$/;
/** Words that are also names of columns: functions of the catalog only with a bracket behind them. */
const catalogFunction = /^(VERSION)$/;
const quotedCatalog = /^"(pg_\w+|information_schema)"$/;

export function classify(sql: string): Statement {
  const all = [...tokens(sql)];
  const words = all.map(({ text, start, end }) => text || sql.slice(start, end));
  const [verb = ""] = words;
  if (words.every((word) => word === ";")) return { kind: "empty" };
  if (verb === "COPY") return { kind: "copy", copy: copyOf(sql) };
  if (sessionVerbs.has(verb)) {
    const isOwn = verb === "SHOW" && (shownByQueryd.has(words[1] ?? "") || words[2] === "TABLES");
    return isOwn ? { kind: "rows", sql } : { kind: "session", verb, words, sql };
  }
  const isCatalog =
    reading.has(verb) &&
    words.some(
      (word, at) =>
        catalogWord.test(word) ||
        quotedCatalog.test(word) ||
        (catalogFunction.test(word) && words[at + 1] === "("),
    );
  return { kind: isCatalog ? "catalog" : "rows", sql };
}
