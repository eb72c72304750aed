/** The extended protocol: statements are named, bound to parameters as portals, and run a part at a time. */
import {
  commandComplete,
  oidOf,
  postgresType,
  rowDescription,
  typeOfOid,
} from "../../../runtime/postgres/postgres.ts";
import { catalogDescription, describeDatasets } from "../answers/answers.ts";
import { castOf, type Nested, parameterOf } from "../parameters/parameters.ts";
import {
  type Bind,
  backend,
  type Execute,
  type Parse,
  protocolViolation,
  sqlFailure,
} from "../protocol/protocol.ts";
import { classify, parameterCount, splitStatements, withCasts } from "../statements/statements.ts";
import { inFailedTransaction, runCommand, tableOf } from "./commands.ts";
import { createPortal, oidsOf, type Portal, putTable } from "./portal.ts";
import type { Prepared, Session } from "./session-state.ts";
import { textColumns } from "./tables.ts";

/** What a connection may keep. */
const statementsMax = 2000;
const portalsMax = 200;

export function parse({ statements, wire }: Session, { name, sql, oids }: Parse): void {
  if (name !== "" && statements.has(name))
    throw sqlFailure("42P05", `prepared statement "${name}" already exists`);
  if (statements.size >= statementsMax)
    throw sqlFailure("53400", `a connection keeps ${statementsMax} prepared statements; close some`);
  if (splitStatements(sql).length > 1)
    throw sqlFailure("42601", "cannot insert multiple commands into a prepared statement");
  statements.set(name, { sql, statement: classify(sql), oids });
  wire.put(backend.parseComplete);
}

const statementOf = ({ statements }: Session, name: string): Prepared => {
  const found = statements.get(name);
  if (!found) throw sqlFailure("26000", `prepared statement "${name}" does not exist`);
  return found;
};

const portalOf = ({ portals }: Session, name: string): Portal => {
  const found = portals.get(name);
  if (!found) throw sqlFailure("34000", `portal "${name}" does not exist`);
  return found;
};

export async function bind(session: Session, message: Bind): Promise<void> {
  const { portals, wire } = session;
  const { portal: name, values, parameterFormats, resultFormats } = message;
  const prepared = statementOf(session, message.statement);
  if (name !== "" && portals.has(name)) throw sqlFailure("42P03", `portal "${name}" already exists`);
  if (portals.size >= portalsMax)
    throw sqlFailure("53400", `a connection keeps ${portalsMax} portals; close some`);
  const isOwn = prepared.statement.kind === "session" || prepared.statement.kind === "empty";
  const count = isOwn ? 0 : parameterCount(prepared.sql);
  if (values.length !== count)
    throw protocolViolation(
      `bind message supplies ${values.length} parameters, but the statement requires ${count}`,
    );
  if (parameterFormats.length > 1 && parameterFormats.length !== count)
    throw protocolViolation(`bind message has ${parameterFormats.length} formats for ${count} parameters`);
  const formatOf = (at: number) =>
    (parameterFormats.length === 1 ? parameterFormats[0] : parameterFormats[at]) ?? 0;
  const isOpen = values.some(
    (bytes, at) => !prepared.oids[at] && (formatOf(at) === 1 || isOfSomeType(bytes)),
  );
  if (prepared.statement.kind === "rows" && isOpen) await described(session, prepared);
  const inDatasets = prepared.statement.kind !== "catalog";
  const parameters = values.map((bytes, at) => {
    if (!inDatasets) return readable(bytes, formatOf(at), prepared.oids[at], at + 1);
    return parameterOf(bytes, formatOf(at), { type: knownType(prepared.oids[at], at + 1), number: at + 1 });
  });
  await portals.get(name)?.close();
  portals.set(
    name,
    createPortal(session, {
      sql: prepared.sql,
      statement: prepared.statement,
      casts: withCasts(
        prepared.sql,
        parameters.map(({ cast }) => cast),
      ),
      parameters: parameters.map(({ value }) => value),
      formats: resultFormats,
      sent: {
        oids: prepared.oids,
        formats: parameterFormats,
        values: values.map((bytes) => bytes && Buffer.from(bytes)),
      },
      described: prepared.described,
    }),
  );
  wire.put(backend.bindComplete);
}

/** The catalog reads its parameters itself; should the statement turn out to read datasets, they are tried here. */
function readable(bytes: Buffer | null, format: number, oid: number | undefined, number: number) {
  try {
    return parameterOf(bytes, format, { type: knownType(oid, number), number });
  } catch {
    return { value: null as Nested, cast: undefined };
  }
}

