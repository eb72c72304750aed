/** A new generation without dead rows, made beside the one that serves. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import {
  addRow,
  type Bitmap,
  copyRows,
  createRows,
  emptyBitmap,
  hasRow,
  type Rows,
  rowPieces,
  rowsOf,
  type Upserts,
  type VectorBlocks,
  type View,
} from "../rows/rows.ts";
import type { Generation } from "./generation.ts";

interface Copy {
  rows: Rows;
  /** Applies what happened to the old rows since, in steps, until little is left. */
  follow: (signal: AbortSignal) => Promise<void>;
  /** Applies the rest at once: then both hold the same items, as long as nothing else is written in between. */
  catchUp: () => void;
}

/** Rows that are copied in one step. */
const sliceRows = 4096;

/** Copies the rows of the view in steps between which other work goes on. */
export async function copyLive(
  { rows: old, into }: { rows: Generation["rows"]; into: VectorBlocks },
  view: View,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<Copy> {
  const rows = createRows(into, old.sequences);
  const take = (chosen: Uint32Array, upserts: Upserts = copyRows(old, chosen)) =>
    rows.apply({ deletes: [], upserts }, Array.from(chosen, old.sequence));
  const live = rowsOf(view.alive);
  let taken = 0;
  for (const upserts of rowPieces(old, view, signal)) {
    take(live.subarray(taken, taken + upserts.ids.length), upserts);
    taken += upserts.ids.length;
    await clock.sleep(0, signal);
  }

  let seen = view.total;
  let copied = view.alive;
  const step = (to: number) => {
    const chosen = rowsOf(old.view().alive, seen).filter((row) => row < to);
    copied = withRows(copied, chosen, to);
    take(chosen);
    seen = to;
  };
  return {
    rows,
    follow: async (signal) => {
      while (old.total() - seen > sliceRows) {
        step(seen + sliceRows);
        await clock.sleep(0, signal);
      }
    },
    catchUp: () => {
      const gone = goneIds(old, copied);
      rows.apply({ deletes: gone, upserts: { ids: [], vectors: new Float32Array(), metadata: [] } });
      step(old.total());
    },
  };
}

function withRows(bits: Bitmap, more: Uint32Array, total: number): Bitmap {
  const grown = emptyBitmap(Math.max(total, bits.length * 32));
  grown.set(bits);
  for (const row of more) addRow(grown, row);
  return grown;
}

/** Ids of copied rows that died since and were not replaced: a newer row of the id takes the place by itself. */
function goneIds(old: Rows, copied: Bitmap): string[] {
  const { alive } = old.view();
  const gone: string[] = [];
  for (const row of rowsOf(copied)) {
    if (!hasRow(alive, row) && old.find(old.id(row)) === undefined) gone.push(old.id(row));
  }
  return gone;
}
