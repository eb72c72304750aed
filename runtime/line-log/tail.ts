/** The end of an append-only file. A failed write leaves nothing behind: not now, and not for the next start. */
import type { FileHandle } from "node:fs/promises";
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { appendDurably, opened, storageError, syncDirectory, writeAtomic } from "../durable/durable.ts";
import { fail } from "../errors/errors.ts";

export interface LogTail {
  /** Size of the file, in bytes. */
  bytes: () => number;
  /** Resolves when the text is on stable storage. One at a time. */
  append: (text: string) => Promise<void>;
  /**
   * Replaces the whole file, atomically. Rejects when the old one is still there, or the new one may not last: `announce`
   * is waited for before, and `replaced` is called as soon as the new one is in its place.
   */
  replace: (texts: Iterable<string>, steps?: ReplaceSteps) => Promise<void>;
  close: () => Promise<void>;
}

interface ReplaceSteps {
  announce?: () => Promise<void>;
  replaced?: () => void;
}

/** What the kernel writes at once; a power of two, and at least a page. */
const blockBytes = 4096;

/** Opens the file to append to it; makes it when there is none. */
export async function openLogTail(path: string): Promise<LogTail> {
  let { handle, size, block } = await openEnd(path);
  let isBroken = false;

  const reopen = async () => {
    const before = handle;
    ({ handle, size, block } = await openEnd(path));
    await before.close().catch(() => undefined);
  };
  /**
   * After a write or a sync that failed, the kernel may have dropped what it held of the file and call it clean: a
   * second sync would succeed and mean nothing (fsyncgate, PostgreSQL 2018). So no cached state is trusted: the
   * file is opened anew, cut back to what was acknowledged, and its last block, which the failed write shared, is
   * written from memory and synced; and so is the name, which a replacement may have left unsynced.
   */
  const repair = async () => {
    await opened(path, "r+", async (file) => {
      const { size: found } = await file.stat();
      if (found < size)
        throw fail("corrupt", `${basename(path)} has ${found} bytes, and ${size} were acknowledged`);
      await file.truncate(size);
      await file.write(block, 0, block.length, size - block.length);
      await file.sync();
      await file.close();
    });
    await syncDirectory(dirname(path));
    const kept = size;
    await reopen();
    if (size !== kept) throw fail("corrupt", `${basename(path)} was changed while it was mended`);
    isBroken = false;
  };
  return {
    bytes: () => size,
    append: async (text) => {
      try {
        if (isBroken) await repair();
        const bytes = Buffer.from(text);
        await appendDurably(handle, bytes);
        size += bytes.length;
        block = lastBlock(block, bytes, size);
      } catch (cause) {
        isBroken = true;
        await repair().catch(() => undefined);
        throw storageError(cause, `write ${basename(path)}`);
      }
    },
    replace: async (texts, { announce, replaced } = {}) => {
      const before = await handle.stat();
      try {
        await writeAtomic(path, texts, announce);
        await reopen();
        replaced?.();
        isBroken = false;
      } catch (cause) {
        isBroken = true;
        // The new file may be in place though its name is not synced: nothing may go to the old one any more.
        if ((await stat(path)).ino !== before.ino) {
          await reopen();
          replaced?.();
        }
        throw cause;
      }
    },
    close: () => handle.close(),
  };
}

interface End {
  handle: FileHandle;
  size: number;
  /** The bytes of the last block that is not full. */
  block: Buffer;
}

async function openEnd(path: string): Promise<End> {
  const handle = await opened(path, "a", async (file) => file);
  return opened(path, "r", async (file) => {
    const { size } = await file.stat();
    const block = Buffer.alloc(size % blockBytes);
    await file.read(block, 0, block.length, size - block.length);
    await file.close();
    return { handle, size, block };
  }).catch(async (cause) => {
    await handle.close();
    throw cause;
  });
}

function lastBlock(block: Buffer, added: Buffer, size: number): Buffer {
  const wanted = size % blockBytes;
  // Copied: a part of a batch would keep all of it.
  if (wanted <= added.length) return Buffer.from(added.subarray(added.length - wanted));
  return Buffer.concat([block, added]);
}
