/** The body of a result: buffered when it is small, else a stream that never ends cleanly unless it is complete. */
import type { Piece } from "../engine/engine.ts";
import { streamOf } from "../results/results.ts";

export type Body =
  | { buffered: Uint8Array; rows: number; truncated: boolean }
  /** Rows are read as the stream is. `end` is called once, with what went wrong if anything did. */
  | { stream: (signal: AbortSignal, end: (failure?: unknown) => void) => ReadableStream<Uint8Array> };

interface Outgoing {
  first: Piece;
  next: () => Promise<Piece>;
  progress: (rows: number, bytes: number) => void;
}

/** The body of a result whose first piece is there; a result that is done with it is buffered. */
export function resultBody(outgoing: Outgoing): Body {
  const { first, progress } = outgoing;
  if (!first.done) return { stream: (signal, end) => streamOf(piecesOf(outgoing), signal, end) };
  const { bytes: buffered = new Uint8Array(), rows, truncated } = first;
  progress(rows, buffered.length);
  return { buffered, rows, truncated };
}

/** The pieces one after the other, each asked for while the one before is read. */
function piecesOf({ first, next, progress }: Outgoing): () => Promise<Piece> {
  let coming = Promise.resolve(first);
  return async () => {
    const piece = await coming;
    if (!piece.done) {
      coming = next();
      // The next read awaits it, and fails with it.
      coming.catch(() => undefined);
    }
    progress(piece.rows, piece.bytes?.length ?? 0);
    return piece;
  };
}
