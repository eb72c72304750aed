/**
 * Values between processes: JSON for what JSON can say, and the bytes of typed arrays after it, so that vectors
 * and objects are neither base64 nor lists of numbers.
 *
 * Layout: 4 bytes little-endian length of the JSON, the JSON, then the attachments back to back. In the JSON,
 * `{"$": "bigint", "v": "12"}` is a bigint, `{"$": "undefined"}` undefined, `{"$": "number", "v": "NaN"}` NaN or an
 * infinity, `{"$": "Float32Array", "n": bytes}` the next attachment; an object with a field `$` of its own is
 * `{"$": "object", "v": [[key, value], …]}`.
 */
import { fail } from "../errors/errors.ts";

const arrays = {
  Uint8Array,
  Int8Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
} as const;
type ArrayName = keyof typeof arrays;
type AnyArray = InstanceType<(typeof arrays)[ArrayName]>;

/** Deepest nesting that is taken, as capnweb's default: beyond it a value is an attack or a mistake. */
const depthMax = 64;

/** Encodes a value of JSON, bigint and typed arrays; throws `bad_request` for anything else. */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  const [head, ...attachments] = encodeParts(value);
  const size = attachments.reduce((sum, part) => sum + part.byteLength, head.byteLength);
  const out = new Uint8Array(size);
  out.set(head);
  let at = head.byteLength;
  for (const part of attachments) {
    out.set(part, at);
    at += part.byteLength;
  }
  return out;
}

/** The same in parts to be sent one after the other: the bytes of the value's arrays are not copied. */
export function encodeParts(value: unknown): [head: Uint8Array<ArrayBuffer>, ...attachments: Uint8Array[]] {
  const attachments: Uint8Array[] = [];
  const json = Buffer.from(JSON.stringify(pack(value, attachments, 0)));
  const head = new Uint8Array(4 + json.byteLength);
  new DataView(head.buffer).setUint32(0, json.byteLength, true);
  head.set(json, 4);
  return [head, ...attachments];
}

/**
 * The inverse of `encode`; throws `bad_request` when the bytes are cut, too deep or no such encoding. `isOwned` says that
 * the bytes are not shared: byte arrays of the value are then views of them.
 */
export function decode(bytes: Uint8Array, isOwned = false): unknown {
  if (bytes.byteLength < 4)
    throw fail("bad_request", "a call must be encoded as its codec says: it is too short");
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (4 + length > bytes.byteLength) throw fail("bad_request", "a call is cut off in its JSON part");
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(4, 4 + length)));
  } catch (cause) {
    throw fail("bad_request", "a call's JSON part does not parse", { cause });
  }
  const tail = { bytes: bytes.subarray(4 + length), at: 0, isOwned };
  const value = unpack(json, tail, 0);
  if (tail.at !== tail.bytes.byteLength) throw fail("bad_request", "a call has bytes that nothing refers to");
  return value;
}

function pack(value: unknown, attachments: Uint8Array[], depth: number): unknown {
  if (depth > depthMax) throw fail("bad_request", `a value is nested deeper than ${depthMax}`);
  if (value === undefined) return { $: "undefined" };
  if (typeof value === "bigint") return { $: "bigint", v: value.toString() };
  if (typeof value === "number" && !Number.isFinite(value)) return { $: "number", v: String(value) };
  if (value === null || typeof value !== "object") return packPlain(value);
  if (ArrayBuffer.isView(value)) return attach(value as AnyArray, attachments);
  if (Array.isArray(value)) return packItems(value, attachments, depth);
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw fail("bad_request", `a value of class ${prototype?.constructor?.name} cannot be sent`);
  }
  if (!Object.hasOwn(value, "$") && !Object.hasOwn(value, "__proto__"))
    return packFields(value as Record<string, unknown>, attachments, depth);
  const entries = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .map(([key, field]) => [key, pack(field, attachments, depth + 1)] as const);
  return { $: "object", v: entries };
}

