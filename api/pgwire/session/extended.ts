/** The extended protocol: statements are named, bound to parameters as portals, and run a part at a time. */
import {
  commandComplete,
  postgresType,
  rowDescription,
  typeOfOid,
} from "../../../runtime/postgres/postgres.ts";
import { catalogDescription } from "../answers/answers.ts";
import { type Nested, parameterOf } from "../parameters/parameters.ts";
import {
  type Bind,
  backend,
  type Execute,
  type Parse,
  protocolViolation,
  sqlFailure,
} from "../protocol/protocol.ts";
import { classify, parameterCount, splitStatements, withCasts } from "../statements/statements.ts";
import { cursorQuery, inFailedTransaction, runCommand, tableOf } from "./commands.ts";
import { describeRows } from "./parameter-types.ts";
import { type Bound, createPortal, oidsOf, type Portal, putTable } from "./portal.ts";
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
  const query = cursorQuery(sql);
  statements.set(name, {
    ...{ sql, statement: classify(sql), oids },
    ...(query !== undefined && { query: { sql: query, statement: classify(query), oids } }),
  });
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
  const { portal: name } = message;
  const prepared = statementOf(session, message.statement);
  if (name !== "" && portals.has(name)) throw sqlFailure("42P03", `portal "${name}" already exists`);
  if (portals.size >= portalsMax)
    throw sqlFailure("53400", `a connection keeps ${portalsMax} portals; close some`);
  const bound = await boundOf(session, prepared.query ?? prepared, message);
  await portals.get(name)?.close();
  const { sql, statement } = prepared;
  portals.set(
    name,
    createPortal(session, prepared.query ? { ...bound, sql, statement, query: bound } : bound),
  );
  wire.put(backend.bindComplete);
}

/** The statement with the values of its parameters. */
async function boundOf(session: Session, prepared: Prepared, message: Bind): Promise<Bound> {
  const { values, parameterFormats, resultFormats } = message;
  const { sql, statement } = prepared;
  const isOwn = statement.kind === "session" || statement.kind === "empty";
  const count = isOwn ? 0 : parameterCount(sql);
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
  if (statement.kind === "rows" && isOpen) await described(session, prepared);
  const inDatasets = statement.kind !== "catalog";
  const parameters = values.map((bytes, at) => {
    if (!inDatasets) return readable(bytes, formatOf(at), prepared.oids[at], at + 1);
    return parameterOf(bytes, formatOf(at), { type: knownType(prepared.oids[at], at + 1), number: at + 1 });
  });
  const casts = parameters.map(({ cast }) => cast);
  return {
    ...{ sql, statement, casts: withCasts(sql, casts), formats: resultFormats },
    parameters: parameters.map(({ value }) => value),
    sent: {
      oids: prepared.oids,
      formats: parameterFormats,
      values: values.map((bytes) => bytes && Buffer.from(bytes)),
    },
    described: prepared.described,
  };
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
    const { query } = prepared;
    if (query && parameterCount(query.sql) > 0) await described(session, query);
    wire.put(backend.parameterDescription(query?.oids ?? []));
    return wire.put(table ? rowDescription(textColumns(table.columns)) : backend.noData);
  }
  if (statement.kind === "copy") return wire.put(backend.parameterDescription([]), backend.noData);
  wire.put(await described(session, prepared));
}

/** ParameterDescription and RowDescription; what was found out is kept with the statement. */
async function described(session: Session, prepared: Prepared): Promise<Uint8Array> {
  const { settings, catalog, wire } = session;
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
  const { oids, columns } = await describeRows(session, prepared.sql, known);
  prepared.oids = oids;
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
  const { statement, query } = portal.bound;
  if (statement.kind === "session") {
    const { tag, table, fetch } = await runCommand(session, { ...statement, query });
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
