/** A socket as messages: what a client sends is held back while nobody reads it, what it does not read holds the answer back. */
import type { Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { createFrames, type Frame } from "../protocol/protocol.ts";

/** The client is not there any more, or was silent for too long. */
export class Gone extends Error {
  override name = "Gone";
}

export interface Wire {
  /** The next message. Rejects with `Gone`, and with `FrameError` for what is none. */
  next: (waitMs: number) => Promise<Frame>;
  /** Puts bytes behind those that wait to be sent. */
  put: (...bytes: Uint8Array[]) => void;
  /** Sends what waits; resolves when there is room for more. */
  flush: () => Promise<void>;
  /** From now on messages have a letter. */
  begin: (bytesMax: number) => void;
  /** Bytes that came and were not read. */
  held: () => number;
  /** Aborted when the connection ends. */
  gone: AbortSignal;
  /** Goes on encrypted. */
  secure: (context: SecureContext) => void;
  isSecure: () => boolean;
  address: string | undefined;
  /** Sends what waits, and ends the connection. */
  end: () => void;
}

interface Limits {
  clock: Pick<Clock, "after">;
  /** How long a client may not read what it is sent. */
  writeTimeoutMs: number;
  /** Bytes that are read ahead. */
  aheadBytesMax: number;
}

export function createWire(first: Socket, { clock, writeTimeoutMs, aheadBytesMax }: Limits): Wire {
  const frames = createFrames();
  const gone = new AbortController();
  let socket: Socket = first;
  let secured = false;
  let wake = () => {};
  /** A message that is longer than what is read ahead must come in all the same. */
  let isAwaited = false;
  const end = () => {
    if (!gone.signal.aborted) gone.abort(new Gone("the client went away"));
    wake();
  };
  const onData = (bytes: Uint8Array) => {
    frames.add(bytes);
    if (frames.held() > aheadBytesMax && !isAwaited) socket.pause();
    wake();
  };
  const listen = () => {
    socket.on("data", onData);
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", end);
  };
  const awake = (waitMs: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const forget = clock.after(waitMs, () => {
        socket.destroy();
        reject(new Gone(`the client was silent for ${waitMs} ms`));
      });
      wake = () => {
        wake = () => {};
        forget();
        resolve();
      };
    });
  const outgoing = createOutgoing(() => socket, gone, { clock, writeTimeoutMs });
  listen();
  first.setNoDelay(true);
  return {
    next: async (waitMs) => {
      for (;;) {
        const frame = frames.next();
        if (frame) return frame;
        if (gone.signal.aborted) throw gone.signal.reason;
        isAwaited = true;
        socket.resume();
        await awake(waitMs).finally(() => {
          isAwaited = false;
        });
      }
    },
    put: outgoing.put,
    flush: outgoing.flush,
    begin: frames.begin,
    held: frames.held,
    gone: gone.signal,
    isSecure: () => secured,
    secure: (context) => {
      socket.off("data", onData);
      socket = new TLSSocket(socket, { isServer: true, secureContext: context });
      secured = true;
      listen();
    },
    address: first.remoteAddress,
    end: () => {
      if (!gone.signal.aborted) socket.end(outgoing.rest());
      clock.after(partingMs, () => socket.destroy());
      end();
    },
  };
}

/** What waits to be sent, put together. */
function createOutgoing(
  socketOf: () => Socket,
  gone: AbortController,
  { clock, writeTimeoutMs }: Pick<Limits, "clock" | "writeTimeoutMs">,
) {
  let waiting: Uint8Array[] = [];
  const rest = (): Uint8Array => {
    const [first = new Uint8Array(), ...more] = waiting;
    waiting = [];
    return more.length === 0 ? first : Buffer.concat([first, ...more]);
  };
  const send = async (bytes: Uint8Array): Promise<void> => {
    const socket = socketOf();
    if (bytes.length === 0 || gone.signal.aborted || socket.write(bytes)) return;
    const cut = () => {
      gone.abort(new Gone(`the client read nothing for ${writeTimeoutMs} ms`));
      socket.destroy();
    };
    const forget = clock.after(writeTimeoutMs, cut);
    await drained(socket, gone.signal).finally(forget);
  };
  return {
    rest,
    put: (...bytes: Uint8Array[]) => {
      waiting.push(...bytes);
    },
    flush: async () => {
      await send(rest());
      if (gone.signal.aborted) throw gone.signal.reason;
    },
  };
}

/** How long the last bytes may take to leave. */
const partingMs = 500;

/** Resolves when the socket takes more; rejects when its client goes away. */
function drained(socket: Socket, gone: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (settle: () => void) => () => {
      socket.off("drain", go);
      gone.removeEventListener("abort", leave);
      settle();
    };
    const go = stop(resolve);
    const leave = stop(() => reject(gone.reason));
    socket.on("drain", go);
    gone.addEventListener("abort", leave, { once: true });
  });
}
