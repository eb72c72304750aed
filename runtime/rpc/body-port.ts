/** A body as frames on a MessagePort: chunks one way, credit for more the other way, so that neither side hoards. */
import { fromWire, type ServiceError, toWire, type WireError } from "../errors/errors.ts";

export type BodyFrame =
  | { chunks: Uint8Array[] }
  | { end: true }
  | { broken: WireError }
  /** Bytes that the reader took. */
  | { taken: number }
  /** The reader has cancelled. */
  | { cancel: true };

type SendFrame = (frame: BodyFrame, transfer?: ArrayBuffer[]) => void;

/** Bytes under way before the sender waits for its reader. */
const windowBytes = 2 * 1024 * 1024;
/** Bytes that are worth a frame of their own while the reader has others to read. */
const frameBytes = windowBytes / 4;

/** The reading end of a body. */
export interface IncomingBody {
  stream: ReadableStream<Uint8Array>;
  take: (frame: BodyFrame) => void;
  /** Errors the stream, and forgets what was not read. */
  fail: (reason: ServiceError) => void;
}

export function incomingBody(send: SendFrame): IncomingBody {
  let queue: Uint8Array[][] = [];
  let isEnded = false;
  let failure: ServiceError | undefined;
  let wake = () => {};
  let given = 0;
  const fail = (reason: ServiceError) => {
    if (isEnded) return;
    failure ??= reason;
    queue = [];
    wake();
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      /** Asked for when all that was given before is read: a frame's chunks are given at once. */
      pull: async (controller) => {
        if (given > 0) send({ taken: given });
        given = 0;
        while (queue.length === 0 && !isEnded && failure === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (failure) return controller.error(failure);
        const chunks = queue.shift();
        if (chunks === undefined) return controller.close();
        for (const chunk of chunks) {
          controller.enqueue(chunk);
          given += chunk.length;
        }
      },
      cancel: () => {
        queue = [];
        if (!isEnded) send({ cancel: true });
      },
    },
    { highWaterMark: 0 },
  );
  return {
    stream,
    fail,
    take: (frame) => {
      if ("chunks" in frame) queue.push(frame.chunks);
      else if ("end" in frame) isEnded = true;
      else if ("broken" in frame) fail(fromWire(frame.broken));
      wake();
    },
  };
}

/** The sending end of a body. */
export interface OutgoingBody {
  take: (frame: BodyFrame) => void;
  /** Stops sending and cancels the source. */
  stop: (reason: unknown) => void;
  /** Resolves when all was sent, or nothing more will be. */
  sent: Promise<void>;
}

interface SendOptions {
  /** Sent before what the reader has. */
  first?: readonly Uint8Array[];
  /** Chunks are given away where they own their memory, instead of copied. */
  handOver: boolean;
}

/**
 * Sends what a reader gives, at once while the other side waits for it, and gathered into frames while it does not: a
 * message costs more than the bytes in it. A source that fails breaks the body on the other side, too.
 */
export function outgoingBody(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  send: SendFrame,
  { first = [], handOver }: SendOptions,
): OutgoingBody {
  let underWay = 0;
  let gathered: Uint8Array[] = [];
  let gatheredBytes = 0;
  let isStopped = false;
  let wake = () => {};
  const flush = () => {
    if (gatheredBytes === 0 || isStopped) return;
    const owned = handOver ? gathered.flatMap(({ buffer, byteLength }) => ownedBy(buffer, byteLength)) : [];
    send({ chunks: gathered }, owned);
    underWay += gatheredBytes;
    gathered = [];
    gatheredBytes = 0;
  };
  const pass = async (chunk: Uint8Array) => {
    while (underWay + gatheredBytes >= windowBytes && !isStopped) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (chunk.length === 0) return;
    gathered.push(chunk);
    gatheredBytes += chunk.length;
    if (underWay === 0 || gatheredBytes >= frameBytes) flush();
  };
  const run = async () => {
    try {
      for (const chunk of first) await pass(chunk);
      while (!isStopped) {
        const { value, done } = await reader.read();
        if (isStopped) return;
        if (!done) await pass(value);
        else {
          flush();
          return send({ end: true });
        }
      }
    } catch (error) {
      if (isStopped) return;
      flush();
      send({ broken: toWire(error) });
    }
  };
  const stop = (reason: unknown) => {
    if (isStopped) return;
    isStopped = true;
    wake();
    reader.cancel(reason).catch(() => undefined);
  };
  const sent = run();
  return {
    sent,
    stop,
    take: (frame) => {
      if ("cancel" in frame) stop("the reader wants no more");
      if (!("taken" in frame)) return;
      underWay -= frame.taken;
      if (underWay === 0) flush();
      wake();
    },
  };
}

const ownedBy = (buffer: ArrayBufferLike, bytes: number): ArrayBuffer[] =>
  buffer instanceof ArrayBuffer && buffer.byteLength === bytes ? [buffer] : [];

type Reader = ReadableStreamDefaultReader<Uint8Array>;
type Read = Awaited<ReturnType<Reader["read"]>>;

/** What a reader has already, without waiting for it: its next read, or undefined; and the reader to go on with. */
export async function readSoon(reader: Reader): Promise<{ soon: Read | undefined; reader: Reader }> {
  const pending = reader.read();
  // The next read reports a failure.
  pending.catch(() => undefined);
  const later = new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)));
  const soon = await Promise.race([pending, later]);
  if (soon) return { soon, reader };
  let next: Promise<Read> | undefined = pending;
  const read = () => {
    const now = next ?? reader.read();
    next = undefined;
    return now;
  };
  return { soon, reader: { read, cancel: (reason?: unknown) => reader.cancel(reason) } as Reader };
}
