/**
 * LHV1: how vectord's objects are framed. Integers are little-endian.
 *
 *   header    "LHV1", u16 version, u16 kind, u64 checksum of the 8 bytes before it
 *   section   four letters, u32 number (0, 1, 2 …), u64 length, payload, zeros up to a multiple of 8,
 *             u64 checksum of all of it from the letters on
 *   …
 *   END       a section: u64 sections before it, u64 bytes before it, u64 chain of the checksums before it
 *
 * A checksum is XXH64 with seed 0; the chain takes each checksum with the chain so far as its seed, from 0. After END
 * comes nothing. The header is the same in every version, so that a newer version is told from damage.
 */

import type { Static, TObject } from "@sinclair/typebox";
import { check } from "../../../runtime/contract/contract.ts";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";

const formatVersion = 1;
/** The code of a kind is its place here. */
const kinds = ["manifest", "segment", "checkpoint"] as const;
type Kind = (typeof kinds)[number];

const magic = 0x3156_484c; // "LHV1"
const headerBytes = 16;
const checksumBytes = 8;
const endLetters = "END ";
const endPayloadBytes = 24;
/** Longest payload that is written or read at once; a row with the largest metadata there can be fits four times. */
const payloadBytesMax = 64 * 1024 * 1024;

interface Section {
  /** Four ASCII letters. */
  letters: string;
  /** Begins at a multiple of 4 in its buffer, so that floats are viewed in place. */
  payload: Uint8Array<ArrayBuffer>;
}

/** The object `key` cannot be trusted. */
export const corrupt = (key: string, why: string, cause?: unknown): ServiceError =>
  fail("corrupt", `'${key}' is damaged: ${why}`, { details: { key }, cause });

const checksum = (bytes: Uint8Array, seed = 0n): bigint => Bun.hash.xxHash64(bytes, seed);
const padding = (length: number): number => -length & 7;
const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const chained = (chain: bigint, sum: bigint): bigint => {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, sum, true);
  return checksum(bytes, chain);
};

export interface FrameWriter {
  /** The first bytes of the object. */
  header: Uint8Array<ArrayBuffer>;
  /** The next section; `fill` gets its payload, all zeros, to write into. */
  section: (
    letters: string,
    length: number,
    fill: (payload: Uint8Array<ArrayBuffer>) => void,
  ) => Uint8Array<ArrayBuffer>;
  /** The last bytes of the object, and the chain, which tells it from any other. */
  end: () => { bytes: Uint8Array<ArrayBuffer>; chain: string };
}

/** Frames an object piece by piece; the pieces in the order of the calls are its bytes. */
export function createFrameWriter(kind: Kind): FrameWriter {
  const header = new Uint8Array(headerBytes);
  const view = viewOf(header);
  view.setUint32(0, magic, true);
  view.setUint16(4, formatVersion, true);
  view.setUint16(6, kinds.indexOf(kind), true);
  view.setBigUint64(8, checksum(header.subarray(0, 8)), true);
  let chain = chained(0n, view.getBigUint64(8, true));
  let number = 0;
  let written = headerBytes;

  const section: FrameWriter["section"] = (letters, length, fill) => {
    if (length > payloadBytesMax)
      throw fail("too_large", `a section has ${length} bytes, at most ${payloadBytesMax}`);
    const checked = headerBytes + length + padding(length);
    const bytes = new Uint8Array(checked + checksumBytes);
    const view = viewOf(bytes);
    for (let at = 0; at < 4; at++) bytes[at] = letters.charCodeAt(at);
    view.setUint32(4, number, true);
    view.setBigUint64(8, BigInt(length), true);
    fill(bytes.subarray(headerBytes, headerBytes + length));
    const sum = checksum(bytes.subarray(0, checked));
    view.setBigUint64(checked, sum, true);
    chain = chained(chain, sum);
    number += 1;
    written += bytes.length;
    return bytes;
  };

  return {
    header,
    section,
    end: () => {
      const before = { number, written, chain };
      const bytes = section(endLetters, endPayloadBytes, (payload) => {
        const view = viewOf(payload);
        view.setBigUint64(0, BigInt(before.number), true);
        view.setBigUint64(8, BigInt(before.written), true);
        view.setBigUint64(16, before.chain, true);
      });
      return { bytes, chain: chainText(before.chain) };
    },
  };
}

const chainText = (chain: bigint): string => chain.toString(16).padStart(16, "0");

/** Where an object is read from. */
export interface Source {
  /** For errors. */
  key: string;
  bytes: number;
  /** So many bytes from `from` on, which are within the object; aligned to 4 in their buffer when `from` is. */
  read: (from: number, length: number) => Promise<Uint8Array<ArrayBuffer>>;
}

/** An object in memory. */
export function sourceOf(key: string, bytes: Uint8Array<ArrayBuffer>): Source {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return {
    key,
    bytes: bytes.length,
    read: async (from, length) => aligned.subarray(from, from + length),
  };
}

export interface FrameReader {
  key: string;
  /** The size of the object: nothing in it can be larger. */
  bytes: number;
  /** The next section, checked; undefined after the end, which is checked too. Throws `corrupt`. */
  next: () => Promise<Section | undefined>;
  /** As `next`, where only a section with these letters can be right. */
  expect: (letters: string) => Promise<Uint8Array<ArrayBuffer>>;
  /** Where the payload of the section that was read last begins in the object. */
  at: () => number;
  /** As the writer's `end` gave it, once the end was read. */
  chain: () => string;
}

