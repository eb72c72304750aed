/** Lexical search by SQLite's FTS5, in memory: Porter stems, without accents, ranked by the words' rarity. */
import { fail } from "../../../runtime/errors/errors.ts";
import { functionWords } from "../../../runtime/ranking/ranking.ts";
import { sqliteInMemory } from "../../../runtime/sqlite/sqlite.ts";

export interface TextDocument {
  id: number;
  content: string;
  tags: string;
}

export interface TextHit {
  id: number;
  /** What its words weigh of what all of them weigh, by how seldom they are: up to 1. */
  score: number;
}

export interface TextIndex {
  /** Adds the documents, replacing those with the same ids. */
  put: (documents: readonly TextDocument[]) => void;
  /** All documents with any of the words, in no order. */
  search: (words: readonly string[]) => TextHit[];
  close: () => void;
}

/** Words of one search: each costs a list of documents, and SQLite bounds the size of an expression. */
const wordsMax = 200;

/** The words of a search, each once, without those that say nothing of a subject. Throws `invalid_field` for a text without any or with too many. */
export function wordsOf(text: string): string[] {
  const words = [...new Set(text.toLowerCase().match(/[\p{L}\p{N}\p{M}\p{Co}]+/gu) ?? [])];
  const details = { field: "text" };
  if (words.length === 0)
    throw fail("invalid_field", "text: expected at least one word or number", { details });
  if (words.length > wordsMax)
    throw fail("invalid_field", `text: ${words.length} different words, at most ${wordsMax}`, { details });
  return words.filter((word) => !functionWords.has(word));
}

/** Makes an empty index. Contentless: SQLite keeps the index only, not the texts. */
export function createTextIndex(): TextIndex {
  const database = sqliteInMemory();
  database.run(
    "CREATE VIRTUAL TABLE texts USING fts5(content, tags, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2')",
  );
  const insert = database.prepare("INSERT INTO texts(rowid, content, tags) VALUES (?, ?, ?)");
  const remove = database.prepare("DELETE FROM texts WHERE rowid = ?");
  const select = database.prepare("SELECT rowid FROM texts WHERE texts MATCH ?");
  const known = new Set<number>();
  const put = database.transaction((documents: readonly TextDocument[]) => {
    for (const { id, content, tags } of documents) {
      if (known.has(id)) remove.run(id);
      insert.run(id, content, tags);
      known.add(id);
    }
  });
  return {
    put: (documents) => put(documents),
    search: (words) => {
      const found = new Map<number, number>();
      let whole = 0;
      for (const word of words) {
        // Quoted, so that no word is an FTS5 operator.
        const having = select.values(`"${word}"`);
        const rarity = Math.log(1 + (known.size - having.length + 0.5) / (having.length + 0.5));
        whole += rarity;
        for (const [id] of having) found.set(Number(id), (found.get(Number(id)) ?? 0) + rarity);
      }
      return Array.from(found, ([id, weight]) => ({ id, score: weight / whole }));
    },
    close: () => database.close(),
  };
}
