/**
 * Rows inside LHV1, in pieces: each is three sections.
 *
 *   IDS   a table of texts
 *   VECS  f32, row by row
 *   META  a table of JSON texts, empty where the item has none; no texts at all when no item of the piece has any
 *
 * A table is u32 count, count + 1 × u32 offset of each text's end (the first is 0), and the texts in UTF-8.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Metadata, Upserts } from "../rows/rows.ts";
import { corrupt, type FrameReader, type FrameWriter } from "./frame.ts";

/** A piece is closed when its vectors or its texts reach this: little memory, and few sections. */
const pieceBytes = 4 * 1024 * 1024;
/** Longest id or metadata in bytes; far above what the service takes. */
const textBytesMax = 48 * 1024 * 1024;

/** Frames the upserts as pieces of rows. */
export function* encodeRows(
  frame: FrameWriter,
  { ids, vectors, metadata }: Upserts,
): Generator<Uint8Array<ArrayBuffer>> {
  const dimension = ids.length === 0 ? 0 : vectors.length / ids.length;
  const rowBytes = dimension * 4;
  for (let from = 0; from < ids.length; ) {
    const texts: string[] = [];
    let [to, bytes] = [from, 0];
    for (; to < ids.length && bytes < pieceBytes; to++) {
      const value = metadata[to];
      const text = value === undefined ? "" : JSON.stringify(value);
      texts.push(text);
      bytes += rowBytes + text.length + (ids[to]?.length ?? 0);
    }
    yield encodeTable(frame, "IDS ", ids.slice(from, to));
    const piece = vectors.subarray(from * dimension, to * dimension);
    const raw = new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
    yield frame.section("VECS", raw.length, (payload) => payload.set(raw));
    yield encodeTable(frame, "META", texts.some((text) => text !== "") ? texts : []);
    from = to;
  }
}

/** Frames the ids, in as many tables as are needed. */
export function* encodeIds(
  frame: FrameWriter,
  letters: string,
  ids: readonly string[],
): Generator<Uint8Array<ArrayBuffer>> {
  for (let from = 0; from < ids.length; ) {
    let [to, bytes] = [from, 0];
    for (; to < ids.length && bytes < pieceBytes; to++) bytes += 4 + (ids[to]?.length ?? 0);
    yield encodeTable(frame, letters, ids.slice(from, to));
    from = to;
  }
}

function encodeTable(frame: FrameWriter, letters: string, texts: readonly string[]): Uint8Array<ArrayBuffer> {
  const offsets = new Uint32Array(texts.length + 2);
  offsets[0] = texts.length;
  let bytes = 0;
  for (const [at, text] of texts.entries()) {
    const length = Buffer.byteLength(text);
    if (length > textBytesMax)
      throw fail("too_large", `an id or metadata has ${length} bytes, at most ${textBytesMax}`);
    bytes += length;
    offsets[at + 2] = bytes;
  }
  return frame.section(letters, offsets.byteLength + bytes, (payload) => {
    payload.set(new Uint8Array(offsets.buffer));
    const into = Buffer.from(payload.buffer, payload.byteOffset + offsets.byteLength, bytes);
    for (const [at, text] of texts.entries()) into.write(text, offsets[at + 1] ?? 0);
  });
}

/** Reads the piece whose IDS section is given; `offset` is where its vectors begin in the object. Throws `corrupt`. */
export async function decodePiece(
  frame: FrameReader,
  idTable: Uint8Array<ArrayBuffer>,
  dimension: number,
): Promise<Upserts & { offset: number }> {
  const ids = decodeTable(frame.key, idTable);
  const raw = await frame.expect("VECS");
  const offset = frame.at();
  if (raw.length !== ids.length * dimension * 4) {
    throw corrupt(
      frame.key,
      `${raw.length} bytes of vectors for ${ids.length} ids of dimension ${dimension}`,
    );
  }
  const texts = decodeTable(frame.key, await frame.expect("META"));
  if (texts.length !== 0 && texts.length !== ids.length) {
    throw corrupt(frame.key, `metadata of ${texts.length} items for ${ids.length} ids`);
  }
  const vectors = new Float32Array(raw.buffer, raw.byteOffset, raw.length / 4);
  return { ids, vectors, offset, metadata: ids.map((_, at) => parseMetadata(frame.key, texts[at])) };
}

function parseMetadata(key: string, text: string | undefined): Metadata | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Metadata;
  } catch (cause) {
    throw corrupt(key, "the metadata of an item is not JSON", cause);
  }
  throw corrupt(key, "the metadata of an item is not a JSON object");
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The texts of a table. Throws `corrupt`. */
export function decodeTable(key: string, payload: Uint8Array<ArrayBuffer>): string[] {
  const wrong = (cause?: unknown) => corrupt(key, "a table of texts does not hold what it states", cause);
  if (payload.length < 8) throw wrong();
  const words = new Uint32Array(payload.buffer, payload.byteOffset, payload.length >>> 2);
  const count = words[0] ?? 0;
  if (count + 2 > words.length) throw wrong();
  const base = (count + 2) * 4;
  const texts: string[] = [];
  try {
    for (let at = 0; at < count; at++) {
      const from = words[at + 1] ?? 0;
      const to = words[at + 2] ?? 0;
      if (to < from || base + to > payload.length) throw wrong();
      texts.push(utf8.decode(payload.subarray(base + from, base + to)));
    }
  } catch (cause) {
    throw wrong(cause);
  }
  if (words[1] !== 0 || base + (words[count + 1] ?? 0) !== payload.length) throw wrong();
  return texts;
}
