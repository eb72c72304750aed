/** The interface of a bucket, wherever its bytes are. One conformance suite holds all implementations to it. */
import type { Static } from "@sinclair/typebox";
import type { Finding } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type {
  BucketInfo as BucketInfoSchema,
  Location as LocationSchema,
  ObjectInfo as ObjectInfoSchema,
} from "../contract.ts";

export { type Corruptions, createCorruptions } from "./corruptions.ts";
export { checkPrefix, compareKeys, parseAddress, reservedPrefix } from "./keys.ts";
export { collect, counted, unlessStalled, watched, withTimeout } from "./streams.ts";

export type ObjectInfo = Static<typeof ObjectInfoSchema>;
type BucketInfo = Static<typeof BucketInfoSchema>;
type Location = Static<typeof LocationSchema>;

/** As in HTTP: `ifMatch` an unquoted etag or `*` (any object), `ifNoneMatch` `*` (no object). */
export interface Conditions {
  ifMatch?: string | undefined;
  ifNoneMatch?: "*" | undefined;
}

/** An object being read: one generation from the first byte to the last, whatever is written meanwhile. */
export interface OpenObject {
  info: ObjectInfo;
  /** The bytes the body holds, when a range was asked for. */
  span?: Span;
  /** SHA-256 of the whole object in hex, where it is known. */
  sha256?: string;
  /** Errors when the bytes are not whole; ends cleanly only when they are. Cancel it when it is not read. */
  body: ReadableStream<Uint8Array>;
}

export interface Written {
  info: ObjectInfo;
  /** False when an object was replaced. */
  created: boolean;
}

/** A body that was received completely but is not yet the object. Exactly one of the two calls must follow. */
export interface Upload {
  bytes: number;
  /** SHA-256 of the bytes, in hex. */
  sha256: string;
  /** Makes it the object, durably: `precondition_failed` when a condition does not hold. */
  commit: (conditions: Conditions) => Promise<Written>;
  discard: () => Promise<void>;
}

export interface ReceiveOptions {
  contentType?: string | undefined;
  /** Most bytes the body may have: `too_large` beyond. */
  bytesMax: number;
  /** What the sender announced; a body of another length is refused. */
  bytes?: number | undefined;
  signal: AbortSignal;
}

export interface ListQuery {
  prefix: string;
  delimiter?: "/" | undefined;
  pageSize: number;
  pageToken?: string | undefined;
  signal: AbortSignal;
}

export interface ListPage {
  objects: ObjectInfo[];
  prefixes: string[];
  /** Keys whose objects are corrupt: damaged, or not written by storaged. */
  corrupt: string[];
  nextPageToken?: string | undefined;
}

export interface Bucket {
  describe: () => BucketInfo;
  /** Reasons for not being ready, such as corrupt objects or an unreachable server. */
  notReady: () => string[];
  /** `not_found` when there is no such object. */
  head: (key: string, signal: AbortSignal) => Promise<ObjectInfo>;
  /** Opens the object, or the part of it that `range` asks for: `range_not_satisfiable` when there is none. */
  open: (key: string, range: RangeRequest | undefined, signal: AbortSignal) => Promise<OpenObject>;
  receive: (key: string, body: AsyncIterable<Uint8Array>, options: ReceiveOptions) => Promise<Upload>;
  /** False when there was no such object. */
  remove: (key: string, conditions: Conditions, signal: AbortSignal) => Promise<boolean>;
  /** In the order of `compareKeys`, objects and common prefixes together making up a page. */
  list: (query: ListQuery) => Promise<ListPage>;
  /** Where its bytes are, which are read and compared with their checksum first unless `verify` is false. */
  locate: (key: string, signal: AbortSignal, verify?: boolean) => Promise<Location>;
  /** Present when callers on this machine can write a file in place of sending a body. */
  staging?: Staging;
  /**
   * Preserves the object's current bytes under another name, without copying them. The caller keeps the object from
   * changing meanwhile. Absent where the store has no links.
   */
  keep?: (key: string) => Promise<Kept>;
  /** The SHA-256 of an object's bytes. Absent where etags are something else. */
  hashOf?: (info: ObjectInfo) => string;
  /**
   * Looks for damage that a listing does not show, such as objects whose bytes are missing; lists and `notReady` name
   * it from then on. Changes nothing.
   */
  findMissing?: (signal: AbortSignal) => Promise<void>;
  /** Files and objects that belong to no object and take space. */
  orphans?: () => AsyncIterable<Finding>;
  stop: () => Promise<void>;
}

