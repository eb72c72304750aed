/** A result on its way out: whole when it is small, else as a stream that never ends cleanly unless it is whole. */
import type { Cursor } from "./engine.ts";
import type { ResultEncoder } from "./result-format.ts";
import type { Batch } from "./vector.ts";

/** Results up to this many bytes are made whole first, so that their errors are proper answers. */
const wholeBytesMax = 1024 * 1024;
/** Bytes handed over at once while streaming. */
const pieceBytes = 256 * 1024;

export interface Outgoing {
  cursor: Cursor;
  encoder: ResultEncoder;
  limit: number | undefined;
  elapsedMs: () => number;
  progress: (rows: number, bytes: number) => void;
}

export type Body =
  | { whole: Uint8Array; rows: number; truncated: boolean }
  /** Rows are read as the stream is. `end` is called once, with what went wrong if anything did. */
  | { stream: (signal: AbortSignal, end: (failure?: unknown) => void) => ReadableStream<Uint8Array> };

/** Reads up to the bound for whole results; rejects with what goes wrong until then. */
export async function resultBody(outgoing: Outgoing): Promise<Body> {
  const pump = createPump(outgoing);
  while (outgoing.encoder.pending() < wholeBytesMax && !pump.done()) await pump.step();
  if (!pump.done()) return { stream: (signal, end) => streamOf(pump, signal, end) };
  return { whole: pump.take() ?? new Uint8Array(), rows: pump.rows(), truncated: pump.truncated() };
}

interface Pump {
  /** Encodes one batch more, or the end. */
  step: () => Promise<void>;
  done: () => boolean;
  truncated: () => boolean;
  rows: () => number;
  pending: () => number;
  take: () => Uint8Array | null;
}

function createPump({
  cursor,
  encoder,
  limit = Number.POSITIVE_INFINITY,
  elapsedMs,
  progress,
}: Outgoing): Pump {
  let rows = 0;
  let done = false;
  let truncated = false;
  const add = (batch: Batch) => {
    const fit = Math.min(batch.rows, limit - rows);
    truncated ||= fit < batch.rows;
    if (fit > 0) encoder.add(fit < batch.rows ? { ...batch, rows: fit } : batch);
    rows += fit;
    progress(fit, 0);
  };
  return {
    step: async () => {
      const batch = await cursor.next();
      if (batch) return add(batch);
      encoder.finish({ rows, truncated, elapsedMs: elapsedMs() });
      done = true;
    },
    done: () => done,
    truncated: () => truncated,
    rows: () => rows,
    pending: encoder.pending,
    take: () => {
      const bytes = encoder.take();
      if (bytes) progress(0, bytes.length);
      return bytes;
    },
  };
}

/** Bun resets the connection when the stream errors: the caller cannot take a part for the whole. */
function streamOf(
  pump: Pump,
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
          while (pump.pending() < pieceBytes && !pump.done()) await pump.step();
          if (signal.aborted) return;
          const bytes = pump.take();
          if (bytes) controller.enqueue(bytes);
          if (pump.done()) {
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
