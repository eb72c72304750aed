/** Rows on their way into a child that runs DuckDB: a named pipe, written as fast as it is read there. */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { discard, errorCode } from "../../../runtime/durable/durable.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

export interface RowPipe {
  path: string;
  /** Resolves when the text is in the pipe; with false when nobody reads it any more. Rejects with the signal's reason. */
  write: (text: string) => Promise<boolean>;
  /** The end of the rows, for the reader. */
  end: () => Promise<void>;
  /** Ends it in any case, and removes it. */
  discard: () => Promise<void>;
}

/** Waits for a reader, or for room in the pipe: from 1 ms, twice as long each time. */
const longestWaitMs = 16;

/** Makes the pipe. A write waits until somebody reads; nothing here waits in a thread. */
export async function openRowPipe(
  path: string,
  { signal, clock }: { signal: AbortSignal; clock: Pick<Clock, "sleep"> },
): Promise<RowPipe> {
  const made = Bun.spawn(["mkfifo", "-m", "600", path], { stdio: ["ignore", "ignore", "pipe"] });
  if ((await made.exited) !== 0)
    throw new Error(`mkfifo ${path}: ${(await new Response(made.stderr).text()).trim()}`);
  let handle: FileHandle | undefined;
  let isOver = false;
  /** Tries until it works: `again` names the errors that pass. */
  const trying = async <R>(again: readonly string[], work: () => Promise<R>): Promise<R> => {
    for (let waitMs = 1; ; waitMs = Math.min(longestWaitMs, waitMs * 2)) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (cause) {
        if (!again.includes(errorCode(cause) ?? "")) throw cause;
        await clock.sleep(waitMs, signal);
      }
    }
  };
  const close = async () => {
    isOver = true;
    const closing = handle;
    handle = undefined;
    await closing?.close();
  };
  // DuckDB waits for rows where no interrupt reaches it, and would be killed with its process.
  signal.addEventListener("abort", () => void close(), { once: true });
  return {
    path,
    write: async (text) => {
      const bytes = Buffer.from(text);
      try {
        // Without a reader opening fails instead of waiting.
        handle ??= await trying(["ENXIO"], () => open(path, constants.O_WRONLY | constants.O_NONBLOCK));
        for (let at = 0; at < bytes.length && !isOver; ) {
          const { bytesWritten } = await trying(["EAGAIN"], () => (handle as FileHandle).write(bytes, at));
          at += bytesWritten;
        }
        return !isOver;
      } catch (cause) {
        if (errorCode(cause) === "EPIPE") return false;
        throw cause;
      }
    },
    end: async () => {
      // A reader that has not come yet would wait for ever where nothing was written.
      handle ??= await trying(["ENXIO"], () => open(path, constants.O_WRONLY | constants.O_NONBLOCK));
      await close();
    },
    discard: async () => {
      await close();
      await discard(path);
    },
  };
}
