/**
 * The sidecar of an object in a local bucket: which bytes are the object. The data file and the sidecar cannot be
 * replaced in one step, so a write puts the new sidecar beside the old one, under a name of its own, until the new
 * bytes are in place; the data file's inode, time and size say which of the two it is.
 */
import { errorCode, readOrNull } from "../../../runtime/durable/durable.ts";
import type { Sealed } from "../bucket/bucket.ts";

/** One version of an object's bytes. */
export interface Generation extends Sealed {
  content_type?: string;
}

export interface ObjectRecord {
  key: string;
  current: Generation;
  /** Written by earlier versions during a write: valid while the file matches it. */
  previous?: Generation;
}

/** The parts of a file's status that identify a generation. */
export interface FileFacts {
  size: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  ino: bigint;
}

const format = 1;
const sha256 = (text: string): string => Bun.SHA256.hash(text, "hex");

/** The file's content: the record, and a checksum over it. */
export const encodeRecord = (record: ObjectRecord): string => textOf(sha256(JSON.stringify(record)), record);

const textOf = (checksum: unknown, record: unknown): string =>
  `${JSON.stringify({ format, checksum, record })}\n`;

/** Why a sidecar cannot be used; part of a `corrupt` error. */
export interface Damage {
  damage: string;
}

/** Reads a sidecar: the record, what is wrong with it, or null when there is none. */
export async function readRecord(path: string, key: string): Promise<ObjectRecord | Damage | null> {
  let bytes: Uint8Array | null;
  try {
    bytes = await readOrNull(path);
  } catch (cause) {
    if (errorCode(cause) === "EIO") return { damage: "its checksum record cannot be read from the disk" };
    throw cause;
  }
  return bytes && decodeRecord(new TextDecoder().decode(bytes), key);
}

/** The inverse of `encodeRecord`. */
function decodeRecord(text: string, key: string): ObjectRecord | Damage {
  const parsed = parse(text);
  if (typeof parsed?.format === "number" && parsed.format > format) {
    return {
      damage: `its checksum record has format ${parsed.format}, written by a newer version; this one reads ${format}`,
    };
  }
  const isWhole = parsed !== undefined && text === textOf(parsed.checksum, parsed.record);
  if (!isWhole || parsed.checksum !== sha256(JSON.stringify(parsed.record)))
    return { damage: "its checksum record is damaged" };
  const record = parsed.record as ObjectRecord;
  return record.key === key ? record : { damage: "its checksum record is that of another key" };
}

function parse(text: string): { format?: unknown; checksum?: unknown; record?: unknown } | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The generation that the file's facts match, without reading it; undefined when none does. */
export function generationOf(record: ObjectRecord, facts: FileFacts): Generation | undefined {
  return [record.current, record.previous].find((generation) => generation && isStill(generation, facts));
}

/** True for a file that has not changed since its bytes were hashed, as far as its facts show. */
export const isStill = (
  { bytes, mtime_ns, ino }: Sealed,
  facts: Pick<FileFacts, "size" | "mtimeNs" | "ino">,
): boolean => BigInt(bytes) === facts.size && BigInt(mtime_ns) === facts.mtimeNs && BigInt(ino) === facts.ino;

/**
 * The current generation if it has this hash, with the file's facts. The previous one does not count: where newer
 * bytes were acknowledged, an old copy is damage.
 */
export const generationByHash = (
  { current }: ObjectRecord,
  hash: string,
  facts: FileFacts,
): Generation | undefined =>
  current.sha256 === hash
    ? { ...current, mtime_ns: String(facts.mtimeNs), ino: String(facts.ino) }
    : undefined;
