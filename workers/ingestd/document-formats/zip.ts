/** Zip files within bounds: sizes are checked as said, and held to that while entries are inflated. */
import { crc32 } from "node:zlib";
import yauzl, { type Entry, type ZipFile } from "yauzl";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";

export interface ZipEntry {
  name: string;
  /** As the archive says; reading fails where it is another. */
  bytes: number;
  isEncrypted: boolean;
  read: () => Promise<Buffer>;
  /** The same in pieces; what is wrong with it is thrown at its end. */
  stream: () => AsyncGenerator<Buffer>;
}

/** Entries that are looked at; an archive of more is none of documents. */
const entriesMax = 100_000;

const malformed = (cause: unknown) =>
  fail(
    "unprocessable",
    `the zip is malformed: ${(cause instanceof Error ? cause.message : String(cause)).slice(0, 200)}`,
    { cause },
  );

/** The entries of a zip, in memory or at a path, in their order; folders are left out. Throws `unprocessable`. */
export async function* zipEntries(source: Uint8Array | string): AsyncGenerator<ZipEntry> {
  const zip = await opened(source);
  try {
    yield* entriesOf(zip);
  } finally {
    zip.close();
  }
}

async function* entriesOf(zip: ZipFile): AsyncGenerator<ZipEntry> {
  for (let seen = 1; ; seen++) {
    const entry = await nextEntry(zip);
    if (entry === undefined) return;
    if (seen > entriesMax) throw fail("too_large", `the zip has more than ${entriesMax} entries`);
    if (entry.fileName.endsWith("/")) continue;
    const stream = () => streamEntry(zip, entry);
    const read = async () => Buffer.concat(await Array.fromAsync(stream()));
    const isEncrypted = entry.isEncrypted();
    yield { name: entry.fileName, bytes: entry.uncompressedSize, isEncrypted, read, stream };
  }
}

const opened = (source: Uint8Array | string): Promise<ZipFile> =>
  new Promise((resolve, reject) => {
    // Names are checked by those who use them.
    const options = { lazyEntries: true, autoClose: false, strictFileNames: false };
    const done = (cause: Error | null, zip: ZipFile) => (cause ? reject(malformed(cause)) : resolve(zip));
    if (typeof source === "string") yauzl.open(source, options, done);
    else yauzl.fromBuffer(Buffer.from(source.buffer, source.byteOffset, source.length), options, done);
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

async function* streamEntry(zip: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  let checksum = 0;
  try {
    const stream = await new Promise<NodeJS.ReadableStream>((resolve, reject) =>
      zip.openReadStream(entry, (cause, opened_) => (cause ? reject(cause) : resolve(opened_))),
    );
    for await (const piece of stream) {
      checksum = crc32(piece as Buffer, checksum);
      yield piece as Buffer;
    }
    if (checksum !== entry.crc32) throw new Error(`the checksum of ${entry.fileName} is another`);
  } catch (cause) {
    throw cause instanceof ServiceError ? cause : malformed(cause);
  }
}

/** All entries of the zip at a path, each readable until it is closed. Throws `unprocessable`. */
export async function openZip(path: string): Promise<{ entries: readonly ZipEntry[]; close: () => void }> {
  const zip = await opened(path);
  return { entries: await Array.fromAsync(entriesOf(zip)), close: () => zip.close() };
}

/** The names in a zip. Throws `unprocessable`. */
export async function zipNames(bytes: Uint8Array | string): Promise<ReadonlySet<string>> {
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