function knownType(oid: number | undefined, number: number) {
  if (!oid || oid === unknownOid) return undefined;
  const type = typeOfOid(oid);
  if (!type)
    throw sqlFailure("0A000", `parameter $${number}: type ${oid} is not known here; send it as text`);
  return type;
}

/** Whether its text may be that of an array or of bytes, which SQL here writes in another way. */
const isOfSomeType = (bytes: Buffer | null): boolean =>
  /^\s*(\{|\\x)/.test(bytes?.toString("latin1", 0, 16) ?? "");

/** PostgreSQL's type of a literal that nothing says anything about. */
const unknownOid = 705;

export async function describeStatement(session: Session, name: string): Promise<void> {
  const { wire } = session;
  const prepared = statementOf(session, name);
  const { statement } = prepared;
  if (statement.kind === "session" || statement.kind === "empty") {
    const table = statement.kind === "session" ? tableOf(session, statement) : undefined;
    wire.put(backend.parameterDescription([]));
    return wire.put(table ? rowDescription(textColumns(table.columns)) : backend.noData);
  }
  if (statement.kind === "copy") return wire.put(backend.parameterDescription([]), backend.noData);
  wire.put(await described(session, prepared));
}

/** ParameterDescription and RowDescription; what was found out is kept with the statement. */
async function described(session: Session, prepared: Prepared): Promise<Uint8Array> {
  const { settings, catalog, queryd, wire } = session;
  if (prepared.statement.kind === "catalog") {
    const question = { ...prepared, settings: settings.all(), signal: wire.gone };
    const found = await catalogDescription(catalog, question);
    if (found) {
      prepared.oids = found.parameters;
      return found.bytes;
    }
  }
  const count = parameterCount(prepared.sql);
  const known = Array.from({ length: count }, (_, at) => knownType(prepared.oids[at], at + 1));
  const { sql, placeIn: _ } = withCasts(
    prepared.sql,
    known.map((type) => type && castOf(type)),
  );
  const { parameters, columns } = await describeDatasets(queryd, sql, wire.gone);
  prepared.oids = known.map((type, at) => {
    const found = parameters[String(at + 1)];
    return prepared.oids[at] || (type?.oid ?? (found ? postgresType(found).oid : oidOf("text")));
  });
  const description = rowDescription(columns.map(({ name, type }) => ({ name, type: postgresType(type) })));
  prepared.described = oidsOf(description);
  return Buffer.concat([backend.parameterDescription(prepared.oids), description]);
}

export async function describePortal(session: Session, name: string): Promise<void> {
  const portal = portalOf(session, name);
  const { statement } = portal.bound;
  if (statement.kind === "copy" || statement.kind === "empty") return session.wire.put(backend.noData);
  if (statement.kind === "session") {
    const table = tableOf(session, statement);
    return session.wire.put(table ? rowDescription(textColumns(table.columns)) : backend.noData);
  }
  session.wire.put((await portal.head()) ?? backend.noData);
}

export async function execute(session: Session, { portal: name, rowsMax }: Execute): Promise<void> {
  const { wire } = session;
  const portal = portalOf(session, name);
  const { statement } = portal.bound;
  if (statement.kind === "session") {
    const { tag, table, fetch } = await runCommand(session, statement);
    if (fetch)
      return sendPart(session, portalOf(session, fetch.name), { verb: "FETCH", rowsMax: fetch.rowsMax });
    if (table) putTable(session, table, false);
    return wire.put(commandComplete(tag));
  }
  if (session.status === "E") throw inFailedTransaction();
  if (statement.kind === "empty") return wire.put(backend.emptyQuery);
  if (statement.kind !== "copy") return sendPart(session, portal, { verb: "SELECT", rowsMax });
  const head = await portal.head();
  if (head) wire.put(head);
  await sendPart(session, portal, { verb: "COPY", rowsMax: 0 });
}

async function sendPart(
  { wire }: Session,
  portal: Portal,
  { verb, rowsMax }: { verb: string; rowsMax: number },
): Promise<void> {
  const { rows, isComplete } = await portal.send(rowsMax);
  const isDone = isComplete || verb === "FETCH";
  wire.put(isDone ? commandComplete(`${verb} ${rows}`) : backend.portalSuspended);
}
