/** One result at a time on its way out of a child: rows of DuckDB become bytes here, and leave in large pieces. */

import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { formats, formsOf, type ResultEncoder } from "../results/results.ts";
import { matchParameters } from "../statements/statements.ts";
import { type Batch, checkColumns } from "../values/values.ts";
import type { Piece, RunRequest } from "./child.ts";
import type { Cursor, Engine } from "./duckdb.ts";

/** Results up to this many bytes are buffered first, so that their errors are proper answers. */
const firstBytes = 1024 * 1024;
/** Bytes handed over at once afterwards. */
const pieceBytes = 512 * 1024;

interface Runs {
  run: (request: RunRequest, signal: AbortSignal) => Promise<Piece | { tooMany: true }>;
  next: (signal: AbortSignal) => Promise<Piece>;
  end: () => Promise<void>;
}

interface Open {
  pump: Pump;
  stop: AbortController;
  release: () => Promise<void>;
}

export function createRuns(engine: Engine, clock: Clock): Runs {
  let open: Open | undefined;
  const end = async () => {
    const ending = open;
    open = undefined;
    await ending?.release();
  };
  /** A result is read by as many calls as it takes, and ends when one of them is aborted. */
  const until = async (signal: AbortSignal, bytes: number): Promise<Piece> => {
    const current = open;
    if (current === undefined) throw fail("conflict", "no result is open");
    const giveUp = () => current.stop.abort(signal.reason);
    if (signal.aborted) giveUp();
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      const piece = await current.pump.until(bytes);
      if (piece.done) await end();
      return piece;
    } catch (cause) {
      await end();
      throw cause;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  };
  return {
    end,
    next: (signal) => until(signal, pieceBytes),
    run: async (request, signal) => {
      await end();
      const stop = new AbortController();
      const giveUp = () => stop.abort(signal.reason);
      if (signal.aborted) giveUp();
      signal.addEventListener("abort", giveUp, { once: true });
      const session = await engine.session(stop.signal);
      try {
        const bind = (names: readonly string[]) => matchParameters(names, request.params);
        const { sql, marked, rowsMax } = request;
        const buffered = marked ? undefined : await session.openBuffered(sql, bind);
        const cursor = buffered ?? (await session.open(sql, bind));
        if (buffered && rowsMax !== undefined && buffered.rows > rowsMax) {
          await session.release();
          return { tooMany: true };
        }
        checkColumns(cursor.columns);
        const format = await formats[request.format]();
        const encoder = format.open(cursor.columns, {
          ...request,
          forms: formsOf(cursor.columns, request.forms),
        });
        open = { pump: createPump(cursor, encoder, request, clock), stop, release: session.release };
      } catch (cause) {
        await session.release();
        throw cause;
      } finally {
        signal.removeEventListener("abort", giveUp);
      }
      return until(signal, firstBytes);
    },
  };
}

interface Pump {
  /** Reads on until there are so many bytes, or the end. */
  until: (bytes: number) => Promise<Piece>;
}

function createPump(
  cursor: Cursor,
  encoder: ResultEncoder,
  { limit = Number.POSITIVE_INFINITY, elapsedMs }: RunRequest,
  clock: Clock,
): Pump {
  const begun = clock.elapsed();
  let rows = 0;
  let truncated = false;
  const add = (batch: Batch) => {
    const fit = Math.min(batch.rows, limit - rows);
    truncated ||= fit < batch.rows;
    if (fit > 0) encoder.add(fit < batch.rows ? { ...batch, rows: fit } : batch);
    rows += fit;
  };
  return {
    until: async (wanted) => {
      const before = rows;
      let done = false;
      while (!done && encoder.pending() < wanted) {
        const batch = await cursor.next();
        if (batch) add(batch);
        else {
          encoder.finish({ rows, truncated, elapsedMs: elapsedMs + clock.elapsed() - begun });
          done = true;
        }
      }
      const bytes = encoder.take();
      return { ...(bytes && { bytes }), rows: rows - before, done, truncated };
    },
  };
}
