/** A body as frames on a MessagePort: chunks one way, credit for more the other way, so that neither side hoards. */
import { fromWire, type ServiceError, toWire, type WireError } from "./errors.ts";

export type BodyFrame =
  | { chunk: Uint8Array }
  | { end: true }
  | { broken: WireError }
  /** Bytes that the reader took. */
  | { taken: number }
  /** The reader wants no more. */
  | { cancel: true };

export type SendFrame = (frame: BodyFrame, transfer?: ArrayBuffer[]) => void;

/** Bytes under way before the sender waits for its reader. */
const windowBytes = 1024 * 1024;
/** Bytes taken before the reader says so: few messages, and the sender never waits for a whole window. */
const acknowledgeBytes = windowBytes / 4;

/** The reading end of a body. */
export interface IncomingBody {
  stream: ReadableStream<Uint8Array>;
  take: (frame: BodyFrame) => void;
  /** Errors the stream, and forgets what was not read. */
  fail: (reason: ServiceError) => void;
}

export function incomingBody(send: SendFrame): IncomingBody {
  let queue: Uint8Array[] = [];
  let isEnded = false;
  let failure: ServiceError | undefined;
  let wake = () => {};
  let taken = 0;
  const acknowledge = (bytes: number) => {
    taken += bytes;
    if (taken < acknowledgeBytes) return;
    send({ taken });
    taken = 0;
  };
  const fail = (reason: ServiceError) => {
    if (isEnded) return;
    failure ??= reason;
    queue = [];
    wake();
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        while (queue.length === 0 && !isEnded && failure === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (failure) return controller.error(failure);
        const chunk = queue.shift();
        if (chunk === undefined) return controller.close();
        controller.enqueue(chunk);
        acknowledge(chunk.length);
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
      if ("chunk" in frame) queue.push(frame.chunk);
      else if ("end" in frame) isEnded = true;
      else if ("broken" in frame) fail(fromWire(frame.broken));
      wake();
    },
  };
}

/** The sending end of a body. */
export interface OutgoingBody {
  take: (frame: BodyFrame) => void;
  /** Stops sending and lets go of the source. */
  stop: (reason: unknown) => void;
  /** Resolves when all was sent, or nothing more will be. */
  sent: Promise<void>;
}

export interface SendOptions {
  /** Sent before what the reader has. */
  first?: readonly Uint8Array[];
  /** Chunks are given away where they own their memory, instead of copied. */
  handOver: boolean;
}

/** Sends what a reader gives. A source that fails breaks the body on the other side, too. */
export function outgoingBody(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  send: SendFrame,
  { first = [], handOver }: SendOptions,
): OutgoingBody {
  let credit = windowBytes;
  let isStopped = false;
  let wake = () => {};
  const pass = async (chunk: Uint8Array) => {
    while (credit <= 0 && !isStopped) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (isStopped || chunk.length === 0) return;
    credit -= chunk.length;
    const { buffer, byteLength } = chunk;
    const owned = handOver && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
    send({ chunk }, owned ? [buffer] : []);
  };
  const run = async () => {
    try {
      for (const chunk of first) await pass(chunk);
      while (!isStopped) {
        const { value, done } = await reader.read();
        if (isStopped) return;
        if (done) return send({ end: true });
        await pass(value);
      }
    } catch (error) {
      if (!isStopped) send({ broken: toWire(error) });
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
      credit += frame.taken;
      wake();
    },
  };
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;
type Read = Awaited<ReturnType<Reader["read"]>>;

/** What a reader has already, without waiting for it: its next read, or undefined; and the reader to go on with. */
export async function readSoon(reader: Reader): Promise<{ soon: Read | undefined; reader: Reader }> {
  const pending = reader.read();
  // A failure is told by whoever reads next.
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
