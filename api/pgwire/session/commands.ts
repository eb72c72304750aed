/** Statements of the session itself: transactions that are none, settings, cursors. */
import { fold } from "../../../runtime/sql/sql.ts";
import { backend, sqlFailure } from "../protocol/protocol.ts";
import { classify, withCasts } from "../statements/statements.ts";
import { type Bound, createPortal, type Table } from "./portal.ts";
import type { Session } from "./session-state.ts";

export interface Command {
  verb: string;
  words: readonly string[];
  sql: string;
  /** Of DECLARE by the extended protocol: the cursor's query with its parameters. */
  query?: Bound | undefined;
}

/** What a command answers with. */
export interface Done {
  tag: string;
  table?: Table;
  /** The portal whose next rows are the answer, and how many of them. */
  fetch?: { name: string; rowsMax: number };
}

type Run = (session: Session, command: Command) => Done | Promise<Done>;

const plain = (word = ""): string => word.replace(/^(["'])(.*)\1$/s, "$2");

const ended = async (session: Session, tag: string): Promise<Done> => {
  const failed = session.status === "E" && tag === "COMMIT";
  session.status = "I";
  for (const [name, portal] of session.portals)
    if (!portal.isHeld) {
      session.portals.delete(name);
      await portal.close();
    }
  return { tag: failed ? "ROLLBACK" : tag };
};

const begun = (session: Session, tag: string): Done => {
  if (session.status === "I") session.status = "T";
  else session.wire.put(backend.notice("there is already a transaction in progress", "25001"));
  return { tag };
};

const commands: Readonly<Record<string, Run>> = {
  BEGIN: (session) => begun(session, "BEGIN"),
  START: (session) => begun(session, "START TRANSACTION"),
  COMMIT: (session) => ended(session, "COMMIT"),
  END: (session) => ended(session, "COMMIT"),
  ABORT: (session) => ended(session, "ROLLBACK"),
  ROLLBACK: (session, { words }) => {
    if (!words.includes("TO")) return ended(session, "ROLLBACK");
    if (session.status === "E") session.status = "T";
    return { tag: "ROLLBACK" };
  },
  SAVEPOINT: () => ({ tag: "SAVEPOINT" }),
  RELEASE: () => ({ tag: "RELEASE" }),
  SET: set,
  RESET: ({ settings, wire }, { words }) => {
    const changed = settings.reset(words[1] === "ALL" ? undefined : fold(plain(words[1])));
    wire.put(...changed.map((pair) => backend.parameterStatus(...pair)));
    return { tag: "RESET" };
  },
  SHOW: show,
  DISCARD: async (session, { words }) => {
    const what = words[1] ?? "";
    if (what === "ALL") {
      await closeAll(session);
      session.statements.clear();
      session.settings.reset();
    }
    return { tag: `DISCARD ${what}` };
  },
  DEALLOCATE: ({ statements }, { words, sql }) => {
    const name = nameIn(words[1] === "PREPARE" ? 2 : 1, words, sql);
    if (words.includes("ALL")) statements.clear();
    else if (!statements.delete(name))
      throw sqlFailure("26000", `prepared statement "${name}" does not exist`);
    return { tag: words.includes("ALL") ? "DEALLOCATE ALL" : "DEALLOCATE" };
  },
  UNLISTEN: () => ({ tag: "UNLISTEN" }),
  DECLARE: declare,
  FETCH: fetchRows,
  CLOSE: async (session, { words, sql }) => {
    if (words[1] === "ALL") await closeAll(session);
    else {
      const name = nameIn(1, words, sql);
      const portal = session.portals.get(name);
      if (!portal) throw noCursor(name);
      session.portals.delete(name);
      await portal.close();
    }
    return { tag: words[1] === "ALL" ? "CLOSE CURSOR ALL" : "CLOSE CURSOR" };
  },
};

/** Runs it. Throws `25P02` in a transaction that failed for all but its end. */
export async function runCommand(session: Session, command: Command): Promise<Done> {
  const { verb } = command;
  if (session.status === "E" && !/^(COMMIT|END|ROLLBACK|ABORT)$/.test(verb)) throw inFailedTransaction();
  const run = commands[verb];
  if (!run) throw sqlFailure("0A000", `${verb} is not supported: nothing is written here`);
  return run(session, command);
}

export const inFailedTransaction = () =>
  sqlFailure("25P02", "current transaction is aborted, commands ignored until end of transaction block");

/** The table of SHOW, which can be told before it runs. */
export const tableOf = (session: Session, command: Command): Table | undefined =>
  command.verb === "SHOW" ? show(session, command).table : undefined;

async function closeAll(session: Session): Promise<void> {
  const all = [...session.portals.values()];
  session.portals.clear();
  await Promise.all(all.map((portal) => portal.close()));
}

/** A name as it was written, folded where it has no quotes. */
function nameIn(at: number, words: readonly string[], sql: string): string {
  const word = words[at] ?? "";
  if (/^["']/.test(word)) return plain(word).replaceAll('""', '"');
  if (!/^\w+$/.test(word)) throw sqlFailure("42601", `expected a name in ${sql.slice(0, 100)}`);
  return fold(word);
}

const ofTransaction = /^set\s+(session\s+characteristics\s+as\s+transaction|transaction|constraints)\b/i;
const ofSession = /^set\s+(?:session\s+|local\s+)?/i;

/** `SET [SESSION|LOCAL] name {TO|=} value`, `SET TIME ZONE value`, `SET NAMES value`. */
function set({ settings, wire }: Session, { sql }: Command): Done {
  if (ofTransaction.test(sql)) return { tag: "SET" };
  const rest = sql.trim().replace(ofSession, "");
  const [, zone] = /^time\s+zone\s+(.*)$/is.exec(rest) ?? [];
  const [, names] = /^names\s+(.*)$/is.exec(rest) ?? [];
  const [, role] = /^(?:role|session\s+authorization)\s+(.*)$/is.exec(rest) ?? [];
  const [, name, value] =
    zone !== undefined
      ? ["", "timezone", zone]
      : names !== undefined
        ? ["", "client_encoding", names]
        : role !== undefined
          ? ["", "role", role]
          : (/^([\w."]+)\s*(?:=|\s+to\s)\s*(.*)$/is.exec(rest) ?? []);
  if (name === undefined || value === undefined)
    throw sqlFailure("42601", "expected SET name = value, or SET name TO value");
  const given = value.trim();
  if (/^default$/i.test(given)) {
    wire.put(...settings.reset(plain(name)).map((pair) => backend.parameterStatus(...pair)));
    return { tag: "SET" };
  }
  const { reported, warning } = settings.set(plain(name), /^'[^']*'$/.test(given) ? plain(given) : given);
  if (reported) wire.put(backend.parameterStatus(...reported));
  if (warning !== undefined) wire.put(backend.notice(warning));
  return { tag: "SET" };
}

/** `SHOW name`, `SHOW TRANSACTION ISOLATION LEVEL`, `SHOW TIME ZONE`, `SHOW ALL`. */
function show({ settings }: Session, { sql }: Command): Done & { table: Table } {
  const asked = sql.trim().replace(/^show\s+/i, "");
  if (/^all\b/i.test(asked)) {
    const rows = [...settings.all()].map(([name, value]) => [name, value, ""]);
    return { tag: "SHOW", table: { columns: ["name", "setting", "description"], rows } };
  }
  const name = /^transaction\s+isolation\s+level/i.test(asked)
    ? "transaction_isolation"
    : /^time\s+zone/i.test(asked)
      ? "timezone"
      : plain(/^("[^"]+"|[\w.]+)/.exec(asked)?.[1]);
  return { tag: "SHOW", table: { columns: [name], rows: [[settings.get(name)]] } };
}

/** `DECLARE name [BINARY] … CURSOR [WITH HOLD] FOR query` */
/** The query of `DECLARE name … CURSOR … FOR query`. */
export const cursorQuery = (sql: string): string | undefined =>
  /^\s*declare\b.*?\bcursor\b.*?\bfor\b(.*)$/is.exec(sql)?.[1];

function declare(session: Session, { words, sql, query: given }: Command): Done {
  const name = nameIn(1, words, sql);
  const query = cursorQuery(sql);
  if (query === undefined) throw sqlFailure("42601", "expected DECLARE name CURSOR FOR SELECT …");
  const isHeld = words.includes("HOLD") && !words.includes("WITHOUT");
  if (session.status === "I" && !isHeld)
    throw sqlFailure("25P01", "DECLARE CURSOR can only be used in transaction blocks");
  if (session.portals.has(name)) throw sqlFailure("42P03", `cursor "${name}" already exists`);
  const { statement, ...bound } = given ?? plainBound(query);
  if (statement.kind !== "rows" && statement.kind !== "catalog")
    throw sqlFailure("42601", "a cursor is one of a statement that reads");
  const formats = words.includes("BINARY") ? [1] : [];
  session.portals.set(name, createPortal(session, { ...bound, statement, formats }, isHeld));
  return { tag: "DECLARE CURSOR" };
}

const plainBound = (sql: string): Bound => ({
  ...{ sql, statement: classify(sql), casts: withCasts(sql, []), parameters: [], formats: [] },
  sent: { oids: [], formats: [], values: [] },
});

/** `FETCH [NEXT | n | ALL | FORWARD [n | ALL]] [FROM | IN] name` */
function fetchRows(session: Session, { words, sql }: Command): Done {
  const [, count, name = ""] =
    /^fetch\s+(?:(?:forward\s+)?(all|next|\d+)\s+|forward\s+)?(?:(?:from|in)\s+)?("(?:[^"]|"")+"|\w+)\s*;?\s*$/i.exec(
      sql.trim(),
    ) ?? [];
  if (name === "")
    throw sqlFailure("0A000", `FETCH goes forward: FETCH 100 FROM name; got ${words.slice(1, 4).join(" ")}`);
  const found = nameIn(0, [name], sql);
  if (!session.portals.has(found)) throw noCursor(found);
  const rowsMax = count === undefined || /^next$/i.test(count) ? 1 : /^all$/i.test(count) ? 0 : Number(count);
  return { tag: "FETCH", fetch: { name: found, rowsMax } };
}

const noCursor = (name: string) => sqlFailure("34000", `cursor "${name}" does not exist`);
