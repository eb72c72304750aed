/**
 * A text in several files, each ending where a row ends. DuckDB reads the files in parallel and in order, and never
 * has to find a row's beginning in the middle of a text, which is where CSV readers go wrong.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { storageError } from "../../../runtime/durable/durable.ts";
import type { Scratch } from "./scratch.ts";
import type { Part } from "./text-table.ts";

interface PartWriter {
  /** Appends bytes, and ends a file at each of the cuts: offsets in the bytes, ascending. Gives the files so far. */
  write: (bytes: Uint8Array, cuts?: readonly number[]) => Promise<readonly Part[]>;
  /** Closes the last file; empty texts have no part. */
  end: () => Promise<Part[]>;
}

/** Bytes gathered before they are written: one call to the system for many chunks of a socket. */
const gatheredBytes = 1024 * 1024;
/** Linux takes 1,024 pieces in one call (IOV_MAX). */
const piecesMax = 1000;

/**
 * Writes `<stem>-00000.txt`, … in the scratch directory, while the caller goes on with the next bytes. Disk full is
 * `storage_full`, at the latest by `end`.
 */
export function createPartWriter({ directory, atEnd }: Scratch, stem: string): PartWriter {
  const parts: Part[] = [];
  let file: { handle: FileHandle; part: Part } | undefined;
  let gathered: Uint8Array[] = [];
  let gatheredLength = 0;
  let writing: Promise<void> = Promise.resolve();

  const flush = async () => {
    await writing;
    if (file === undefined || gatheredLength === 0) return;
    writing = writeAll(file.handle, gathered);
    // The next flush awaits it; until then a failure must not count as unhandled.
    writing.catch(() => undefined);
    gathered = [];
    gatheredLength = 0;
  };
  const append = async (bytes: Uint8Array) => {
    if (bytes.length === 0) return;
    if (file === undefined) {
      const path = join(directory, `${stem}-${String(parts.length).padStart(5, "0")}.txt`);
      file = { handle: await open(path, "wx"), part: { path, bytes: 0 } };
      parts.push(file.part);
    }
    gathered.push(bytes);
    gatheredLength += bytes.length;
    file.part.bytes += bytes.length;
    if (gatheredLength >= gatheredBytes || gathered.length >= piecesMax) await flush();
  };
  const close = async () => {
    const { handle } = file ?? {};
    try {
      await flush();
      await writing;
    } finally {
      file = undefined;
      await handle?.close();
    }
  };
  atEnd(close);

  return {
    write: (bytes, cuts = []) =>
      withStorageErrors(async () => {
        let from = 0;
        for (const cut of cuts) {
          await append(bytes.subarray(from, cut));
          await close();
          from = cut;
        }
        await append(bytes.subarray(from));
        return parts;
      }),
    end: () =>
      withStorageErrors(async () => {
        await close();
        return parts;
      }),
  };
}

async function withStorageErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw storageError(cause, "store the upload");
  }
}

/** A full disk shows as a short write first; the rest then fails with the reason. */
async function writeAll(handle: FileHandle, pieces: Uint8Array[]): Promise<void> {
  let { bytesWritten: skip } = await handle.writev(pieces);
  for (const piece of pieces) {
    for (let done = Math.min(skip, piece.length); done < piece.length; ) {
      done += (await handle.write(piece, done, piece.length - done)).bytesWritten;
    }
    skip -= Math.min(skip, piece.length);
  }
}

/** The bytes of all parts in order, in chunks that may be kept. */
export async function* readParts(parts: readonly Part[], from = 0): AsyncGenerator<Buffer> {
  let skip = from;
  for (const { path, bytes } of parts) {
    if (skip >= bytes) {
      skip -= bytes;
      continue;
    }
    for await (const chunk of Bun.file(path).slice(skip).stream())
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    skip = 0;
  }
}
