/**
 * A text in several files, each ending where a row ends. DuckDB reads the files in parallel and in order, and never
 * has to find a row's beginning in the middle of a text, which is where CSV readers go wrong.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { storageError } from "../../runtime/files.ts";
import type { Part } from "./text-table.ts";
import type { Workplace } from "./workplace.ts";

/** Below DuckDB's 8 MB a thread, so that a file is one thread's work and never divided. */
const partBytesTarget = 6 * 1024 * 1024;

export interface PartWriter {
  /** Appends bytes; the first `rowsEnd` of them end with a row (0: no row ends in them). */
  write: (bytes: Uint8Array, rowsEnd: number) => Promise<void>;
  /** Closes the last file; empty texts have no part. */
  end: () => Promise<Part[]>;
}

/** Writes `<stem>-00000.txt`, … in the directory. Disk full is `storage_full`. */
export function createPartWriter({ directory, atEnd }: Workplace, stem: string): PartWriter {
  const parts: Part[] = [];
  let file: { handle: Awaited<ReturnType<typeof open>>; part: Part } | undefined;

  const append = async (bytes: Uint8Array) => {
    if (bytes.length === 0) return;
    if (file === undefined) {
      const path = join(directory, `${stem}-${String(parts.length).padStart(5, "0")}.txt`);
      file = { handle: await open(path, "wx"), part: { path, bytes: 0 } };
      parts.push(file.part);
    }
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await file.handle.write(bytes, done, bytes.length - done);
      done += bytesWritten;
    }
    file.part.bytes += bytes.length;
  };
  const close = async () => {
    const { handle } = file ?? {};
    file = undefined;
    await handle?.close();
  };
  atEnd(close);
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw storageError(cause, "store the upload");
    }
  };

  return {
    write: (bytes, rowsEnd) =>
      guarded(async () => {
        const full = (file?.part.bytes ?? 0) + bytes.length >= partBytesTarget && rowsEnd > 0;
        await append(full ? bytes.subarray(0, rowsEnd) : bytes);
        if (!full) return;
        await close();
        await append(bytes.subarray(rowsEnd));
      }),
    end: () =>
      guarded(async () => {
        await close();
        return parts;
      }),
  };
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
