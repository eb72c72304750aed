/**
 * The working set of one distillation: a database on disk that is thrown away, so that memory does not grow with the
 * log. Joins, duplicates and the order of lines are SQLite's work.
 */
import { type Database, openSqlite } from "../../../runtime/sqlite/sqlite.ts";
import type { Operation } from "../contract.ts";
import type { Judged } from "../reviews/reviews.ts";
import type { Answer, Message, Playbook, Provenance, RunReview } from "./answer.ts";

/** A stored answer with its hash, which breaks ties in the order. */
export type KeptAnswer = Omit<Answer, "prompt"> & { key: string; prompt: Message[] };

const schema = `
  PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16384;
  CREATE TABLE operations (run TEXT, at INTEGER, duration REAL, seq INTEGER PRIMARY KEY, json TEXT);
  CREATE TABLE reviews (key TEXT PRIMARY KEY, seq INTEGER, human INTEGER, json TEXT);
  CREATE TABLE verdicts (run TEXT PRIMARY KEY, human INTEGER, json TEXT);
  CREATE TABLE playbooks (seq INTEGER PRIMARY KEY, json TEXT);
  CREATE TABLE traces (uid TEXT PRIMARY KEY, alive INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE answers (key TEXT PRIMARY KEY, asked TEXT, at TEXT, verdict TEXT, confidence REAL, json TEXT);
  CREATE INDEX by_prompt ON answers (verdict, asked);
  -- Kept while rows come, so that no question has to sort them all at once and hold the thread meanwhile.
  CREATE INDEX by_run ON operations (run, at, duration DESC, seq);
  CREATE INDEX by_time ON answers (verdict, at, key);
`;

const hash = (...texts: string[]): string => {
  const hasher = new Bun.CryptoHasher("sha256");
  // Length-prefixed, so that no two lists of texts hash the same bytes.
  for (const text of texts) hasher.update(`${text.length}:${text}`);
  return hasher.digest("hex");
};

const parsed = <T>(row: unknown): T => JSON.parse((row as { json: string }).json) as T;

export type DistillStore = ReturnType<typeof openDistillStore>;

function emptyDatabase(path: string): Database {
  const db = openSqlite(path, { create: true });
  try {
    db.run(schema);
    return db;
  } catch (cause) {
    db.close();
    throw cause;
  }
}

const statementsOf = (db: Database) => ({
  operation: db.query("INSERT INTO operations (run, at, duration, json) VALUES (?, ?, ?, ?)"),
  // What a person says gives way to a person alone.
  review: db.query(
    `INSERT INTO reviews (key, seq, human, json) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
     SET seq = excluded.seq, human = excluded.human, json = excluded.json WHERE excluded.human >= human`,
  ),
  verdict: db.query(
    `INSERT INTO verdicts (run, human, json) VALUES (?, ?, ?) ON CONFLICT (run) DO UPDATE
     SET human = excluded.human, json = excluded.json WHERE excluded.human >= human`,
  ),
  playbook: db.query("INSERT INTO playbooks (json) VALUES (?)"),
  trace: db.query("INSERT OR IGNORE INTO traces (uid) VALUES (?)"),
  alive: db.query("UPDATE traces SET alive = 1 WHERE uid = ?"),
  answer: db.query(
    "INSERT OR REPLACE INTO answers (key, asked, at, verdict, confidence, json) VALUES (?, ?, ?, ?, ?, ?)",
  ),
});

