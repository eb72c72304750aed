/**
 * What Bun hands to its node:http for each request, taken before node:http makes messages and streams of it, which would
 * cost half as much again as the whole request (ADR 0180). Bun documents none of it: the version is pinned, and what is
 * not as it is described here stops the start.
 */

import type { Server, Socket } from "node:net";

export type Bytes = Uint8Array<ArrayBuffer>;

/** The answer to one request, and the request's body. */
export interface Handle {
  /** Names and values in turn, as they were sent. */
  takeRawHeaders: () => string[] | undefined;
  /** Gets the body as it arrives; undefined: what is still to come of it is read and dropped. */
  ondata: ((bytes: Bytes | undefined, isLast: boolean, event: number) => void) | undefined;
  /** Stops reading from the connection; `ondata` gets nothing more until `resume`. */
  pause: () => void;
  resume: () => void;
  writeContinue: () => void;
  writeHead: (status: number, text: string, headers: Headers | string[], added: number) => void;
  flushHeaders: () => void;
  /** Bytes that were taken; negative: the socket takes no more until `drained` is called. */
  write: (bytes: Uint8Array, encoding: undefined, drained: () => void) => number;
  /** Negative: `onwritable` is called when the last byte is on its way. */
  end: () => number;
  writeHeadAndEnd: (
    status: number,
    text: string,
    headers: Headers | string[],
    body: Uint8Array | string | undefined,
    encoding: undefined,
    length: undefined,
    added: number,
  ) => number;
  onwritable: (() => void) | undefined;
  /** Bytes of the answer that the socket has not taken. */
  bufferedAmount: number;
}

/** A connection, below its Socket. */
export interface SocketHandle {
  remoteAddress: { address: string } | null;
  /** The answer to a request that had to wait is the next one written. False: the connection is gone. */
  startPipelinedResponse: (handle: Handle, isHttp10: boolean, closes: boolean) => boolean;
  /** Takes no more requests from the connection. */
  stopParsing: () => void;
}

const handleMethods =
  "takeRawHeaders pause resume writeContinue writeHead flushHeaders write end writeHeadAndEnd";
const socketMethods = "startPipelinedResponse stopParsing";

/** What a request's head says, as bits beside the call. */
export const closesConnection = 1;
export const hasHost = 8;
export const expectsContinue = 32;

/** For `added`: a Date header. */
export const addsDate = 1;

/** In a list of headers: there is no body, and the headers say nothing about one that could be added to them. */
export const withoutBody = ["\0", "2"] as const;

/** A request as Bun gives it. */
export interface Dispatched {
  /** As it stands in the request line. */
  target: string;
  method: string;
  bits: number;
  handle: Handle;
  hasBody: boolean;
  isHttp10: boolean;
}

type Take = (socket: Socket, socketHandle: SocketHandle, dispatched: Dispatched) => void;

/** Has `server` of node:http listen, and gives its requests to `take`. Throws when the address is taken. */
export function listenBelow(server: Server, port: number, hostname: string, take: Take): number {
  const { serve } = Bun;
  let listening: { port: number } | undefined;
  let failure: unknown;
  const onNodeHTTPRequest = (
    ...[, target, method, bits, handle, hasBody, socketHandle, , socket, isHttp10]: DispatchArguments
  ): void => take(socket, socketHandle, { target, method, bits, handle, hasBody, isHttp10 });
  const serveBelow = (options: Record<string, unknown>) => {
    const known = options.onNodeHTTPRequest;
    if (typeof known !== "function" || known.length !== dispatchArguments) throw otherBun("node:http of it");
    listening = serve({ ...options, onNodeHTTPRequest } as never) as unknown as { port: number };
    return listening;
  };
  // node:http reports in a later turn what fails here.
  server.on("error", (error) => {
    failure ??= error;
  });
  Object.assign(Bun, {
    serve: (options: Record<string, unknown>) => {
      try {
        return serveBelow(options);
      } catch (error) {
        failure = error;
        throw error;
      }
    },
  });
  try {
    server.listen(port, hostname);
  } finally {
    Object.assign(Bun, { serve });
  }
  if (failure !== undefined) throw failure;
  if (listening === undefined) throw otherBun("node:http of it");
  return listening.port;
}

const dispatchArguments = 12;

type DispatchArguments = [
  server: unknown,
  target: string,
  method: string,
  bits: number,
  handle: Handle,
  hasBody: boolean,
  socketHandle: SocketHandle,
  isNew: boolean,
  socket: Socket,
  isHttp10: boolean,
  connectHead: unknown,
  isPipelined: boolean,
];

/** Throws when what belongs to a first request of a connection has not what is asked of it. */
export function checkBun(handle: Handle, socketHandle: SocketHandle): void {
  const lacks = (value: object, names: string) => names.split(" ").find((name) => !(name in value));
  const missing = lacks(handle, handleMethods) ?? lacks(socketHandle, socketMethods);
  if (missing !== undefined) throw otherBun(`its '${missing}'`);
}

const otherBun = (what: string): Error =>
  new Error(
    `HTTP cannot be served by Bun ${Bun.version}: ${what} is not as in Bun 1.4.5, for which this is made. Use the version that package.json names`,
  );
