/** A result on its way out: whole when it is small, else as a stream that never ends cleanly unless it is whole. */
import type { Piece } from "./child/child.ts";

export type Body =
  | { whole: Uint8Array; rows: number; truncated: boolean }
  /** Rows are read as the stream is. `end` is called once, with what went wrong if anything did. */
  | { stream: (signal: AbortSignal, end: (failure?: unknown) => void) => ReadableStream<Uint8Array> };

export interface Outgoing {
  first: Piece;
  next: () => Promise<Piece>;
  progress: (rows: number, bytes: number) => void;
}

/** The body of a result whose first piece is there; a result that is done with it is whole. */
export function resultBody(outgoing: Outgoing): Body {
  const { first, progress } = outgoing;
  if (!first.done) return { stream: (signal, end) => streamOf(outgoing, signal, end) };
  const { bytes: whole = new Uint8Array(), rows, truncated } = first;
  progress(rows, whole.length);
  return { whole, rows, truncated };
}

/** The pieces one after the other, each asked for while the one before is read. */
function piecesOf({ first, next, progress }: Outgoing): () => Promise<Piece> {
  let coming = Promise.resolve(first);
  return async () => {
    const piece = await coming;
    if (!piece.done) {
      coming = next();
      // Whoever reads on hears of its failure.
      coming.catch(() => undefined);
    }
    progress(piece.rows, piece.bytes?.length ?? 0);
    return piece;
  };
}

/** Bun resets the connection when the stream errors: the caller cannot take a part for the whole. */
function streamOf(
  outgoing: Outgoing,
  signal: AbortSignal,
  end: (failure?: unknown) => void,
): ReadableStream<Uint8Array> {
  const read = piecesOf(outgoing);
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
