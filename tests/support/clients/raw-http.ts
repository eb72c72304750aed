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
