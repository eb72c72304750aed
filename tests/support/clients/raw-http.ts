/** Requests written byte by byte, for what no client would send: two headers of one name, bytes that are no ASCII. */
import { connect } from "node:net";

export interface RawRequest {
  host: string;
  port: number;
  method: string;
  path: string;
  /** In their order; a name may come twice. Bytes of Latin-1. */
  headers: readonly (readonly [string, string])[];
}

/** The status and the whole text of the answer. The connection is closed after it. */
export function sendRaw({
  host,
  port,
  method,
  path,
  headers,
}: RawRequest): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const lines = [`${method} ${path} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  const body = method === "POST" ? "{}" : "";
  const ends = ["Connection: close", `Content-Length: ${body.length}`, "", body];
  let text = "";
  const socket = connect({ host, port }, () => {
    socket.write(Buffer.from([...lines, ...ends].join("\r\n"), "latin1"));
  });
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
  });
  socket.on("error", reject);
  socket.on("close", () => {
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(text) ?? [];
    if (status === undefined) return reject(new Error(`no answer to ${method} ${path}: ${text}`));
    resolve({ status: Number(status), text });
  });
  return promise;
}

export interface RawAnswer {
  status: number;
  headers: Headers;
  body: Buffer;
}

/**
 * The answers that came over one connection, one after the other; the methods say which have no body. Throws where what
 * came is no answer, and where there is more of it than was asked for.
 */
export function answersOf(bytes: Buffer, methods: readonly string[]): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const end = rest.indexOf("\r\n\r\n");
    const [first = "", ...lines] = rest.subarray(0, end).toString("latin1").split("\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
    if (end < 0 || !status) throw new Error(`no answer: ${rest.subarray(0, 300).toString("latin1")}`);
    const headers = new Headers(lines.map((line) => line.split(/: ?(.*)/).slice(0, 2) as [string, string]));
    rest = rest.subarray(end + 4);
    if (status < 200) {
      answers.push({ status, headers, body: Buffer.alloc(0) });
      continue;
    }
    const method = methods[answers.filter((answer) => answer.status >= 200).length];
    if (method === undefined) throw new Error("more answers than requests");
    const isEmpty = method === "HEAD" || status === 204 || status === 304;
    const taken = isEmpty ? { body: Buffer.alloc(0), rest } : bodyOf(headers, rest);
    answers.push({ status, headers, body: taken.body });
    rest = taken.rest;
  }
  return answers;
}

function bodyOf(headers: Headers, bytes: Buffer): { body: Buffer; rest: Buffer } {
  if (headers.get("transfer-encoding") !== "chunked") {
    const length = Number(headers.get("content-length"));
    if (bytes.length < length) throw new Error(`${bytes.length} bytes of a body of ${length}`);
    return { body: bytes.subarray(0, length), rest: bytes.subarray(length) };
  }
  const chunks: Buffer[] = [];
  for (let rest = bytes; ; ) {
    const line = rest.indexOf("\r\n");
    const length = Number.parseInt(rest.subarray(0, line).toString("latin1"), 16);
    if (line < 0 || Number.isNaN(length) || rest.length < line + 4 + length) throw new Error("a cut chunk");
    chunks.push(rest.subarray(line + 2, line + 2 + length));
    rest = rest.subarray(line + 4 + length);
    if (length === 0) return { body: Buffer.concat(chunks), rest };
  }
}

export interface RawConnection {
  write: (text: string | Uint8Array) => void;
  /** Resolves when so many bytes have come, or all there are. */
  came: (bytes: number) => Promise<Buffer>;
  /** All that came until the connection ended. */
  ended: Promise<Buffer>;
  /** The same, and takes no more until `resume`: not even what comes before the caller of this goes on. */
  paused: (bytes: number) => Promise<Buffer>;
  resume: () => void;
  destroy: () => void;
}

/** A connection that is written to byte by byte. */
export function rawConnection(host: string, port: number): RawConnection {
  const chunks: Buffer[] = [];
  const waits = new Set<() => void>();
  const ended = Promise.withResolvers<Buffer>();
  let isOver = false;
  const socket = connect({ host, port });
  socket.setNoDelay(true);
  const look = () => {
    for (const wait of waits) wait();
  };
  socket.on("data", (bytes: Buffer) => {
    chunks.push(bytes);
    look();
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    isOver = true;
    ended.resolve(Buffer.concat(chunks));
    look();
  });
  const reached = (bytes: number, act: () => void = () => undefined) =>
    new Promise<Buffer>((resolve) => {
      const wait = () => {
        if (!isOver && chunks.reduce((sum, { length }) => sum + length, 0) < bytes) return;
        waits.delete(wait);
        act();
        resolve(Buffer.concat(chunks));
      };
      waits.add(wait);
      wait();
    });
  return {
    write: (text) => void socket.write(text),
    came: (bytes) => reached(bytes),
    ended: ended.promise,
    paused: (bytes) => reached(bytes, () => void socket.pause()),
    resume: () => void socket.resume(),
    destroy: () => void socket.destroy(),
  };
}
