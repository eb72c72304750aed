/** A statement with its parameters, whose rows are read a part at a time. */
import { rowDescription } from "../../../runtime/postgres/postgres.ts";
import { type Answer, catalogAnswer, datasetAnswer } from "../answers/answers.ts";
import type { Nested } from "../parameters/parameters.ts";
import { backend, sqlFailure } from "../protocol/protocol.ts";
import type { Casts, Statement } from "../statements/statements.ts";
import type { Session } from "./session-state.ts";
import { textColumns } from "./tables.ts";

/** What a portal is made of. */
export interface Bound {
  /** The client's text. */
  sql: string;
  statement: Statement;
  casts: Casts;
  parameters: readonly Nested[];
  formats: readonly number[];
  /** As the client sent them, for the catalog. */
  sent: {
    oids: readonly number[];
    formats: readonly number[];
    values: readonly (Uint8Array | null)[];
  };
  /** The types of the columns that the client was told before, which it goes by. */
  described?: readonly number[] | undefined;
  /** Of DECLARE: the cursor's query with its parameters. */
  query?: Bound;
}

export interface Portal {
  bound: Bound;
  /** RowDescription or the beginning of a COPY; undefined where there are no rows. */
  head: () => Promise<Uint8Array | undefined>;
  /** Sends the next rows, at most so many where it is not 0; says how it went on. */
  send: (rowsMax: number) => Promise<{ rows: number; isComplete: boolean }>;
  close: () => Promise<void>;
  /** Of a cursor that outlives its transaction. */
  isHeld: boolean;
}

/** Rows of the session's own, as of SHOW. */
export interface Table {
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}

export function createPortal(session: Session, bound: Bound, isHeld = false): Portal {
  const stop = new AbortController();
  let opened: Promise<Answer> | undefined;
  let isOver = false;
  const open = (): Promise<Answer> => {
    opened ??= during(() => answerFor(session, bound, stop.signal));
    return opened;
  };
  /** While it works, a cancellation ends it. */
  const during = async <T>(work: () => Promise<T>): Promise<T> => {
    session.running = stop;
    try {
      return await work();
    } catch (cause) {
      throw stop.signal.aborted ? stop.signal.reason : cause;
    } finally {
      session.running = undefined;
    }
  };
  return {
    bound,
    isHeld,
    head: async () => (await open()).head,
    send: async (rowsMax) => {
      const answer = await open();
      checkColumns(answer.head, bound.described);
      if (isOver) return { rows: 0, isComplete: true };
      return during(async () => {
        const blocks = answer.next(rowsMax);
        for (;;) {
          const { value, done } = await blocks.next();
          if (done) {
            isOver = value.isComplete;
            return value;
          }
          session.wire.put(value);
          await session.wire.flush();
        }
      });
    },
    close: async () => {
      stop.abort(sqlFailure("57014", "the portal was closed"));
      await opened?.then(({ close }) => close()).catch(() => undefined);
    },
  };
}

async function answerFor(session: Session, bound: Bound, signal: AbortSignal): Promise<Answer> {
  const { statement, parameters, formats, casts } = bound;
  const both = AbortSignal.any([signal, session.wire.gone]);
  const timeoutMs = session.settings.timeoutMs();
  if (statement.kind === "copy") {
    const { options, sql } = statement.copy;
    return datasetAnswer(session.queryd, {
      sql,
      parameters,
      formats,
      copy: options,
      timeoutMs,
      signal: both,
    });
  }
  if (statement.kind === "catalog") {
    const { oids, formats: parameterFormats, values } = bound.sent;
    const question = { sql: bound.sql, oids, parameterFormats, values, formats, signal: both };
    const answer = await catalogAnswer(session.catalog, { ...question, settings: session.settings.all() });
    if (answer) return answer;
  }
  return datasetAnswer(session.queryd, { sql: casts.sql, parameters, formats, timeoutMs, signal: both });
}

/** What a client was told before it gave the parameters must hold: it reads binary values by it. */
function checkColumns(head: Uint8Array | undefined, described: readonly number[] | undefined): void {
  if (!head || !described) return;
  const found = oidsOf(head);
  if (found.length !== described.length || found.some((oid, at) => oid !== described[at]))
    throw sqlFailure(
      "0A000",
      "with these parameters the result has other types than were described; CAST the parameters in the statement",
    );
}

/** The types of the columns of a RowDescription. */
export function oidsOf(description: Uint8Array): number[] {
  const bytes = Buffer.from(description.buffer, description.byteOffset, description.length);
  let at = 7;
  return Array.from({ length: bytes.readUInt16BE(5) }, () => {
    const facts = bytes.indexOf(0, at) + 1;
    at = facts + 18;
    return bytes.readUInt32BE(facts + 6);
  });
}

/** Sends a table of the session's own. */
export function putTable({ wire }: Session, { columns, rows }: Table, withHead: boolean): void {
  if (withHead) wire.put(rowDescription(textColumns(columns)));
  wire.put(...rows.map(backend.dataRow));
}
