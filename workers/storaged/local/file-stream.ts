/** Files as bytes: hashed, and streamed in chunks that are checked before they are handed on. */
import type { FileHandle } from "node:fs/promises";

/** Bytes read at once: large enough for the disk, small beside the memory of a stream. */
const chunkBytes = 512 * 1024;

/** SHA-256 of the whole file in hex, read from its start whatever was read before. */
export async function hashFile(handle: FileHandle): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (let at = 0; ; ) {
    const { bytesRead } = await handle.read(buffer, 0, chunkBytes, at);
    if (bytesRead === 0) return hasher.digest("hex");
    hasher.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/**
 * The bytes from `first` up to `end`. `check` sees each chunk before it is handed on, and may throw: the last one
 * is only handed on when it did not. A file that is shorter than it should be is checked as it is. `named` says what
 * a failure to read means.
 */
export function fileStream(
  handle: FileHandle,
  first: number,
  end: number,
  check: (chunk: Uint8Array, last: boolean) => void,
  named: (cause: unknown) => unknown = (cause) => cause,
): ReadableStream<Uint8Array> {
  let at = first;
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - at));
          const { bytesRead } = end > at ? await handle.read(buffer, 0, buffer.length, at) : { bytesRead: 0 };
          at += bytesRead;
          const last = at >= end || bytesRead === 0;
          const chunk = buffer.subarray(0, bytesRead);
          check(chunk, last);
          if (at < end && last) throw new Error("the file became shorter while it was read");
          if (bytesRead > 0) controller.enqueue(chunk);
          if (!last) return;
          controller.close();
          await handle.close();
        } catch (error) {
          controller.error(named(error));
          await handle.close();
        }
      },
      cancel: () => handle.close(),
    },
    { highWaterMark: 0 },
  );
}
