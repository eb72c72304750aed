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

export function queryMessage(text: string): Buffer {
  const body = Buffer.from(`${text}\0`);
  const head = Buffer.alloc(5);
  head.write("Q");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

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

/** The messages that answer a simple query. */
export async function answersTo(socket: Socket, text: string): Promise<RawMessage[]> {
  const messages: RawMessage[] = [];
  const all = readMessages(socket, ({ letter, body }) => {
    messages.push({ letter, body: Buffer.from(body) });
    return letter === "Z";
  });
  socket.write(queryMessage(text));
  await all;
  return messages;
}
