/** Archives of documents: zip, tar and tar.gz, opened within bounds. What is in them are names until they are files. */
import { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
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
  "xl/workbook.bin",
  "content.xml",
  "mimetype",
];

/** Null for what is no archive. Throws `too_large` and `unprocessable` for one that is not opened as a whole. */
export async function unpack(asked: Asked): Promise<{ files: Unpacked[] } | null> {
  const head = Buffer.from(await Bun.file(asked.path).slice(0, 512).arrayBuffer()).toString("latin1");
  if (head.startsWith("PK\x03\x04") || head.startsWith("PK\x05\x06")) {
    const names = await zipNames(asked.path);
    if (documentParts.some((name) => names.has(name))) return null;
    // A zip says how many it has before any of them is written; a tar does not.
    checkCount([...names].filter((name) => !name.endsWith("/") && !isNoise(name)).length, asked.filesMax);
    return { files: await fromZip(asked) };
  }
  const isGzip = head.startsWith("\x1f\x8b");
  if (isGzip && !/\.(tar\.gz|tgz)$/i.test(asked.name))
    throw fail(
      "unsupported_media_type",
      "this is a gzip file whose name does not end with .tar.gz: expected a tar.gz, or the document itself",
    );
  if (!isGzip && head.slice(257, 262) !== "ustar") return null;
  return { files: await fromTar(isGzip, asked) };
}

interface Keeping {
  files: Unpacked[];
  /** Counts a file that is about to be read; a reason where it is not read. */
  admit: (name: string, bytes: number) => { type: string; message: string } | undefined;
  keep: (name: string, pieces: AsyncIterable<Uint8Array>) => Promise<void>;
}

function createKeeping({ into, filesMax, bytesMax, fileBytesMax }: Asked): Keeping {
  const files: Unpacked[] = [];
  let total = 0;
  return {
    files,
    admit: (name, bytes) => {
      if (isNoise(name)) return { type: "skipped", message: "" };
      checkCount(files.length + 1, filesMax);
      if (bytes > fileBytesMax)
        return {
          type: "too_large",
          message: `larger than ${fileBytesMax} bytes, the most that a file may have`,
        };
      total += bytes;
      if (total > bytesMax)
        throw fail(
          "too_large",
          `the archive holds more than ${bytesMax} bytes, which ingestd.max_ingest_bytes sets`,
        );
      return undefined;
    },
    keep: async (name, pieces) => {
      const path = join(into, String(files.length));
      await pipeline(pieces, createWriteStream(path, { flags: "wx" }));
      files.push({ name, path });
    },
  };
}

function checkCount(files: number, filesMax: number): void {
  if (files > filesMax)
    throw fail("too_large", `the archive has more than ${filesMax} files, which one request may bring`);
}

/** What systems put into archives by themselves. */
const isNoise = (name: string): boolean =>
  /(^|\/)(__MACOSX\/|\.DS_Store$|\._|Thumbs\.db$|desktop\.ini$)/.test(name);

async function fromZip(asked: Asked): Promise<Unpacked[]> {
  const { files, admit, keep } = createKeeping(asked);
  for await (const { name, bytes: size, isEncrypted, stream } of zipEntries(asked.path)) {
    const refused = admit(name, size);
    if (refused?.type === "skipped") continue;
    if (refused) files.push({ name, error: refused });
    else if (isEncrypted)
      files.push({ name, error: { type: "unprocessable", message: "encrypted in its archive" } });
    else
      try {
        await keep(name, stream());
      } catch (cause) {
        if (!(cause instanceof ServiceError)) throw cause;
        files.push({ name, error: { type: cause.type, message: cause.message } });
      }
  }
  return files;
}

async function fromTar(isGzip: boolean, asked: Asked): Promise<Unpacked[]> {
  const { files, admit, keep } = createKeeping(asked);
  const tar = openTar();
  let inflated = 0;
  // The bomb of a tar.gz is what lies between its files as well.
  const inflatedMax = asked.bytesMax + asked.filesMax * 2048;
  const source = createReadStream(asked.path);
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
      if (refused && "message" in refused && refused.message !== "") files.push({ name, error: refused });
      if (refused) for await (const _ of entry);
      else await keep(name, entry as unknown as AsyncIterable<Uint8Array>);
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
