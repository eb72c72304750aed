/** The Worker in which SQLite works: one question at a time, each on the database of one corpus build. */
import type { Database } from "bun:sqlite";
import { toWire } from "../../runtime/errors.ts";
import { describe } from "../../runtime/log.ts";
import type { AnswerOf, FromThread, InputOf, LexiconCall, ToThread } from "./lexicon-calls.ts";
import { checkDatabase, createDatabase, guarded, openDatabase, readState } from "./lexicon-database.ts";
import { lexicalRows, numbersOfIds, readRows } from "./lexicon-read.ts";
import * as write from "./lexicon-write.ts";

interface Thread {
  postMessage: (message: FromThread, transfer?: ArrayBufferLike[]) => void;
  onmessage: ((event: { data: ToThread }) => void) | null;
}
const thread = globalThis as unknown as Thread;

const databases = new Map<string, Database>();

function databaseOf(file: string): Database {
  const known = databases.get(file);
  if (known) return known;
  const opened = openDatabase(file);
  databases.set(file, opened);
  return opened;
}

function close(file: string): void {
  databases.get(file)?.close();
  databases.delete(file);
}

type Answers = { [C in LexiconCall]: (database: Database, input: InputOf<C>) => AnswerOf<C> };

/** All but those that make and close databases. */
const answers: Omit<Answers, "create" | "close"> = {
  open: (database) => {
    write.undo(database);
    return readState(database);
  },
  check: (database) => checkDatabase(database),
  begin: (database) => write.begin(database),
  stage: (database, { lines, shape }) => write.stage(database, lines, shape),
  countPending: (database) => write.countPending(database),
  pending: (database, input) => write.pending(database, input),
  removeUnseen: (database) => write.removeUnseen(database),
  finish: (database, { changes }) => write.finish(database, changes),
  undo: (database) => write.undo(database),
  purge: (database, { from }) => write.purge(database, from),
  garbage: (database) => write.garbage(database),
  forgetGarbage: (database, { numbers }) => write.forgetGarbage(database, numbers),
  lexical: lexicalRows,
  read: readRows,
  numbersOf: numbersOfIds,
};

function answer(file: string, call: LexiconCall, input: unknown): unknown {
  if (call === "close") return close(file);
  if (call === "create") {
    databases.set(file, createDatabase(file, (input as InputOf<"create">).state));
    return undefined;
  }
  return answers[call](databaseOf(file), input as never);
}

thread.onmessage = ({ data }) => {
  if (data.type === "stop") {
    for (const file of [...databases.keys()]) close(file);
    thread.postMessage({ type: "stopped" });
    return;
  }
  try {
    const value = guarded(() => answer(data.file, data.call, data.input));
    thread.postMessage({ type: "done", value });
  } catch (error) {
    thread.postMessage({ type: "failed", error: toWire(error), cause: describe(error) });
  }
};
