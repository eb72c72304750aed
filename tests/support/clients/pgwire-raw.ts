/** Messages of PostgreSQL's protocol as they are, over the socket of a client that has come in already. */
import type { Socket } from "node:net";
import type pg from "pg";

interface RawMessage {
  letter: string;
  body: Buffer;
}

/** The client's own socket, on which nobody listens any more. */
export function takeSocket(client: pg.Client): Socket {
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  stream.removeAllListeners("data");
  return stream;
}

function message(letter: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(letter);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

export const queryMessage = (text: string): Buffer => message("Q", Buffer.from(`${text}\0`));

/** Calls back with each message that comes, until one says so. */
export function readMessages(socket: Socket, take: (message: RawMessage) => boolean): Promise<void> {
  let held = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const onData = (bytes: Buffer) => {
      held = held.length === 0 ? (bytes as typeof held) : Buffer.concat([held, bytes]);
      let at = 0;
      while (at + 5 <= held.length && at + 1 + held.readInt32BE(at + 1) <= held.length) {
        const end = at + 1 + held.readInt32BE(at + 1);
        const isLast = take({
          letter: String.fromCharCode(held[at] as number),
          body: held.subarray(at + 5, end),
        });
        at = end;
        if (!isLast) continue;
        socket.off("data", onData);
        return resolve();
      }
      held = held.subarray(at);
    };
    socket.on("data", onData);
    socket.on("close", () => reject(new Error("the connection was closed")));
  });
}

/** The messages that answer a simple query, or others that end with Sync. */
export async function answersTo(socket: Socket, sent: string | Buffer): Promise<RawMessage[]> {
  const messages: RawMessage[] = [];
  const all = readMessages(socket, ({ letter, body }) => {
    messages.push({ letter, body: Buffer.from(body) });
    return letter === "Z";
  });
  socket.write(typeof sent === "string" ? queryMessage(sent) : sent);
  await all;
  return messages;
}

const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => Buffer.concat([int16(value >> 16), int16(value & 65_535)]);
const sync = message("S", Buffer.alloc(0));

/**
 * As drivers ask that look at a statement's types before they give its values: what the messages were, the types of the
 * parameters, and the first row, all in text.
 */
export async function describedFirst(socket: Socket, text: string, values: readonly (string | null)[]) {
  const parse = message("P", Buffer.concat([Buffer.from(`\0${text}\0`), int16(0)]));
  const described = await answersTo(socket, Buffer.concat([parse, message("D", Buffer.from("S\0")), sync]));
  const given = values.map((value) =>
    value === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(value)), Buffer.from(value)]),
  );
  const bound = [Buffer.from("\0\0"), int16(0), int16(values.length), ...given, int16(0)];
  const execute = message("E", Buffer.concat([Buffer.from("\0"), int32(0)]));
  const run = Buffer.concat([message("B", Buffer.concat(bound)), execute, sync]);
  const answered = await answersTo(socket, run);
  const types = described.find(({ letter }) => letter === "t")?.body ?? int16(0);
  const row = answered.find(({ letter }) => letter === "D")?.body;
  return {
    letters: [...described, ...answered].map(({ letter }) => letter).join(""),
    oids: Array.from({ length: types.readInt16BE(0) }, (_, at) => types.readInt32BE(2 + 4 * at)),
    row: row && textsOf(row),
  };
}

/** The values of a DataRow. */
function textsOf(body: Buffer): (string | null)[] {
  let at = 2;
  return Array.from({ length: body.readInt16BE(0) }, () => {
    const size = body.readInt32BE(at);
    at += 4 + Math.max(0, size);
    return size < 0 ? null : body.toString("utf8", at - size, at);
  });
}
