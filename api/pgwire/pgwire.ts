/** PostgreSQL's protocol as a door of the gateway: it listens, admits clients, and ends them. See README.md beside this file. */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { isLoopback, parseBind } from "../../runtime/addresses/addresses.ts";
import { createGate } from "../../runtime/auth/auth.ts";
import type { Config } from "../../runtime/config/config.ts";
import { ConfigError, ServiceError } from "../../runtime/errors/errors.ts";
import type { Deps } from "../../runtime/service/service.ts";
import { describe } from "../../runtime/telemetry/telemetry.ts";
import type { Catalogd } from "../../workers/catalogd/contract.ts";
import type { Queryd } from "../../workers/queryd/contract.ts";
import { openCatalog } from "./catalog/catalog.ts";
import { createCredentials, createWire, Gone, type Greeting, greet } from "./connection/connection.ts";
import { FrameError, SqlFailure, startupCodes } from "./protocol/protocol.ts";
import { adminShutdown, failureBytes, type Serving, serve } from "./session/session.ts";

export interface Pgwire {
  /** Takes no more clients; those that wait are told to go, those that work when they are done. Resolves when all are gone. */
  drain: () => Promise<void>;
  /** Ends what still runs. */
  giveUp: () => void;
  stop: () => Promise<void>;
}

type PgwireDeps = Deps<{ queryd: Queryd; catalogd: Catalogd }>;

interface Door {
  deps: PgwireDeps;
  /** Everybody who is connected, known or not. */
  sockets: Set<Socket>;
  serving: Map<number, { key: number; serving: Serving }>;
  greeting: () => Greeting;
  catalog: ReturnType<typeof openCatalog>;
  isStopping: boolean;
}

/** Listens; rejects when the address is taken or the certificate cannot be read. */
export async function openPgwire(deps: PgwireDeps): Promise<Pgwire> {
  const { config, log, metrics } = deps;
  const { host, port } = parseBind(config.pgwire.bind);
  const credentials = createCredentials(() => deps.live().auth);
  const tls = secureContext(config.pgwire);
  const door: Door = {
    deps,
    sockets: new Set(),
    serving: new Map(),
    catalog: openCatalog(deps),
    isStopping: false,
    greeting: () => ({
      tls,
      credentials,
      method: config.pgwire.auth_method,
      isLocal: isLoopback(host),
      admit: admission(deps.live().auth, host),
      timeoutMs: config.pgwire.startup_timeout_ms,
      messageBytesMax: config.pgwire.max_message_bytes,
    }),
  };
  metrics.gauge("pgwire_connections", "Clients of PostgreSQL's protocol.", () => door.sockets.size);
  const server = createServer({ noDelay: true }, (socket) => void accept(door, socket));
  const listening = Promise.withResolvers<void>();
  server.on("error", listening.reject);
  server.listen({ host, port }, listening.resolve);
  await listening.promise;
  log.info("pgwire listens", { address: config.pgwire.bind, tls: tls !== undefined });
  const all = () => [...door.serving.values()].map(({ serving }) => serving);
  const ended = async () => void (await Promise.allSettled(all().map((serving) => serving.ended)));
  return {
    drain: () => {
      door.isStopping = true;
      if (server.listening) server.close();
      for (const serving of all()) serving.stop();
      return ended();
    },
    giveUp: () => {
      for (const serving of all()) serving.cancel(adminShutdown());
    },
    stop: async () => {
      door.isStopping = true;
      if (server.listening) server.close();
      for (const serving of all()) serving.cancel(adminShutdown());
      for (const socket of door.sockets) socket.destroy();
      await ended();
      await door.catalog.stop();
    },
  };
}

/** The address alone: the token is shown by the password. */
function admission(auth: Config["auth"], host: string): Greeting["admit"] {
  const gate = createGate({ ...auth, token: "", secondary_tokens: [] }, host);
  return (address) => {
    try {
      gate({ headers: new Headers() }, () => address);
    } catch (cause) {
      if (cause instanceof ServiceError) throw new SqlFailure("28000", cause.message, true);
      throw cause;
    }
  };
}

function secureContext({
  tls_cert_file: cert,
  tls_key_file: key,
}: Config["pgwire"]): SecureContext | undefined {
  if (cert === "" && key === "") return undefined;
  if (cert === "" || key === "")
    throw new ConfigError("pgwire.tls_cert_file and pgwire.tls_key_file: expected both, or neither");
  try {
    return createSecureContext({ cert: readFileSync(cert), key: readFileSync(key) });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      `pgwire.tls_cert_file and pgwire.tls_key_file: expected a certificate and its key in PEM: ${why}`,
    );
  }
}

/** Bytes that are read of a client while it is served. */
const aheadBytesMax = 256 * 1024;

async function accept(door: Door, socket: Socket): Promise<void> {
  const { config, clock, log } = door.deps;
  const { max_connections: most, write_timeout_ms: writeTimeoutMs } = config.pgwire;
  door.sockets.add(socket);
  socket.on("close", () => door.sockets.delete(socket));
  const wire = createWire(socket, { clock, writeTimeoutMs, aheadBytesMax });
  try {
    if (door.isStopping) throw adminShutdown();
    if (door.sockets.size > most)
      throw new SqlFailure("53300", `too many connections: ${most} are allowed`, true);
    await converse(door, wire);
  } catch (cause) {
    if (!(cause instanceof Gone)) {
      const isKnown =
        cause instanceof SqlFailure || cause instanceof ServiceError || cause instanceof FrameError;
      if (!isKnown) log.error("a connection failed", describe(cause));
      wire.put(failureBytes(fatal(cause)));
    }
  } finally {
    wire.end();
  }
}

const fatal = (cause: unknown): unknown =>
  cause instanceof FrameError
    ? new SqlFailure("08P01", cause.message, true)
    : cause instanceof SqlFailure
      ? new SqlFailure(cause.code, cause.message, true)
      : cause;

async function converse(door: Door, wire: ReturnType<typeof createWire>): Promise<void> {
  const { deps, serving } = door;
  const startup = await greet(wire, door.greeting());
  if (startup.code === startupCodes.cancel) {
    const found = serving.get(startup.process);
    if (found?.key === startup.key)
      found.serving.cancel(new SqlFailure("57014", "canceling statement due to user request"));
    return;
  }
  const process = freeProcess(serving);
  const key = randomInt(-(2 ** 31), 2 ** 31);
  const one = serve(wire, {
    ...{ startup, process, key, catalog: door.catalog },
    queryd: deps.peers.queryd,
    idleTimeoutMs: deps.config.pgwire.idle_timeout_ms,
    report: (cause) => deps.log.error("a statement failed", describe(cause)),
  });
  serving.set(process, { key, serving: one });
  if (door.isStopping) one.stop();
  await one.ended.finally(() => serving.delete(process));
}

/** A number that no other client has: clients name it to cancel. */
function freeProcess(taken: ReadonlyMap<number, unknown>): number {
  for (;;) {
    const process = randomInt(1, 2 ** 31);
    if (!taken.has(process)) return process;
  }
}
