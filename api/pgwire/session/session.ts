/** One client, from its start to its end: its messages one after the other. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type { Wire } from "../connection/connection.ts";
import {
  backend,
  type Frame,
  protocolViolation,
  readBind,
  readExecute,
  readNamed,
  readParse,
  SqlFailure,
  type Startup,
  textOf,
} from "../protocol/protocol.ts";
import { bind, describePortal, describeStatement, execute, parse } from "./extended.ts";
import { failureBytes, putFailure } from "./failure.ts";
import type { Session } from "./session-state.ts";
import { createSettings } from "./settings.ts";
import { closeUnheld, runText } from "./simple.ts";

export { failureBytes };

export interface SessionOptions {
  startup: Startup;
  process: number;
  key: number;
  queryd: Peer<Queryd>;
  catalog: Catalog;
  /** How long a client may send nothing between its messages. */
  idleTimeoutMs: number;
  report: (cause: unknown) => void;
}

export interface Serving {
  /** Ends what runs, as a client asks by another connection. */
  cancel: (reason: SqlFailure) => void;
  /** Whether it works on something. */
  isBusy: () => boolean;
  /** Ends the connection as soon as what runs is answered. */
  stop: () => void;
  /** Resolves when the connection has ended. */
  ended: Promise<void>;
}

/** Serves a client that has come in. */
export function serve(wire: Wire, options: SessionOptions): Serving {
  const session: Session = {
    wire,
    queryd: options.queryd,
    catalog: options.catalog,
    settings: createSettings(),
    status: "I",
    statements: new Map(),
    portals: new Map(),
    running: undefined,
    report: options.report,
  };
  let busy = true;
  let stopping = false;
  const stop = () => {
    stopping = true;
    if (busy) return;
    wire.put(failureBytes(adminShutdown()));
    wire.end();
  };
  const run = async () => {
    begin(session, options);
    await wire.flush();
    for (;;) {
      busy = false;
      if (stopping) throw adminShutdown();
      const frame = await wire.next(options.idleTimeoutMs);
      busy = true;
      if (frame.letter === "X") return;
      await take(session, frame);
    }
  };
  const ended = run().finally(async () => {
    busy = false;
    session.running?.abort(adminShutdown());
    for (const portal of session.portals.values()) await portal.close();
  });
  const cancel = (reason: SqlFailure) => session.running?.abort(reason);
  return { cancel, isBusy: () => busy, stop, ended };
}

export const adminShutdown = () =>
  new SqlFailure("57P01", "terminating connection due to administrator command", true);

/** Tells the client what holds from now on. Settings that it cannot have end the connection. */
function begin(session: Session, { startup, process, key }: SessionOptions): void {
  const { wire, settings } = session;
  const asked = [...startup.settings].filter(
    ([name]) => !/^(user|database|options|replication|_pq_\..*)$/.test(name),
  );
  if (/^(true|on|yes|1|database)$/i.test(startup.settings.get("replication") ?? ""))
    throw new SqlFailure("0A000", "replication is not served here", true);
  for (const [name, value] of [...asked, ...optionsOf(startup.settings.get("options") ?? "")]) {
    try {
      const { warning } = settings.set(name, value);
      if (warning !== undefined) wire.put(backend.notice(warning));
    } catch (cause) {
      if (cause instanceof SqlFailure) throw new SqlFailure(cause.code, cause.message, true);
      throw cause;
    }
  }
  wire.put(...settings.reported().map((pair) => backend.parameterStatus(...pair)));
  wire.put(backend.backendKeyData(process, key), backend.readyForQuery("I"));
}

/** `-c name=value --name=value`, a backslash before a blank keeps it. */
const optionsOf = (text: string): [name: string, value: string][] =>
  [...text.matchAll(/(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\s\\])*)/g)].map(([, name = "", value = ""]) => [
    name.replaceAll("-", "_"),
    value.replace(/\\(.)/g, "$1"),
  ]);

/** Sessions that wait for Sync after a failure in the extended protocol. */
const skipping = new WeakSet<Session>();

async function take(session: Session, frame: Frame): Promise<void> {
  const { wire } = session;
  const { letter, body } = frame;
  if (letter === "S") {
    skipping.delete(session);
    if (session.status === "I") await closeUnheld(session);
    wire.put(backend.readyForQuery(session.status));
    return wire.flush();
  }
  if (skipping.has(session)) return;
  if (letter === "Q") return runText(session, textOf(body.subarray(0, Math.max(0, body.length - 1))));
  try {
    await extended(session, frame);
  } catch (cause) {
    putFailure(session, cause, placeOf(session, frame));
    await wire.flush();
    skipping.add(session);
  }
}

async function extended(session: Session, { letter, body }: Frame): Promise<void> {
  const { wire } = session;
  switch (letter) {
    case "P":
      return parse(session, readParse(body));
    case "B":
      return bind(session, readBind(body));
    case "D": {
      const { isPortal, name } = readNamed(body);
      return isPortal ? describePortal(session, name) : describeStatement(session, name);
    }
    case "E":
      return execute(session, readExecute(body));
    case "C": {
      const { isPortal, name } = readNamed(body);
      if (!isPortal) session.statements.delete(name);
      const portal = isPortal ? session.portals.get(name) : undefined;
      session.portals.delete(isPortal ? name : "");
      await portal?.close();
      return wire.put(backend.closeComplete);
    }
    case "H":
      return wire.flush();
    case "d":
    case "c":
    case "f":
      // Of a COPY that was refused: nobody asked for it.
      return;
    default:
      throw protocolViolation(`a message of the type ${JSON.stringify(letter)}, which clients do not send`);
  }
}

/** Where a failure's place lies in the client's own text. */
function placeOf(session: Session, { letter, body }: Frame) {
  if (letter !== "E" && letter !== "D") return undefined;
  const name = letter === "E" ? readExecute(body).portal : readNamed(body).name;
  const bound = session.portals.get(name)?.bound;
  return bound && { text: bound.sql, placeIn: bound.casts.placeIn };
}
