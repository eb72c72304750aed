/** The end of an append-only file. A failed write leaves nothing behind: not now, and not for the next start. */
import { type FileHandle, open } from "node:fs/promises";
import { appendDurably, storageError, writeAtomic } from "./files.ts";

export interface LogTail {
  /** Size of the file, in bytes. */
  bytes: () => number;
  /** Resolves when the text is on stable storage. One at a time. */
  append: (text: string) => Promise<void>;
  /** Replaces the whole file, atomically. */
  replace: (texts: Iterable<string>) => Promise<void>;
  close: () => Promise<void>;
}

/** Opens the file to append to it; makes it when there is none. */
export async function openLogTail(path: string): Promise<LogTail> {
  let handle: FileHandle = await open(path, "a");
  let size = (await handle.stat()).size;
  let broken = false;
  /** What a failed write left behind was acknowledged to nobody. */
  const cutBack = async () => {
    await handle.truncate(size);
    await handle.datasync();
    broken = false;
  };
  return {
    bytes: () => size,
    append: async (text) => {
      try {
        if (broken) await cutBack();
        await appendDurably(handle, text);
        size += Buffer.byteLength(text);
      } catch (cause) {
        broken = true;
        await cutBack().catch(() => undefined);
        throw storageError(cause, "write");
      }
    },
    replace: async (texts) => {
      await writeAtomic(path, texts);
      await handle.close();
      handle = await open(path, "a");
      size = (await handle.stat()).size;
      broken = false;
    },
    close: () => handle.close(),
  };
}
