/**
 * Where a text is cut into parts. DuckDB's writer collects parts into row groups, and whether it ends a row group
 * early depends on the timing of its threads, unless the parts have equal numbers of rows, at least one vector each,
 * and a row group is a whole number of parts (PhysicalBatchCopyToFile, CorrectSizeForBatch). Then the same rows give
 * the same Parquet file. So parts are counted in rows, by the width of the first ones; only where rows become much
 * wider does a part end by its bytes.
 */

export interface PartSplitter {
  /** To be called for each row that ended, with the offset behind it; true when the part ends there. */
  endRow: (end: number) => boolean;
  /** Rows in each part but the last; undefined when parts end by their bytes. A vector while there is one part. */
  partRows: () => number | undefined;
}

/** About what a part should have, and what it has at most but for its last row: DuckDB divides files from 8 MB on. */
const wantedBytes = 6_000_000;
const mostBytes = 7_600_000;
/** Where the width of rows is measured: before the narrowest rows, of a byte, fill the longest part. */
const measuredBytes = 100_000;
/** DuckDB's vector, and how many of them make its own default row group: parts of narrow rows are not longer. */
export const vectorRows = 2048;
const vectorsMax = 60;

export function createPartSplitter(): PartSplitter {
  let rows = 0;
  let partRows: number | undefined;
  let measured = false;
  let inPart = 0;
  let partStart = 0;
  return {
    endRow: (end) => {
      rows += 1;
      inPart += 1;
      if (!measured && end >= measuredBytes) {
        measured = true;
        const vectors = Math.floor((wantedBytes * rows) / end / vectorRows);
        if (vectors > 0) partRows = Math.min(vectors, vectorsMax) * vectorRows;
      }
      const byRows = partRows !== undefined && inPart === partRows;
      const byBytes = end - partStart >= (partRows === undefined && measured ? wantedBytes : mostBytes);
      if (!byRows && !byBytes) return false;
      inPart = 0;
      partStart = end;
      return true;
    },
    partRows: () => (measured ? partRows : vectorRows),
  };
}
