/** Zip files within bounds: sizes are checked as said, and held to that while entries are inflated. */
import yauzl, { type Entry, type ZipFile } from "yauzl";
import { fail } from "../../../runtime/errors/errors.ts";

export interface ZipEntry {
  name: string;
  /** As the archive says; reading fails where it is another. */
  bytes: number;
  isEncrypted: boolean;
  read: () => Promise<Buffer>;
}

/** Entries that are looked at; an archive of more is none of documents. */
const entriesMax = 100_000;

const malformed = (cause: unknown) =>
  fail(
    "unprocessable",
    `the zip is malformed: ${(cause instanceof Error ? cause.message : String(cause)).slice(0, 200)}`,
    { cause },
  );

/** The entries of a zip in their order; folders are left out. Throws `unprocessable`. */
export async function* zipEntries(bytes: Uint8Array): AsyncGenerator<ZipEntry> {
  const zip = await opened(bytes);
  let seen = 0;
  for (;;) {
    const entry = await nextEntry(zip);
    if (entry === undefined) return;
    seen += 1;
    if (seen > entriesMax) throw fail("too_large", `the zip has more than ${entriesMax} entries`);
    if (entry.fileName.endsWith("/")) continue;
    yield {
      name: entry.fileName,
      bytes: entry.uncompressedSize,
      isEncrypted: entry.isEncrypted(),
      read: () => readEntry(zip, entry),
    };
  }
}

const opened = (bytes: Uint8Array): Promise<ZipFile> =>
  new Promise((resolve, reject) => {
    // Names are checked by those who use them.
    const options = { lazyEntries: true, autoClose: false, strictFileNames: false };
    yauzl.fromBuffer(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), options, (cause, zip) =>
      cause ? reject(malformed(cause)) : resolve(zip),
    );
  });

const nextEntry = (zip: ZipFile): Promise<Entry | undefined> =>
  new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      zip.removeAllListeners();
      act();
    };
    zip.once("entry", (entry: Entry) => settle(() => resolve(entry)));
    zip.once("end", () => settle(() => resolve(undefined)));
    zip.once("error", (cause: unknown) => settle(() => reject(malformed(cause))));
    zip.readEntry();
  });

async function readEntry(zip: ZipFile, entry: Entry): Promise<Buffer> {
  try {
    const stream = await new Promise<NodeJS.ReadableStream>((resolve, reject) =>
      zip.openReadStream(entry, (cause, opened_) => (cause ? reject(cause) : resolve(opened_))),
    );
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece as Buffer);
    const all = Buffer.concat(pieces);
    if (Bun.hash.crc32(all) !== entry.crc32) throw new Error(`the checksum of ${entry.fileName} is another`);
    return all;
  } catch (cause) {
    throw malformed(cause);
  }
}

/** The names in a zip. Throws `unprocessable`. */
export async function zipNames(bytes: Uint8Array): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for await (const { name } of zipEntries(bytes)) names.add(name);
  return names;
}

/** All XML of an Office or OpenDocument file, inflated, in bytes. */
const partsBytesMax = 128 * 1024 * 1024;

/**
 * The XML parts of a document that is a zip, by their names. Throws `unprocessable` for an encrypted one, `too_large`
 * for one that is larger than any document.
 */
export async function documentParts(
  bytes: Uint8Array,
  wanted: (name: string) => boolean,
): Promise<ReadonlyMap<string, string>> {
  const parts = new Map<string, string>();
  let total = 0;
  for await (const entry of zipEntries(bytes)) {
    if (entry.isEncrypted) throw encrypted();
    total += entry.bytes;
    if (total > partsBytesMax)
      throw fail("too_large", `inflated it has more than ${partsBytesMax} bytes: no document has`);
    if (wanted(entry.name)) parts.set(entry.name, (await entry.read()).toString("utf8"));
  }
  return parts;
}

export const encrypted = () => fail("unprocessable", "the file is encrypted: save it without a password");
