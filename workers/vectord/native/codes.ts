/**
 * One bit a number instead of a graph: the signs of a vector that is moved by the mean of all and turned at random, so that
 * no axis and no offset of the data decides. A search compares the signs of all rows; the nearest by them are scored by
 * the f32 rows. Signs of turned vectors as estimates of angles: Charikar 2002; turned by Hadamard's matrices as in
 * RaBitQ (Gao & Long 2024).
 */
import { closeSync, openSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { storageError } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type EngineSpec, norm } from "../engine/engine.ts";
import { countRows, type SharedRows } from "../rows/rows.ts";
import { type Graph, noRow } from "./graph.ts";
import { blockRows, nearestCodes } from "./hamming.ts";
import { createTurn } from "./turn.ts";

/** Rows that the mean is taken of; until there are so many they are compared one by one. */
export const codesFrom = 2048;
/** Candidates by signs for each that a graph would look at, and at most so many more: ADR 0265 has the recall. */
const candidatesPerWanted = 4;
const candidatesOfSet = 8;
const moreCandidatesMax = 1024;

/** Codes of the rows; those in the file, which must be whole, or none yet. */
export function openCodes(spec: EngineSpec, shared: SharedRows, path?: string): Graph {
  const { dimension } = spec;
  const turn = createTurn(dimension);
  const words = turn.words;
  const blocks: Int32Array[] = [];
  let mean: Float32Array | undefined;
  let rows = 0;
  const block = (row: number): Int32Array => {
    const at = Math.floor(row / blockRows);
    blocks[at] ??= new Int32Array(blockRows * words);
    return blocks[at];
  };
  const keep = (row: number, vector: Float32Array, offset: number) =>
    turn.code(centred(vector, offset, mean), block(row), (row % blockRows) * words);
  if (path !== undefined) {
    const read = readCodes(path, dimension, words);
    mean = read.mean;
    rows = read.rows;
    for (let from = 0; from < rows; from += blockRows)
      block(from).set(read.codes.subarray(from * words, Math.min(rows, from + blockRows) * words));
  }
  return {
    covered: () => rows,
    addsFrom: codesFrom,
    add: (to) => {
      mean ??= meanOf(shared, Math.max(to, codesFrom));
      const some = shared.range(rows, to);
      const from = rows;
      for (let row = from; row < to; row++) keep(row, some, (row - from) * dimension);
      rows = to;
    },
    scored: (_, wanted) => wanted,
    search: (queries, wanted, among) => {
      const count = queries.length / dimension;
      const each = among ? candidatesOfSet : candidatesPerWanted;
      const least = Math.min(wanted * each, wanted + moreCandidatesMax);
      const asked = Math.min(least, among ? countRows(among, rows) : rows);
      const found = new Uint32Array(count * asked);
      const code = new Int32Array(words);
      for (let query = 0; query < count; query++) {
        turn.code(centred(queries, query * dimension, mean), code, 0);
        const nearest = nearestCodes(blocks, rows, { code, wanted: asked, among });
        if (nearest) found.set(nearest, query * asked);
        else found.fill(noRow, query * asked, (query + 1) * asked);
      }
      return { rows: found, wanted: asked };
    },
    write: (file) => writeCodes(file, { mean: mean ?? new Float32Array(dimension), rows, blocks, words }),
    bytes: () => blocks.reduce((sum, { byteLength }) => sum + byteLength, 0),
  };

  /** The vector at length 1, less the mean. */
  function centred(vectors: Float32Array, offset: number, by: Float32Array | undefined): Float32Array {
    const scale = 1 / (norm(vectors, offset, dimension) || 1);
    const own = turn.input;
    for (let at = 0; at < dimension; at++)
      own[at] = (vectors[offset + at] as number) * scale - (by?.[at] ?? 0);
    return own;
  }
}

/** Of rows spread evenly over the first `rows`, at length 1. */
function meanOf(shared: SharedRows, rows: number): Float32Array {
  const { dimension } = shared;
  const mean = new Float32Array(dimension);
  for (let at = 0; at < codesFrom; at++) {
    const row = Math.floor((at * rows) / codesFrom);
    const [vector, offset] = [shared.block(row), shared.offset(row)];
    const scale = 1 / (norm(vector, offset, dimension) || 1) / codesFrom;
    for (let place = 0; place < dimension; place++)
      mean[place] = (mean[place] as number) + (vector[offset + place] as number) * scale;
  }
  return mean;
}

// The file: the mean as f32, the number of rows as u32, the codes; a trailer follows that tells it whole.

interface Codes {
  mean: Float32Array;
  rows: number;
  blocks: readonly Int32Array[];
  words: number;
}

function writeCodes(path: string, { mean, rows, blocks, words }: Codes): void {
  try {
    const file = openSync(path, "w");
    const write = (numbers: Float32Array | Int32Array | Uint32Array) => {
      const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done);
    };
    try {
      write(mean);
      write(new Uint32Array([rows]));
      for (const [at, block] of blocks.entries())
        write(block.subarray(0, Math.min(blockRows, rows - at * blockRows) * words));
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    rmSync(path, { force: true });
    throw storageError(cause, "write the codes of an index");
  }
}

function readCodes(path: string, dimension: number, words: number) {
  const { size } = statSync(path);
  const file = openSync(path, "r");
  const bytes = new Uint8Array(size - (size % 4));
  try {
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(file, bytes, done, bytes.length - done, done);
      if (count === 0) throw fail("corrupt", "the file of an index's codes became shorter while it was read");
      done += count;
    }
  } finally {
    closeSync(file);
  }
  const mean = new Float32Array(bytes.buffer, 0, dimension);
  const numbers = new Uint32Array(bytes.buffer);
  const rows = numbers[dimension] ?? 0;
  const codes = numbers.subarray(dimension + 1, dimension + 1 + rows * words);
  if (codes.length !== rows * words)
    throw fail("corrupt", `the file of an index's codes holds fewer than its ${rows} rows`);
  return { mean: mean.slice(), rows, codes };
}
