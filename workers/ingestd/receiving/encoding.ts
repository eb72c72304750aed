/** Text encodings: whatever came in, what is stored and parsed is UTF-8 without a byte order mark. */
import { isUtf8 } from "node:buffer";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Chunks } from "./decompress.ts";

/** `windows-1252` is another name of `latin-1`. */
export type Encoding = "utf-8" | "utf-16" | "latin-1" | "windows-1252";
type Decoding = "utf-8" | "utf-16le" | "utf-16be" | "latin1";

/** The encoding the first bytes show, and how many bytes of byte order mark there are. */
function decodingOf(
  head: Uint8Array,
  asked: Encoding | undefined,
): { decoding: Decoding; markBytes: number } {
  const [first, second, third] = head;
  const isLatin = asked === "latin-1" || asked === "windows-1252";
  if (first === 0xff && second === 0xfe && !isLatin) return { decoding: "utf-16le", markBytes: 2 };
  if (first === 0xfe && second === 0xff && !isLatin) return { decoding: "utf-16be", markBytes: 2 };
  if (first === 0xef && second === 0xbb && third === 0xbf) return { decoding: "utf-8", markBytes: 3 };
  if (isLatin) return { decoding: "latin1", markBytes: 0 };
  if (asked === "utf-16")
    return { decoding: first === 0 && second !== 0 ? "utf-16be" : "utf-16le", markBytes: 0 };
  return { decoding: "utf-8", markBytes: 0 };
}

/** True for bytes that are mostly Latin text in UTF-16 without a mark: every other byte is zero. */
function looksLikeUtf16(head: Uint8Array): boolean {
  const bytes = head.subarray(0, 4096);
  const zeros = bytes.reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0);
  return bytes.length >= 4 && zeros > bytes.length / 3;
}

/**
 * Yields the text as UTF-8, without its mark. UTF-8 itself is passed on unchecked: its rows are checked where they
 * are parsed, so that a bad one can be named. Broken UTF-16 is `unprocessable`. `latin-1` is read as browsers do,
 * which is Windows-1252: a superset in practice, and it gives every byte a character.
 */
async function* toUtf8(
  chunks: Chunks | readonly Uint8Array[],
  decoding: Decoding,
  markBytes: number,
): AsyncGenerator<Uint8Array> {
  const decoder =
    decoding === "utf-8" ? undefined : new TextDecoder(decoding, { fatal: true, ignoreBOM: true });
  const decode = (bytes?: Uint8Array) => {
    try {
      return Buffer.from(decoder?.decode(bytes, { stream: bytes !== undefined }) ?? "");
    } catch (cause) {
      throw fail("unprocessable", "the text is not valid UTF-16: a character is cut or has no pair", {
        cause,
      });
    }
  };
  let skip = markBytes;
  for await (const chunk of chunks) {
    const bytes = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - bytes.length;
    const text = decoder === undefined ? bytes : decode(bytes);
    if (text.length > 0) yield text;
  }
  const rest = decoder === undefined ? Buffer.alloc(0) : decode();
  if (rest.length > 0) yield rest;
}

/** A received text: its beginning, whether that is all of it, and all of it. */
interface Received {
  head: Buffer;
  whole: boolean;
  chunks: Chunks | readonly Uint8Array[];
}

interface Utf8Source {
  head: Buffer;
  chunks: Chunks;
  /** Bytes of the mark that was left out, where offsets still count it. */
  markBytes: number;
}

/** The text and its beginning as UTF-8. */
export async function asUtf8(
  { head, whole, chunks }: Received,
  asked: Encoding | undefined,
): Promise<Utf8Source> {
  const { decoding, markBytes } = decodingOf(head, asked);
  if (decoding === "utf-8" && looksLikeUtf16(head)) {
    throw fail(
      "unprocessable",
      "the file has a zero in every other byte, as UTF-16 has: send encoding=utf-16",
    );
  }
  const decoded: Buffer[] = [];
  // A character at the end of the head may be cut: its last bytes are left to the stream.
  const whole16 = whole || decoding === "utf-8" ? head.length : head.length - (head.length % 2);
  const safe = decoding.startsWith("utf-16") && !whole ? evenEnd(head.subarray(0, whole16), decoding) : head;
  for await (const text of toUtf8([safe], decoding, markBytes)) decoded.push(Buffer.from(text));
  return {
    head: Buffer.concat(decoded),
    chunks: toUtf8(chunks, decoding, markBytes),
    markBytes: decoding === "utf-8" ? markBytes : 0,
  };
}

/** UTF-16 up to a whole character: a high surrogate at the end waits for its pair. */
function evenEnd(bytes: Buffer, decoding: string): Buffer {
  const high = bytes[bytes.length - (decoding === "utf-16le" ? 1 : 2)] ?? 0;
  return high >= 0xd8 && high <= 0xdb ? bytes.subarray(0, -2) : bytes;
}

/** Checks a stream of UTF-8 whose characters may be split between chunks. */
interface Utf8Check {
  /** False from the first invalid byte on. */
  push: (chunk: Uint8Array) => boolean;
  end: () => boolean;
}

export function createUtf8Check(): Utf8Check {
  let valid = true;
  let carry: Uint8Array = new Uint8Array(0);
  return {
    push: (chunk) => {
      if (!valid) return false;
      let rest = chunk;
      if (carry.length > 0) {
        const wanted = sequenceLength(carry[0] ?? 0) - carry.length;
        const joined = Buffer.concat([carry, chunk.subarray(0, wanted)]);
        rest = chunk.subarray(wanted);
        if (joined.length < sequenceLength(joined[0] ?? 0)) {
          carry = joined;
          return true;
        }
        valid = isUtf8(joined);
        carry = new Uint8Array(0);
      }
      const whole = rest.length - incompleteTail(rest);
      valid &&= isUtf8(rest.subarray(0, whole));
      if (whole < rest.length) carry = rest.slice(whole);
      return valid;
    },
    end: () => valid && carry.length === 0,
  };
}

const sequenceLength = (lead: number): number => (lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1);

/** How many bytes at the end begin a character that goes on in the next chunk. */
function incompleteTail(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte >= 0xc0) return sequenceLength(byte) > back ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

/** Offset of the first byte that is not UTF-8, or -1. */
export function firstInvalidByte(bytes: Uint8Array): number {
  if (isUtf8(bytes)) return -1;
  let low = 0;
  let high = bytes.length;
  // The longest valid prefix, by halving: a prefix that ends inside a character counts as valid so far.
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const part = bytes.subarray(0, middle);
    if (isUtf8(part.subarray(0, middle - incompleteTail(part)))) low = middle;
    else high = middle;
  }
  const prefix = bytes.subarray(0, low);
  return low - incompleteTail(prefix);
}
