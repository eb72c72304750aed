/** Archives of documents: zip, tar and tar.gz, opened within bounds. What is in them are names until they are files. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract as openTar } from "tar-stream";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { zipEntries, zipNames } from "../document-formats/document-formats.ts";
import type { Unpacked } from "./child.ts";

interface Limits {
  filesMax: number;
  bytesMax: number;
  fileBytesMax: number;
}

interface Asked extends Limits {
  path: string;
  name: string;
  into: string;
}

/** A zip that is a document itself. */
const documentParts = [
  "word/document.xml",
  "ppt/presentation.xml",
  "xl/workbook.xml",
  "content.xml",
  "mimetype",
];

/** Null for what is no archive. Throws `too_large` and `unprocessable` for one that is not opened as a whole. */
export async function unpack(asked: Asked): Promise<{ files: Unpacked[] } | null> {
  const bytes = new Uint8Array(await readFile(asked.path));
  const magic = Buffer.from(bytes.subarray(0, 4)).toString("latin1");
  if (magic === "PK\x03\x04" || magic === "PK\x05\x06") {
    const names = await zipNames(bytes);
    if (documentParts.some((name) => names.has(name))) return null;
    return { files: await fromZip(bytes, asked) };
  }
  const isGzip = magic.startsWith("\x1f\x8b");
  if (isGzip && !/\.(tar\.gz|tgz)$/i.test(asked.name))
    throw fail(
      "unsupported_media_type",
      "this is a gzip file whose name does not end with .tar.gz: expected a tar.gz, or the document itself",
    );
  const isTar = Buffer.from(bytes.subarray(257, 262)).toString("latin1") === "ustar";
  if (!isGzip && !isTar) return null;
  return { files: await fromTar(bytes, isGzip, asked) };
}

interface Keeping {
  files: Unpacked[];
  /** Counts a file that is about to be read; a reason where it is not read. */
  admit: (name: string, bytes: number) => { type: string; message: string } | undefined;
  keep: (name: string, bytes: Uint8Array) => Promise<void>;
}

function createKeeping({ into, filesMax, bytesMax, fileBytesMax }: Asked): Keeping {
  const files: Unpacked[] = [];
  let total = 0;
  return {
    files,
    admit: (name, bytes) => {
      if (isNoise(name)) return { type: "skipped", message: "" };
      if (files.length >= filesMax)
        throw fail("too_large", `the archive has more than ${filesMax} files, which one request may bring`);
      if (bytes > fileBytesMax)
        return {
          type: "too_large",
          message: `larger than ${fileBytesMax} bytes, which ingestd.max_document_bytes sets`,
        };
      total += bytes;
      if (total > bytesMax)
        throw fail(
          "too_large",
          `the archive holds more than ${bytesMax} bytes, which ingestd.max_ingest_bytes sets`,
        );
      return undefined;
    },
    keep: async (name, bytes) => {
      const path = join(into, String(files.length));
      await writeFile(path, bytes);
      files.push({ name, path });
    },
  };
}

/** What systems put into archives by themselves. */
const isNoise = (name: string): boolean =>
  /(^|\/)(__MACOSX\/|\.DS_Store$|\._|Thumbs\.db$|desktop\.ini$)/.test(name);

async function fromZip(bytes: Uint8Array, asked: Asked): Promise<Unpacked[]> {
  const { files, admit, keep } = createKeeping(asked);
  for await (const { name, bytes: size, isEncrypted, read } of zipEntries(bytes)) {
    const refused = admit(name, size);
    if (refused?.type === "skipped") continue;
    if (refused) files.push({ name, error: refused });
    else if (isEncrypted)
      files.push({ name, error: { type: "unprocessable", message: "encrypted in its archive" } });
    else
      try {
        await keep(name, await read());
      } catch (cause) {
        if (!(cause instanceof ServiceError)) throw cause;
        files.push({ name, error: { type: cause.type, message: cause.message } });
      }
  }
  return files;
}

async function fromTar(bytes: Uint8Array, isGzip: boolean, asked: Asked): Promise<Unpacked[]> {
  const { files, admit, keep } = createKeeping(asked);
  const tar = openTar();
  let inflated = 0;
  // The bomb of a tar.gz is what lies between its files as well.
  const inflatedMax = asked.bytesMax + asked.filesMax * 2048;
  const source = Readable.from([Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)]);
  const counted = async function* () {
    for await (const piece of isGzip ? source.pipe(createGunzip()) : source) {
      inflated += (piece as Buffer).length;
      if (inflated > inflatedMax)
        throw fail("too_large", `the archive inflates to more than ${inflatedMax} bytes`);
      yield piece as Buffer;
    }
  };
  // Its failure is thrown by the tar that it ends.
  const feeding = pipeline(counted, tar as unknown as Writable);
  feeding.catch(() => undefined);
  try {
    for await (const entry of tar) {
      const { name, size = 0, type } = entry.header;
      const refused = type === "file" || type === "contiguous-file" ? admit(name, size) : { type: "skipped" };
      const pieces: Buffer[] = [];
      for await (const piece of entry) if (!refused) pieces.push(piece as Buffer);
      if (refused && "message" in refused && refused.message !== "") files.push({ name, error: refused });
      if (!refused) await keep(name, Buffer.concat(pieces));
    }
    await feeding;
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause;
    throw fail(
      "unprocessable",
      `the tar is malformed or cut off: ${(cause instanceof Error ? cause.message : String(cause)).slice(0, 200)}`,
      { cause },
    );
  }
  return files;
}