/** The bytes of an object that may have changed since. */
export interface Kept {
  open: () => Promise<ReadableStream<Uint8Array>>;
  drop: () => Promise<void>;
}

/**
 * A file whose bytes were hashed, with the facts by which a later change is detected. Inode and time are decimal
 * text: they exceed a JSON number.
 */
export interface Sealed {
  sha256: string;
  bytes: number;
  mtime_ns: string;
  ino: string;
}

export interface Staging {
  /** An empty directory of the bucket's file system that will be deleted on start and on `discard`. */
  reserve: (token: string) => Promise<string>;
  /** Makes the file durable, and reads it. */
  seal: (path: string) => Promise<Sealed>;
  /** Takes the file as if its bytes had been received. As long as it is what was sealed it is not read again. */
  adopt: (key: string, path: string, sealed?: Sealed) => Promise<Upload>;
  release: (token: string) => Promise<void>;
}

/** Throws `precondition_failed` unless the object there is now (its etag, or undefined) meets the conditions. */
export function checkConditions(
  key: string,
  current: string | undefined,
  { ifMatch, ifNoneMatch }: Conditions,
): void {
  const details = { key, etag: current ?? null };
  if (ifNoneMatch === "*" && current !== undefined) {
    throw fail("precondition_failed", `If-None-Match: * was given, and there is an object '${key}'`, {
      details,
    });
  }
  if (ifMatch === undefined || (ifMatch === "*" ? current !== undefined : ifMatch === current)) return;
  const now = current === undefined ? "there is no such object" : `its etag is "${current}"`;
  throw fail("precondition_failed", `If-Match does not hold for '${key}': ${now}`, { details });
}

export const noSuchObject = (bucket: string, key: string) =>
  fail("not_found", `no object '${key}' in bucket '${bucket}'`, { details: { bucket, key } });

/** The error for a bucket that is closed, with the reason. */
export const bucketClosed = (bucket: string, reason: string) =>
  fail("unavailable", reason, { details: { bucket }, retryAfterSeconds: 5 });

// Byte ranges of RFC 9110, section 14: one range a request; anything else is answered with the whole object.

/** What was asked for: from `first` to `last` (inclusive) or to the end, or the last `suffix` bytes. */
export type RangeRequest = { first: number; last?: number } | { suffix: number };
/** What is answered: first and last byte, both inclusive. */
export interface Span {
  first: number;
  last: number;
}

/** Reads a `Range` header. A malformed one, several ranges or another unit are to be ignored: undefined. */
export function parseRange(header: string | null): RangeRequest | undefined {
  const [, from, to] = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? "") ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return undefined;
  if (from === "") return { suffix: Number(to) };
  if (to === "") return { first: Number(from) };
  return Number(to) < Number(from) ? undefined : { first: Number(from), last: Number(to) };
}

/** The bytes of an object of this size that the request means; `range_not_satisfiable` when there are none. */
export function resolveRange(range: RangeRequest, bytes: number): Span {
  const last = bytes - 1;
  const span =
    "suffix" in range
      ? { first: Math.max(0, bytes - range.suffix), last }
      : { first: range.first, last: Math.min(range.last ?? last, last) };
  if (span.first <= last && ("first" in range || range.suffix > 0)) return span;
  throw fail("range_not_satisfiable", `the object has ${bytes} bytes; the range asked for is outside`, {
    details: { bytes },
  });
}
