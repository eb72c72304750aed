/** Bytes of a connection cut into messages, with a bound on how many are kept. */

/** A message: its letter, which the first of a connection does not have, and what follows its length. */
export interface Frame {
  letter: string;
  body: Buffer;
}

export interface Frames {
  add: (bytes: Uint8Array) => void;
  /** The next message that is whole, undefined where more bytes are awaited. Throws for a length that no message has. */
  next: () => Frame | undefined;
  /** Bytes that are kept. */
  held: () => number;
  /** From now on messages begin with a letter, and may be as long. */
  begin: (bytesMax: number) => void;
}

/** The longest first message: names, and a few settings (`MAX_STARTUP_PACKET_LENGTH`). */
const startupBytesMax = 10_000;

/** Why the bytes are no messages: nothing after them can be read. */
export class FrameError extends Error {
  override name = "FrameError";
}

export function createFrames(): Frames {
  let kept: Uint8Array[] = [];
  let length = 0;
  let hasLetter = false;
  let bytesMax = startupBytesMax;
  /** The bytes in one piece, joined only when a message is whole. */
  const joined = (): Buffer => {
    if (kept.length !== 1) kept = [Buffer.concat(kept)];
    const [all = new Uint8Array()] = kept;
    return Buffer.from(all.buffer, all.byteOffset, all.byteLength);
  };
  /** The length of the message that comes next, with its letter. */
  let awaited: number | undefined;
  return {
    add: (bytes) => {
      kept.push(bytes);
      length += bytes.length;
    },
    next: () => {
      const head = hasLetter ? 5 : 4;
      if (length < head || length < (awaited ?? 0)) return undefined;
      const all = joined();
      awaited ??= all.readInt32BE(head - 4) + head - 4;
      const size = awaited - (head - 4);
      if (size < 4 || size > bytesMax)
        throw new FrameError(`a message of ${size} bytes: expected 4 to ${bytesMax}`);
      if (length < awaited) return undefined;
      const letter = hasLetter ? String.fromCharCode(all[0] as number) : "";
      const body = all.subarray(head, awaited);
      kept = [all.subarray(awaited)];
      length -= awaited;
      awaited = undefined;
      return { letter, body };
    },
    held: () => length,
    begin: (most) => {
      hasLetter = true;
      bytesMax = most;
    },
  };
}
