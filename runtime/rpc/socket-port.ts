/**
 * A MessagePort between processes: what is posted goes over a socket in frames, so that the calls and streams of
 * rpc.ts and exchange.ts work alike between threads and processes.
 *
 * A frame is 4 bytes of little-endian length and the value as codec.ts encodes it.
 */
import { decode, encodeParts } from "./codec.ts";

/** Longer frames are a mistake: bodies travel in pieces, and values between services are small. */
const frameBytesMax = 1024 * 1024 * 1024;
const lengthBytes = 4;

/**
 * Opens the port on a connected socket, given by its descriptor, which it owns from then on. `onEnd` is called
 * when the other side is gone; the port itself rejects nothing, as only the caller knows what that means.
 */
export async function openSocketPort(fd: number, onEnd: () => void): Promise<MessagePort> {
  const port = createPort(onEnd);
  // Bun opens a socket by its descriptor; its types know of addresses alone.
  const connect = Bun.connect as unknown as (options: { fd: number; socket: object }) => Promise<Socket>;
  port.begin(await connect({ fd, socket: port.events }));
  return port.face;
}

interface Socket {
  write: (bytes: Uint8Array) => number;
  end: () => void;
}

function createPort(onEnd: () => void) {
  const frames = createFrames((frame) => face.onmessage?.({ data: decode(frame, true) } as MessageEvent));
  let waiting: Uint8Array[] = [];
  let socket: Socket | undefined;
  let isClosed = false;

  const flush = () => {
    while (socket !== undefined && waiting.length > 0) {
      const [first] = waiting as [Uint8Array];
      const written = Math.max(0, socket.write(first));
      if (written < first.length) {
        waiting[0] = first.subarray(written);
        return;
      }
      waiting.shift();
    }
  };
  const closed = () => {
    if (isClosed) return;
    isClosed = true;
    waiting = [];
    onEnd();
  };
  const face = {
    onmessage: null as ((event: MessageEvent) => void) | null,
    postMessage: (value: unknown) => {
      if (isClosed) return;
      const isBusy = waiting.length > 0;
      waiting.push(...framesOf(value));
      // What still waits goes out when the socket has drained.
      if (!isBusy) flush();
    },
    addEventListener: () => {},
    close: () => {
      isClosed = true;
      waiting = [];
      socket?.end();
    },
  };
  const events = {
    data: (_: Socket, bytes: Uint8Array) => frames.take(bytes),
    drain: flush,
    close: closed,
    end: closed,
    error: closed,
  };
  const begin = (opened: Socket) => {
    socket = opened;
    flush();
  };
  return { face: face as unknown as MessagePort, events, begin };
}

/** Bytes from which an array is written by itself: below, one write of all is quicker than two. */
const apartBytes = 32 * 1024;

/** The frame of a value, in pieces to be written one after the other. */
function framesOf(value: unknown): Uint8Array[] {
  const [head, ...attachments] = encodeParts(value);
  const bytes = attachments.reduce((sum, part) => sum + part.length, head.length);
  const first = new Uint8Array(lengthBytes + (bytes > apartBytes ? head.length : bytes));
  new DataView(first.buffer).setUint32(0, bytes, true);
  first.set(head, lengthBytes);
  if (bytes > apartBytes) return [first, ...attachments.filter((part) => part.length > 0)];
  let at = lengthBytes + head.length;
  for (const part of attachments) {
    first.set(part, at);
    at += part.length;
  }
  return [first];
}

/** Puts frames together again. What it hands on is its own memory. */
function createFrames(give: (frame: Uint8Array<ArrayBuffer>) => void) {
  const head = new Uint8Array(lengthBytes);
  let headFilled = 0;
  let frame: Uint8Array<ArrayBuffer> | undefined;
  let filled = 0;
  return {
    take: (bytes: Uint8Array) => {
      let at = 0;
      while (at < bytes.length) {
        if (frame === undefined) {
          const part = bytes.subarray(at, at + lengthBytes - headFilled);
          head.set(part, headFilled);
          headFilled += part.length;
          at += part.length;
          if (headFilled < lengthBytes) return;
          const length = new DataView(head.buffer).getUint32(0, true);
          if (length > frameBytesMax) throw new Error(`a frame of ${length} bytes came over a socket`);
          frame = new Uint8Array(length);
          [headFilled, filled] = [0, 0];
        }
        const part = bytes.subarray(at, at + frame.length - filled);
        frame.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < frame.length) return;
        const whole = frame;
        frame = undefined;
        give(whole);
      }
    },
  };
}