/** Begins to read an object of the kind. Throws `corrupt` for damage, and for a newer version. */
export async function readFrame(source: Source, kind: Kind): Promise<FrameReader> {
  const { key } = source;
  let at = headerBytes;
  let number = 0;
  let chain = chained(0n, await readHeader(source, kind));
  let ended = false;
  let payloadAt = at;

  const next = async (): Promise<Section | undefined> => {
    if (ended) return undefined;
    const { section, sum, bytes } = await readSection(source, at, number);
    if (section.letters === endLetters) {
      const view = viewOf(section.payload);
      const right =
        section.payload.length === endPayloadBytes &&
        view.getBigUint64(0, true) === BigInt(number) &&
        view.getBigUint64(8, true) === BigInt(at) &&
        view.getBigUint64(16, true) === chain;
      if (!right) throw corrupt(key, "its end does not belong to what stands before it");
      if (at + bytes !== source.bytes)
        throw corrupt(key, `${source.bytes - at - bytes} bytes follow its end`);
      ended = true;
      return undefined;
    }
    payloadAt = at + headerBytes;
    at += bytes;
    number += 1;
    chain = chained(chain, sum);
    return section;
  };

  return {
    key,
    bytes: source.bytes,
    next,
    expect: async (letters) => {
      const section = await next();
      if (section?.letters === letters) return section.payload;
      throw corrupt(key, `expected section ${letters}, found ${section?.letters ?? "its end"}`);
    },
    at: () => payloadAt,
    chain: () => chainText(chain),
  };
}

/** Of the bytes of one section: its letters, and where its payload stands in them. */
export function sectionOf(bytes: Uint8Array): { letters: string; offset: number; length: number } {
  const letters = String.fromCharCode(...bytes.subarray(0, 4));
  return { letters, offset: headerBytes, length: Number(viewOf(bytes).getBigUint64(8, true)) };
}

async function readHeader(source: Source, kind: Kind): Promise<bigint> {
  const { key, bytes } = source;
  if (bytes < headerBytes) throw corrupt(key, `it has ${bytes} bytes, fewer than a header of ${headerBytes}`);
  const header = await source.read(0, headerBytes);
  const view = viewOf(header);
  const sum = view.getBigUint64(8, true);
  if (view.getUint32(0, true) !== magic) throw corrupt(key, "it does not begin with LHV1");
  if (checksum(header.subarray(0, 8)) !== sum) throw corrupt(key, "the checksum of its header is wrong");
  const version = view.getUint16(4, true);
  if (version > formatVersion) {
    throw fail(
      "corrupt",
      `'${key}' has format version ${version}, written by a newer version of the program; this one reads ${formatVersion}: use the newer one`,
      { details: { key, version } },
    );
  }
  const found = kinds[view.getUint16(6, true)];
  if (version !== formatVersion || found !== kind) {
    throw corrupt(
      key,
      `expected a ${kind} of version ${formatVersion}, found ${found ?? "no kind that is known"} of version ${version}`,
    );
  }
  return sum;
}

async function readSection(source: Source, at: number, number: number) {
  const { key } = source;
  const cut = (what: string) =>
    corrupt(key, `it is cut short in ${what} ${number} at byte ${at} of ${source.bytes}`);
  const left = source.bytes - at;
  if (left < headerBytes + checksumBytes) throw cut("the head of section");
  const head = viewOf(await source.read(at, headerBytes));
  const stated = head.getBigUint64(8, true);
  // The length is not trusted before the checksum is right: it is only used to read within the object.
  if (stated > BigInt(left) || stated > BigInt(payloadBytesMax)) {
    throw corrupt(key, `section ${number} at byte ${at} states ${stated} bytes where ${left} are left`);
  }
  const length = Number(stated);
  const checked = headerBytes + length + padding(length);
  if (left < checked + checksumBytes) throw cut("section");
  const bytes = await source.read(at, checked + checksumBytes);
  const view = viewOf(bytes);
  const sum = view.getBigUint64(checked, true);
  if (checksum(bytes.subarray(0, checked)) !== sum) {
    throw corrupt(key, `the checksum of section ${number} at byte ${at} is wrong`);
  }
  if (view.getUint32(4, true) !== number)
    throw corrupt(key, `section ${number} at byte ${at} has another number`);
  const letters = String.fromCharCode(...bytes.subarray(0, 4));
  const payload = bytes.subarray(headerBytes, headerBytes + length);
  return { section: { letters, payload }, sum, bytes: bytes.length };
}

// The head of an LHV1 object: its first section, a JSON object of a known shape.

/** Frames the head. */
export function encodeHead(frame: FrameWriter, head: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(head));
  return frame.section("HEAD", text.length, (payload) => payload.set(text));
}

/** Reads the head, which must have the schema's shape. Throws `corrupt`. */
export async function decodeHead<S extends TObject>(frame: FrameReader, schema: S): Promise<Static<S>> {
  const payload = await frame.expect("HEAD");
  try {
    return check(schema, JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload)), "the head");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw corrupt(frame.key, `its head is not what it should be (${why})`, cause);
  }
}
