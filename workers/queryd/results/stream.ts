/** A body that is read piece by piece, and never ends cleanly unless it is complete. */

/** What a read gives: bytes, if there are any, and whether they were the last. */
interface Read {
  bytes?: Uint8Array;
  done: boolean;
}

/**
 * Reads as the stream is read. `end` is called once, with what went wrong if anything did. Bun resets the connection
 * when the stream errors: the caller cannot take a part for the whole.
 */
export function streamOf(
  read: () => Promise<Read>,
  signal: AbortSignal,
  end: (failure?: unknown) => void,
): ReadableStream<Uint8Array> {
  let stop = () => {};
  const leave = (failure?: unknown) => {
    signal.removeEventListener("abort", stop);
    end(failure);
  };
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        // A caller that does not read would otherwise keep a query that has been stopped.
        stop = () => {
          leave(signal.reason);
          controller.error(signal.reason);
        };
        if (signal.aborted) stop();
        else signal.addEventListener("abort", stop, { once: true });
      },
      pull: async (controller) => {
        try {
          const { bytes, done } = await read();
          if (signal.aborted) return;
          if (bytes?.length) controller.enqueue(bytes);
          if (done) {
            leave();
            controller.close();
          }
        } catch (cause) {
          if (signal.aborted) return;
          leave(cause);
          controller.error(cause);
        }
      },
      cancel: (reason) => leave(reason),
    },
    { highWaterMark: 0 },
  );
}