/** Makes the database at `path`, where no file may be. */
export function openDistillStore(path: string) {
  const db = emptyDatabase(path);
  db.run("BEGIN");
  const insert = statementsOf(db);
  let reviews = 0;
  const noteTrace = (uid: string | undefined) => {
    if (uid !== undefined) insert.trace.run(uid);
  };
  return {
    addOperation: (operation: Operation) => {
      noteTrace(operation.trace_uid);
      const run = operation.run_id === undefined ? `operation ${operation.id}` : `run ${operation.run_id}`;
      insert.operation.run(
        run,
        Date.parse(operation.timestamp),
        operation.duration_ms,
        JSON.stringify(operation),
      );
    },
    /** A later review of the same task and output takes the place of an earlier one, but no machine's that of a person's. */
    addReview: (judged: Judged) => {
      noteTrace(judged.trace_uid);
      const isHuman = judged.review.by === undefined ? 0 : 1;
      insert.review.run(hash(judged.task, judged.output), ++reviews, isHuman, JSON.stringify(judged));
    },
    /** The latest verdict on a run counts; a person's before all others. */
    addVerdict: (run: string, { id, verdict, confidence, by }: RunReview) => {
      insert.verdict.run(`run ${run}`, by === undefined ? 0 : 1, JSON.stringify({ id, verdict, confidence }));
    },
    addPlaybook: (playbook: Playbook) => {
      noteTrace(playbook.trace_uid);
      insert.playbook.run(JSON.stringify(playbook));
    },
    markAlive: (uids: readonly string[]) => {
      for (const uid of uids) insert.alive.run(uid);
    },
    areAlive: ({ trace_uids: uids = [] }: Provenance): boolean =>
      uids.every((uid) => {
        const row = db.query("SELECT alive FROM traces WHERE uid = ?").get(uid);
        return (row as { alive: number } | null)?.alive === 1;
      }),
    /** The next traces in order after this one, at most so many. */
    tracesAfter: (uid: string, most: number): string[] =>
      db
        .query("SELECT uid FROM traces WHERE uid > ? ORDER BY uid LIMIT ?")
        .all(uid, most)
        .map((row) => (row as { uid: string }).uid),
    verdictOf: (run: string | undefined): RunReview | undefined => {
      if (run === undefined) return undefined;
      const row = db.query("SELECT json FROM verdicts WHERE run = ?").get(`run ${run}`);
      return row === null ? undefined : parsed<RunReview>(row);
    },
    /** Run by run, in order of time; a run longer than `most` gives undefined. An enclosing operation comes before those inside it. */
    runs: (most: number) => runs(db, most),
    reviews: () => each<Judged>(db, "SELECT json FROM reviews ORDER BY seq"),
    playbooks: () => each<Playbook>(db, "SELECT json FROM playbooks ORDER BY seq"),
    /** Stores the answer; `duplicate` when the same prompt and answer are stored already. */
    addAnswer: (answer: Answer) => addAnswer(db, insert.answer, answer),
    answers: (verdict: Answer["verdict"]) =>
      each<KeptAnswer>(db, `SELECT json FROM answers WHERE verdict = '${verdict}' ORDER BY at, key`),
    /** The best accepted answer and the rejected ones of each prompt that has both. */
    pairs: (rejectedMost: number) => pairs(db, rejectedMost),
    /** Answers that are contradicted. */
    contradicted: (): number => {
      const row = db.query("SELECT count(*) AS n FROM answers WHERE verdict = 'both'").get();
      return (row as { n: number }).n;
    },
    close: () => db.close(),
  };
}

function* each<T>(db: Database, sql: string): Generator<T> {
  for (const row of db.query(sql).iterate()) yield parsed<T>(row);
}

function* runs(db: Database, most: number): Generator<Operation[] | undefined> {
  const sql = "SELECT run, json FROM operations ORDER BY run, at, duration DESC, seq";
  let current: string | undefined;
  let operations: Operation[] = [];
  let count = 0;
  const whole = () => (count > most ? undefined : operations);
  for (const row of db.query(sql).iterate()) {
    const { run } = row as { run: string };
    if (run !== current) {
      if (current !== undefined) yield whole();
      [current, operations, count] = [run, [], 0];
    }
    count += 1;
    if (count <= most) operations.push(parsed<Operation>(row));
  }
  if (current !== undefined) yield whole();
}

/**
 * `both`: accepted here and rejected there, so it goes into no set; but who judged the answer itself outweighs the mere
 * outcome of a run.
 */
function addAnswer(
  db: Database,
  insert: { run: (...values: (string | number)[]) => unknown },
  answer: Answer,
): "new" | "duplicate" {
  const prompt = JSON.stringify(answer.prompt);
  const key = hash(prompt, answer.answer);
  const row = db.query("SELECT verdict, json FROM answers WHERE key = ?").get(key);
  const before = row === null ? undefined : parsed<KeptAnswer>(row);
  const agrees = before === undefined || (row as { verdict: string }).verdict === answer.verdict;
  const outweighs = before?.basis === "outcome" && answer.basis === "judged";
  const isOutweighed = before?.basis === "judged" && answer.basis === "outcome";
  if (before && (isOutweighed || (agrees && !outweighs && before.confidence >= answer.confidence)))
    return "duplicate";
  const verdict = agrees || outweighs ? answer.verdict : "both";
  const kept: KeptAnswer = { ...answer, key };
  insert.run(key, hash(prompt), answer.at, verdict, answer.confidence, JSON.stringify(kept));
  return before ? "duplicate" : "new";
}

function* pairs(db: Database, most: number): Generator<{ chosen: KeptAnswer; rejected: KeptAnswer[] }> {
  // In the order of the index, so that the first row does not wait for a sort of all.
  const asked = db.query(
    `SELECT DISTINCT asked FROM answers AS one WHERE verdict = 'reject' AND EXISTS
     (SELECT 1 FROM answers WHERE verdict = 'accept' AND asked = one.asked) ORDER BY asked`,
  );
  const best = db.query(
    "SELECT json FROM answers WHERE asked = ?1 AND verdict = ?2 ORDER BY confidence DESC, key LIMIT ?3",
  );
  for (const row of asked.iterate()) {
    const prompt = (row as { asked: string }).asked;
    const [chosen] = best.all(prompt, "accept", 1);
    const rejected = best.all(prompt, "reject", most).map((other) => parsed<KeptAnswer>(other));
    if (chosen !== undefined) yield { chosen: parsed<KeptAnswer>(chosen), rejected };
  }
}
