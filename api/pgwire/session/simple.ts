/** The simple protocol: a text of statements, run one after the other until one fails. */
import { commandComplete } from "../../../runtime/postgres/postgres.ts";
import { backend } from "../protocol/protocol.ts";
import { classify, type Statement, splitStatements, withCasts } from "../statements/statements.ts";
import { inFailedTransaction, runCommand } from "./commands.ts";
import { putFailure } from "./failure.ts";
import { createPortal, type Portal, putTable } from "./portal.ts";
import type { Session } from "./session-state.ts";

/** Runs the text; what fails is told to the client. */
export async function runText(session: Session, text: string): Promise<void> {
  const { wire } = session;
  const statements = splitStatements(text);
  if (statements.length === 0) wire.put(backend.emptyQuery);
  for (const { sql, start } of statements) {
    try {
      await runOne(session, sql);
    } catch (cause) {
      const offset = start + Math.max(0, leadOf(cause));
      putFailure(session, cause, { text, placeIn: (at) => at + offset });
      break;
    }
  }
  if (session.status === "I") await closeUnheld(session);
  wire.put(backend.readyForQuery(session.status));
  await wire.flush();
}

/** A query inside of a COPY begins later than its statement. */
const leads = new WeakMap<object, number>();
const leadOf = (cause: unknown): number => (typeof cause === "object" && cause ? (leads.get(cause) ?? 0) : 0);

async function runOne(session: Session, sql: string): Promise<void> {
  const statement = classify(sql);
  if (statement.kind === "session") return runSessionStatement(session, statement);
  if (session.status === "E") throw inFailedTransaction();
  if (statement.kind === "empty") return session.wire.put(backend.emptyQuery);
  const portal = createPortal(session, {
    ...{ sql, statement, casts: withCasts(sql, []), parameters: [], formats: [] },
    sent: { oids: [], formats: [], values: [] },
  });
  try {
    await sendAll(session, portal, statement.kind === "copy" ? "COPY" : "SELECT");
  } catch (cause) {
    if (statement.kind === "copy" && typeof cause === "object" && cause)
      leads.set(cause, statement.copy.start);
    throw cause;
  } finally {
    await portal.close();
  }
}

async function runSessionStatement(
  session: Session,
  statement: Extract<Statement, { kind: "session" }>,
): Promise<void> {
  const { tag, table, fetch } = await runCommand(session, statement);
  if (fetch) return sendAll(session, session.portals.get(fetch.name) as Portal, "FETCH", fetch.rowsMax);
  if (table) putTable(session, table, true);
  session.wire.put(commandComplete(tag));
}

async function sendAll(session: Session, portal: Portal, verb: string, rowsMax = 0): Promise<void> {
  const head = await portal.head();
  if (head) session.wire.put(head);
  const { rows } = await portal.send(rowsMax);
  session.wire.put(commandComplete(`${verb} ${rows}`));
}

/** Portals and cursors end with their transaction, and each message is one where none was begun. */
export async function closeUnheld({ portals }: Session): Promise<void> {
  for (const [name, portal] of portals)
    if (!portal.isHeld) {
      portals.delete(name);
      await portal.close();
    }
}