/** The object itself where all its fields are as JSON has them, which is what nearly all are. */
function packFields(
  fields: Readonly<Record<string, unknown>>,
  attachments: Uint8Array[],
  depth: number,
): Record<string, unknown> {
  let copy: Record<string, unknown> | undefined;
  for (const key of Object.keys(fields)) {
    // JSON leaves these out.
    if (fields[key] === undefined) continue;
    const packed = pack(fields[key], attachments, depth + 1);
    if (packed === fields[key]) continue;
    copy ??= { ...fields };
    copy[key] = packed;
  }
  return copy ?? fields;
}

function packItems(items: readonly unknown[], attachments: Uint8Array[], depth: number): unknown[] {
  let copy: unknown[] | undefined;
  items.forEach((item, at) => {
    const packed = pack(item, attachments, depth + 1);
    if (packed === item) return;
    copy ??= [...items];
    copy[at] = packed;
  });
  return copy ?? (items as unknown[]);
}

function packPlain(value: unknown): unknown {
  if (typeof value === "function" || typeof value === "symbol")
    throw fail("bad_request", "a function cannot be sent");
  return value;
}

function attach(view: AnyArray, attachments: Uint8Array[]): unknown {
  const name = view instanceof Uint8Array ? "Uint8Array" : view.constructor.name;
  if (!Object.hasOwn(arrays, name)) throw fail("bad_request", `a ${name} cannot be sent`);
  attachments.push(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return { $: name, n: view.byteLength };
}

interface Tail {
  bytes: Uint8Array;
  at: number;
  isOwned: boolean;
}

function unpack(value: unknown, tail: Tail, depth: number): unknown {
  if (depth > depthMax) throw fail("bad_request", `a value is nested deeper than ${depthMax}`);
  if (typeof value !== "object" || value === null) return value;
  // In place: JSON.parse made it for nobody else, and made every field, `__proto__` too, one of its own.
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) value[at] = unpack(value[at], tail, depth + 1);
    return value;
  }
  if (Object.hasOwn(value, "$")) return unpackTagged(value, tail, depth);
  const fields = value as Record<string, unknown>;
  for (const key of Object.keys(fields)) {
    const unpacked = unpack(fields[key], tail, depth + 1);
    if (unpacked !== fields[key]) fields[key] = unpacked;
  }
  return fields;
}

function unpackTagged(
  { $: tag, v, n }: { $?: unknown; v?: unknown; n?: unknown },
  tail: Tail,
  depth: number,
): unknown {
  if (tag === "undefined") return undefined;
  if (tag === "bigint" && typeof v === "string" && /^-?\d{1,400}$/.test(v)) return BigInt(v);
  if (tag === "number" && typeof v === "string" && /^(NaN|-?Infinity)$/.test(v)) return Number(v);
  if (tag === "object" && Array.isArray(v)) {
    return fromEntries(
      v.map(([key, field]: [string, unknown]) => [String(key), unpack(field, tail, depth + 1)]),
    );
  }
  if (typeof tag === "string" && Object.hasOwn(arrays, tag) && typeof n === "number")
    return detach(tag as ArrayName, n, tail);
  throw fail("bad_request", "a call holds a value with an unknown tag");
}

/** Plain assignment would let a field named `__proto__` change the object's prototype. */
function fromEntries(entries: [string, unknown][]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, value] of entries) {
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return object;
}

function detach(name: ArrayName, length: number, tail: Tail): AnyArray {
  const Class = arrays[name];
  const whole = Number.isInteger(length) && length >= 0 && length % Class.BYTES_PER_ELEMENT === 0;
  if (!whole || tail.at + length > tail.bytes.byteLength)
    throw fail("bad_request", "a call is cut off in its bytes");
  const end = tail.at + length;
  if (tail.isOwned && name === "Uint8Array") {
    const view = tail.bytes.subarray(tail.at, end);
    tail.at = end;
    return view as AnyArray;
  }
  // A copy: attachments are not aligned to their elements' size. (Not `slice`, which on a Buffer is a view.)
  const copy = new Uint8Array(tail.bytes.subarray(tail.at, end));
  tail.at = end;
  return new Class(copy.buffer);
}
