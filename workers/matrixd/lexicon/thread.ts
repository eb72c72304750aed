/** The Worker in which SQLite works: one request at a time, each on the database of one corpus build. */

import { toWire } from "../../../runtime/errors/errors.ts";
import type { Database } from "../../../runtime/sqlite/sqlite.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { AnswerOf, FromThread, InputOf, LexiconCall, ToThread } from "./calls.ts";
import { copyDatabase, forgetSkipped, skipped } from "./copy.ts";
import { checkDatabase, createDatabase, guarded, openDatabase, readState } from "./database.ts";
import { erase, scrub } from "./erase.ts";
import { inspectDatabase } from "./inspection.ts";
import { countTexts, lexicalRows, numbersOfIds, readRows } from "./read.ts";
import * as write from "./write.ts";

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

const inspections = new Map<string, ReturnType<typeof inspectDatabase>>();

/** One step of it, so that others have their turn. */
function inspect(file: string, { id, generation }: InputOf<"inspect">): AnswerOf<"inspect"> {
  const steps = inspections.get(id) ?? inspectDatabase(file, generation);
  inspections.set(id, steps);
  const { value, done } = steps.next();
  if (!done) return { ...value, isOver: false };
  inspections.delete(id);
  return { problems: [], done: 1, total: 1, isOver: true };
}

function endInspection(id: string): void {
  inspections.get(id)?.return(undefined);
  inspections.delete(id);
}

type Answers = { [C in LexiconCall]: (database: Database, input: InputOf<C>) => AnswerOf<C> };

/** Those that open and close databases by themselves. */
type Own = "create" | "close" | "copy" | "inspect" | "endInspection";

/** All others. */
const answers: Omit<Answers, Own> = {
  open: (database) => {
    write.undo(database);
    return readState(database);
  },
  check: (database) => checkDatabase(database),
  begin: (database) => write.begin(database),
  stage: (database, { lines, shape }) => write.stage(database, lines, shape),
  pending: (database, input) => write.pending(database, input),
  removeUnseen: (database) => write.removeUnseen(database),
  finish: (database, { changes }) => write.finish(database, changes),
  undo: (database) => write.undo(database),
  purge: (database, { from }) => write.purge(database, from),
  orphans: (database) => write.orphans(database),
  forgetOrphans: (database, { numbers }) => write.forgetOrphans(database, numbers),
  erase,
  scrub,
  skipped,
  forgetSkipped,
  countTexts,
  lexical: lexicalRows,
  read: readRows,
  numbersOf: numbersOfIds,
};

const own: { [C in Own]: (file: string, input: InputOf<C>) => AnswerOf<C> } = {
  create: (file, { state }) => void databases.set(file, createDatabase(file, state)),
  close,
  copy: (file, { to, state }) => copyDatabase(file, to, state),
  inspect,
  endInspection: (_file, { id }) => endInspection(id),
};
const isOwn = (call: LexiconCall): call is Own => Object.hasOwn(own, call);

function answer(file: string, call: LexiconCall, input: unknown): unknown {
  if (isOwn(call)) return own[call](file, input as never);
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
