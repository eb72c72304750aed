/** Files that are on no disk: for native libraries that end the process when a disk fails under them. Linux alone. */
import { FFIType, ptr } from "bun:ffi";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { fail } from "../errors/errors.ts";
import { openLibc } from "../libc/libc.ts";

const symbols = { memfd_create: { args: [FFIType.pointer, FFIType.u32], returns: FFIType.i32 } } as const;
const closeOnExec = 1;
const pieceBytes = 4 * 1024 * 1024;

/**
 * Writes a file by way of memory: `write` gets the path of one that holds as much as memory does, and what is in it
 * then is copied to the disk, whose failure is an error like any other. It takes as much memory meanwhile.
 */
export function writeByMemory(path: string, write: (path: string) => void): void {
  if (process.platform !== "linux") {
    write(path);
    return;
  }
  const memory = openLibc(symbols).memfd_create(ptr(Buffer.from("lakehouse\0")), closeOnExec);
  if (memory < 0)
    throw fail("overloaded", "no file in memory can be opened: raise the limit of open files (ulimit -n)", {
      retryAfterSeconds: 1,
    });
  try {
    write(`/proc/self/fd/${memory}`);
    copy(memory, path);
  } finally {
    closeSync(memory);
  }
}

function copy(from: number, path: string): void {
  const to = openSync(path, "w");
  try {
    const piece = Buffer.allocUnsafe(pieceBytes);
    for (let at = 0; ; ) {
      const read = readSync(from, piece, 0, piece.length, at);
      if (read === 0) return;
      for (let done = 0; done < read; ) {
        const written = writeSync(to, piece, done, read - done, at + done);
        // A full disk writes a part, or nothing, without an error.
        if (written === 0) throw Object.assign(new Error("nothing was written"), { code: "ENOSPC" });
        done += written;
      }
      at += read;
    }
  } finally {
    closeSync(to);
  }
}
