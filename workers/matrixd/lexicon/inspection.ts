/** A build's database read again as it is now: its pages, its state, each row, and the index of words. */

import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Database } from "../../../runtime/sqlite/sqlite.ts";
import { digestOf, openDatabase, readState, tokenizer, translated } from "./database.ts";

export interface InspectionStep {
  /** What is wrong, in words. */
  problems: string[];
  done: number;
  total: number;
  isOver: boolean;
}

/** Rows read, and their words compared, at once. */
const slice = 2000;
const wordsSlice = 20_000;
/** Problems of one kind that are reported; a ruined file need not fill the answer. */
const problemsMax = 20;

type Step = Omit<InspectionStep, "isOver">;

/**
 * In a connection of its own, which sees one moment all the time. Closed when the generator ends. `acknowledged` is the
 * generation that it has, or a later one.
 */
export function* inspectDatabase(file: string, acknowledged: number): Generator<Step> {
  let database: Database | undefined;
  try {
    database = openDatabase(file);
    database.run("PRAGMA temp_store = MEMORY");
    database.run("BEGIN");
    yield* inspect(database, acknowledged);
  } catch (cause) {
    const told = translated(cause);
    // A disk without room for SQLite's own files, or a want of descriptors, says nothing of what is stored.
    if (told instanceof ServiceError && told.type !== "corrupt") throw told;
    yield { problems: [reasonOf(told)], done: 0, total: 1 };
  } finally {
    database?.close();
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof ServiceError) return cause.message;
  return cause instanceof Error ? `SQLite says: ${cause.message}` : String(cause);
}

function* inspect(database: Database, acknowledged: number): Generator<Step> {
  const { rows, generation } = readState(database);
  const total = 2 * Math.max(1, rows);
  const pages = database.query(`PRAGMA quick_check(${problemsMax})`).all() as { quick_check: string }[];
  const broken = pages.map(({ quick_check }) => quick_check).filter((found) => found !== "ok");
  if (generation < acknowledged)
    broken.push(`it is an older copy: generation ${generation}, and ${acknowledged} was acknowledged`);
  yield { problems: broken, done: 0, total };
  const expected = createExpectedWords(database);
  let live = 0;
  let damaged = 0;
  let read = 0;
  for (let after = 0; ; ) {
    const found = rowsAfter(database, after);
    const last = found.at(-1);
    if (!last) break;
    after = last.number;
    read += found.length;
    const problems: string[] = [];
    for (const row of found) {
      if (row.born <= generation && (row.died === null || row.died > generation)) live += 1;
      if (!isWhole(row) && ++damaged <= problemsMax)
        problems.push(`row ${row.number} (id '${row.id}') is not what was written`);
    }
    expected.add(found);
    yield { problems, done: Math.min(read, rows), total };
  }
  if (live !== rows) yield { problems: [`it has ${live} rows, and had ${rows}`], done: rows, total };
  yield* inspectWords(database, expected.sum(), { rows, total });
}

interface Row {
  number: number;
  id: string;
  digest: Uint8Array;
  born: number;
  died: number | null;
  has_text: number;
  text: string | null;
  metadata: string | null;
}

const rowsAfter = (database: Database, after: number): Row[] =>
  database
    .query(
      `SELECT r.*, c.text, c.metadata FROM rows r LEFT JOIN content c ON c.number = r.number
       WHERE r.number > ? ORDER BY r.number LIMIT ${slice}`,
    )
    .all(after) as Row[];

const isWhole = ({ id, digest, text, metadata }: Row): boolean =>
  text !== null && metadata !== null && Buffer.compare(digest, digestOf(id, text, metadata)) === 0;

/** Words with their places, however ordered: how many, and a sum over all. */
interface WordSum {
  words: number;
  sum: number;
}

/** The words of rows, found as the index finds them. */
function createExpectedWords(database: Database) {
  database.run(`CREATE VIRTUAL TABLE temp.expected USING fts5 (text, content='', tokenize='${tokenizer}')`);
  database.run("CREATE VIRTUAL TABLE temp.expected_words USING fts5vocab ('temp', 'expected', 'instance')");
  const insert = database.query("INSERT INTO temp.expected (rowid, text) VALUES (?, ?)");
  const total: WordSum = { words: 0, sum: 0 };
  return {
    add: (rows: readonly Row[]) => {
      for (const { number, text } of rows) if (text) insert.run(number, text);
      for (const word of wordsOf(database, "temp.expected_words")) addTo(total, word);
      database.run("INSERT INTO temp.expected (expected) VALUES ('delete-all')");
    },
    sum: () => total,
  };
}

/** SQLite has no checksums of pages: what the index says is held against what the texts say. */
function* inspectWords(
  database: Database,
  expected: WordSum,
  { rows, total }: { rows: number; total: number },
): Generator<Step> {
  database.run("CREATE VIRTUAL TABLE temp.indexed_words USING fts5vocab ('main', 'words', 'instance')");
  const found: WordSum = { words: 0, sum: 0 };
  for (const word of wordsOf(database, "temp.indexed_words")) {
    addTo(found, word);
    const share = Math.min(1, found.words / Math.max(1, expected.words));
    if (found.words % wordsSlice === 0) yield { problems: [], done: rows + Math.floor(rows * share), total };
  }
  const isSame = found.words === expected.words && found.sum === expected.sum;
  const problem = `its index of words has ${found.words} places, and the texts have ${expected.words}${found.words === expected.words ? ": they differ" : ""}`;
  yield { problems: isSame ? [] : [problem], done: total, total };
}

interface Word {
  term: string;
  doc: number;
  offset: number;
}

const wordsOf = (database: Database, table: string) =>
  database.query(`SELECT term, doc, "offset" FROM ${table}`).iterate() as IterableIterator<Word>;

function addTo(total: WordSum, { term, doc, offset }: Word): void {
  total.words += 1;
  total.sum = (total.sum + Bun.hash.crc32(`${term} ${doc} ${offset}`)) >>> 0;
}
