/**
 * A point as a file of a backup: JSON lines, the first says when, one follows for each file, and the last seals them
 * with their count and their hash. A file without its seal is no point.
 */
import type { SnapshotFile } from "../../runtime/durable/durable.ts";

/** A file of a service, or an object of a bucket. Its bytes are the blob of that hash. */
export interface KeptFile extends SnapshotFile {
  service: string;
  sha256: string;
}

/** What could not be read when the point was taken, and is not in it. */
export interface Damaged {
  service: string;
  path: string;
  problem: string;
}

export interface PointRecord {
  /** When it was taken, as 2026-11-21T18:13:17.123Z. */
  at: string;
  files: KeptFile[];
  damaged: Damaged[];
}

const format = 1;
const linesAtOnce = 1000;
const hash = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");

/** The name a point has: its time without what file systems dislike. */
export const nameOf = (at: string): string => at.replaceAll(":", "-");
export const isName = (text: string): boolean => /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/.test(text);

/** The text of a point, in pieces. */
export function* encodePoint({ at, files, damaged }: PointRecord): Generator<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  const lines: object[] = [
    { format, at },
    ...damaged.map((one) => ({ damaged: one })),
    ...files.map((file) => ({ file })),
  ];
  for (let first = 0; first < lines.length; first += linesAtOnce) {
    const text = lines
      .slice(first, first + linesAtOnce)
      .map((line) => `${JSON.stringify(line)}\n`)
      .join("");
    hasher.update(text);
    yield text;
  }
  yield sealOf(lines.length, hasher.digest("hex"));
}

const sealOf = (lines: number, sha256: string): string => `${JSON.stringify({ seal: { lines, sha256 } })}\n`;

/** The inverse. Throws an Error that says what is wrong: cut short, changed, a newer format, a path that leads away. */
export function decodePoint(text: string): PointRecord {
  const end = text.lastIndexOf("\n", text.length - 2) + 1;
  const body = text.slice(0, end);
  if (!text.startsWith('{"seal":', end) || !text.endsWith("\n"))
    throw new Error("it is not complete: its last line is missing");
  if (text.slice(end) !== sealOf(body.split("\n").length - 1, hash(body)))
    throw new Error("it was changed: its checksum does not hold");
  const [head, ...lines] = body
    .slice(0, -1)
    .split("\n")
    .map((line) => parse(line) as Record<string, unknown>);
  if (head?.format !== format)
    throw new Error(`its format is ${head?.format}; this version reads ${format}: use a newer version`);
  const record: PointRecord = { at: String(head.at), files: [], damaged: [] };
  for (const line of lines) {
    if (line.damaged) record.damaged.push(line.damaged as Damaged);
    else record.files.push(checkFile(line.file as KeptFile));
  }
  return record;
}

function parse(line: string): object {
  try {
    return JSON.parse(line) ?? {};
  } catch {
    // A line that is no JSON has none of the fields: the caller says which are missing, and where.
    return {};
  }
}

/** A point comes from elsewhere, perhaps: nothing in it may reach outside of where it is restored. */
function checkFile(file: KeptFile): KeptFile {
  const { service, path, sha256, bytes, object } = file;
  const refuse = (why: string) => new Error(`it names ${JSON.stringify(`${service}/${path}`)}: ${why}`);
  if (!/^[a-z0-9]+$/.test(service)) throw refuse("that is no service");
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw refuse("its hash is not one");
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw refuse("its size is not one");
  if (object) {
    if (path !== `objects/${object.bucket}/${object.key}`) throw refuse("its path is not that of its object");
    return file;
  }
  const isPlain = path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  if (!isPlain || path.includes("\0")) throw refuse("the path leads out of its directory");
  return file;
}
