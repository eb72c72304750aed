/** What searches ask of a corpus's database. */

import type { Condition } from "../../../runtime/filter/filter.ts";
import { matches } from "../../../runtime/filter/filter.ts";
import type { Database } from "../../../runtime/sqlite/sqlite.ts";
import { damaged, digestOf, readState } from "./database.ts";

export interface CorpusRow {
  number: number;
  /** Of the dataset. */
  id: string;
  metadata: Record<string, unknown>;
  text?: string;
}

export interface LexicalQuestion {
  generation: number;
  text: string;
  k: number;
  condition?: Condition | undefined;
  among?: readonly number[] | undefined;
}

/** Most words of a query that are looked for; the first ones. */
const wordsMax = 128;

/** A row that is live in a generation; bound twice. */
const isLive = "r.born <= ? AND (r.died IS NULL OR r.died > ?)";

/**
 * The query as FTS5 takes it: each word quoted, any of them. Words are runs of letters and digits, as the tokenizer
 * sees them, so that `OSHA-10` finds rows with either part and best those with both. Undefined when there is none.
 */
export function matchExpression(text: string): string | undefined {
  const words = quotedWords(text);
  return words.length === 0 ? undefined : words.join(" OR ");
}

const quotedWords = (text: string): string[] =>
  [...new Set(text.toLowerCase().match(/[\p{L}\p{N}\p{M}\p{Co}]+/gu))]
    .slice(0, wordsMax)
    .map((word) => `"${word}"`);

/** `k1 + 1` of FTS5's BM25: what a word counts at most, beside its inverse document frequency. */
const countMost = 2.2;

/** The BM25 that no row can exceed: all words of the query, each as often as could be, by the frequencies that FTS5 takes. */
function mostPossible(database: Database, text: string): number {
  const { rows } = readState(database);
  const count = database.query("SELECT count(*) AS n FROM words WHERE words MATCH ?");
  return quotedWords(text).reduce((sum, word) => {
    const { n } = count.get(word) as { n: number };
    const idf = Math.log((Math.max(rows, n) - n + 0.5) / (n + 0.5));
    return sum + countMost * Math.max(idf, idfMin);
  }, 0);
}
/** FTS5's own, for words that half of the rows have. */
const idfMin = 1e-6;

interface Ranked {
  number: number;
  rank: number;
}

/** More than asked for, where nothing but dead rows can be in the way: SQLite keeps the best so many instead of sorting all. */
const slack = 64;

export interface LexicalRow {
  number: number;
  /** BM25. */
  score: number;
  /** The score over the most that any row could have for these words: 0 to 1. */
  share: number;
}

/** Best first by BM25, at most k. FTS5 gives smaller numbers to better rows; here larger is better. */
export function lexicalRows(database: Database, question: LexicalQuestion): LexicalRow[] {
  const rows = bestRows(database, question);
  if (rows.length === 0) return [];
  const most = mostPossible(database, question.text);
  return rows.map((row) => ({ ...row, share: Math.min(1, Math.max(0, row.score) / most) }));
}

function bestRows(database: Database, question: LexicalQuestion): Omit<LexicalRow, "share">[] {
  const { text, k, condition, among } = question;
  const expression = matchExpression(text);
  if (expression === undefined || k <= 0) return [];
  const ranked = (limit: number) =>
    database
      .query("SELECT rowid AS number, rank FROM words WHERE words MATCH ? ORDER BY rank, rowid LIMIT ?")
      .iterate(expression, limit) as IterableIterator<Ranked>;
  if (!condition && !among) {
    const hits = bestOf(database, ranked(k + slack), question);
    if (hits.rows.length === k || hits.seen < k + slack) return hits.rows;
  }
  return bestOf(database, ranked(-1), question).rows;
}

/** The first k that are live, allowed and match; and how many were looked at. */
function bestOf(
  database: Database,
  ranked: Iterable<Ranked>,
  { generation, k, condition, among }: LexicalQuestion,
): { rows: { number: number; score: number }[]; seen: number } {
  const live = database.query(`SELECT 1 FROM rows r WHERE r.number = ? AND ${isLive}`);
  const metadata = database.query("SELECT metadata FROM content WHERE number = ?");
  const allowed = among && new Set(among);
  const rows: { number: number; score: number }[] = [];
  let seen = 0;
  for (const { number, rank } of ranked) {
    seen += 1;
    if (allowed && !allowed.has(number)) continue;
    if (live.get(number, generation, generation) === null) continue;
    if (condition) {
      const found = metadata.get(number) as { metadata: string } | null;
      if (!found || !matches(condition, JSON.parse(found.metadata))) continue;
    }
    rows.push({ number, score: -rank });
    if (rows.length === k || rows.length === allowed?.size) break;
  }
  return { rows, seen };
}

/** How much of a row's text is read: all, nothing, or so many characters. */
export type TextPart = boolean | number;

/** The live rows of these numbers in their order. Throws `corrupt` for a row whose bytes are not what was written. */
export function readRows(
  database: Database,
  { generation, numbers, text }: { generation: number; numbers: readonly number[]; text: TextPart },
): CorpusRow[] {
  const query = database.query(
    `SELECT r.id, r.digest, c.text, c.metadata FROM rows r LEFT JOIN content c ON c.number = r.number
     WHERE r.number = ? AND ${isLive}`,
  );
  return numbers.flatMap((number) => {
    const row = query.get(number, generation, generation) as StoredRow | null;
    if (!row) return [];
    const { id, digest, metadata } = row;
    if (row.text === null || metadata === null || !equal(digest, digestOf(id, row.text, metadata)))
      throw damaged(`row ${number} is not what was written`);
    return [
      {
        number,
        id,
        metadata: JSON.parse(metadata),
        ...(text !== false && { text: text === true ? row.text : row.text.slice(0, text) }),
      },
    ];
  });
}

interface StoredRow {
  id: string;
  digest: Uint8Array;
  text: string | null;
  metadata: string | null;
}

const equal = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;

/** How many live rows have text. */
export function countTexts(database: Database, { generation }: { generation: number }): number {
  const counted = database.query(`SELECT count(*) AS n FROM rows r WHERE r.has_text = 1 AND ${isLive}`);
  return (counted.get(generation, generation) as { n: number }).n;
}

/** The numbers of live rows by their ids. */
export function numbersOfIds(
  database: Database,
  { generation, ids }: { generation: number; ids: readonly string[] },
): (number | undefined)[] {
  const query = database.query(`SELECT r.number FROM rows r WHERE r.id = ? AND ${isLive}`);
  return ids.map((id) => (query.get(id, generation, generation) as { number: number } | null)?.number);
}
