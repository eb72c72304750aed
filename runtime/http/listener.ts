/** The listener of a face: takes connections, ends those that are silent, and stops when all is answered. */

import http from "node:http";
import type { Socket } from "node:net";
import { fail } from "../errors/errors.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { listenBelow } from "./below-node-http.ts";
import { Connection, type ConnectionRules } from "./connection.ts";

export interface ListenerRules extends Pick<ConnectionRules, "answer"> {
  /** The answer to what is no request. */
  refuse: (failure: unknown) => Promise<Response>;
  /** Longest wait for a whole request head, and of a connection between requests; without it there is no end. */
  idleMs: number | undefined;
  clock: Pick<Clock, "elapsed" | "after">;
  /** Gives up waiting for callers that are silent. */
  giveUpSilent: () => void;
  /** Answers what has no answer. */
  giveUp: () => void;
}

export interface Listening {
  port: number;
  /**
   * Stops taking connections and waits until what callers asked for is answered, at most `ms`. Then whoever has no
   * answer gets a 503, or a 502 where something may have been changed; streams that go on are cut. Silent callers are
   * not waited for.
   */
  close: (ms: number) => Promise<void>;
}

/** Where a socket has its connection: cheaper at each request than a map of them. */
const own = Symbol("connection");
type Known = Socket & { [own]?: Connection };

/** The guard refuses shorter heads already, by their length; longer ones are not read. */
const maxHeaderSize = 1024 * 1024;
/** How often connections are looked at that may have been silent for too long, in milliseconds. */
const silenceLookMs = 1000;
/** How often a listener that stops looks whether all is answered, in milliseconds. */
const stoppingLookMs = 20;
/** How long answers to what was given up, and the last events of streams, may take to leave. */
const partingMs = 500;

/** Listens; throws when the address is taken. */
export function startListener(hostname: string, port: number, rules: ListenerRules): Listening {
  const { answer, clock, idleMs = Number.POSITIVE_INFINITY } = rules;
  // The deadlines are ours, so that they are the same whatever waits for what.
  const server = http.createServer({
    maxHeaderSize,
    requireHostHeader: false,
    requestTimeout: 0,
    headersTimeout: 0,
  });
  const connections = new Set<Connection>();
  let isStopping = false;
  const connectionRules: ConnectionRules = {
    answer,
    refusal: async (failure) => rawAnswer(await rules.refuse(failure)),
    now: clock.elapsed,
    isStopping: () => isStopping,
  };
  server.on("connection", (socket: Known) => {
    const connection = new Connection(socket, connectionRules);
    socket[own] = connection;
    connections.add(connection);
    socket.on("close", () => connections.delete(connection));
  });
  server.on("clientError", (error: ClientError, socket: Known) => {
    if (error.code !== undefined && goneCodes.has(error.code)) socket.destroy();
    else socket[own]?.takeUnreadable(unreadable(error));
  });
  const bound = listenBelow(server, port, hostname, (socket: Known, handle, dispatched) =>
    socket[own]?.take(handle, dispatched),
  );
  const look = () => {
    for (const connection of connections) if (connection.quietMs() >= idleMs) connection.destroy();
    stopLooking = clock.after(silenceLookMs, look);
  };
  let stopLooking = clock.after(silenceLookMs, look);
  const answered = async (limitMs: number) => {
    const isBusy = () => connections.values().some((connection) => connection.isBusy);
    for (const end = clock.elapsed() + limitMs; isBusy() && clock.elapsed() < end; ) {
      rules.giveUpSilent();
      await Bun.sleep(stoppingLookMs);
    }
  };
  const close = async (ms: number) => {
    isStopping = true;
    server.close();
    for (const connection of connections) connection.stop();
    await answered(ms);
    rules.giveUp();
    await answered(partingMs);
    stopLooking();
    server.closeAllConnections();
  };
  return { port: bound, close };
}

interface ClientError extends Error {
  code?: string;
}

/** The client went away, or will send no more: there is nobody to answer, or nothing. */
const goneCodes = new Set(["ECONNRESET", "HPE_INVALID_EOF_STATE"]);

function unreadable({ code, message }: ClientError) {
  if (code === "HPE_HEADER_OVERFLOW")
    return fail(
      "headers_too_large",
      "the request has too many headers, or they and the URL are too long; at most 16384 bytes are allowed, and 200 headers",
    );
  if (code === "HPE_INVALID_METHOD")
    return fail(
      "bad_request",
      "the request's method is not known; expected one of HTTP, such as GET or POST",
    );
  if (code === "HPE_INVALID_URL")
    return fail("bad_request", "the URL has bytes that no URL has: percent-encode them (ü is %C3%BC)");
  return fail(
    "bad_request",
    `expected a request of HTTP/1.1, got what is none (${message}); the connection ends`,
  );
}

/** An answer as it is written to a socket where no request has been read. */
async function rawAnswer(response: Response): Promise<Uint8Array> {
  const body = await response.bytes();
  response.headers.set("connection", "close");
  response.headers.set("content-length", String(body.length));
  response.headers.set("date", new Date().toUTCString());
  const lines = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${response.status} ${http.STATUS_CODES[response.status]}\r\n${lines.join("")}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
}
