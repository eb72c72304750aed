/** The files that rows of one index stand in: a checkpoint, and a file without a name for those that came since. */
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../../runtime/errors/errors.ts";
import { type Placed, type Run, runsOf, sumOf } from "./placed.ts";

/** Where rows stand: in a file, one after the other from the offset on. */
export interface RowPlace {
  path: string;
  offset: number;
  rows: number;
}

/** Vectors in a file, one row after the other from the offset on. */
interface VectorsAt {
  offset: number;
  rows: number;
}

/** A file that holds rows from the first one on, and that is not read yet. */
export interface OpenedRows {
  descriptor: number;
  vectors: readonly VectorsAt[];
  close: () => void;
}

export interface RowFiles {
  placed: () => Placed;
  /** Rows that stand in a file, after those that are placed. */
  take: (vectors: Float32Array, place: RowPlace) => void;
  /** Places rows by writing them. Throws the system's error, with nothing placed. */
  write: (vectors: Float32Array) => void;
  /** Opens a file that holds the first rows. */
  open: (path: string, vectors: readonly VectorsAt[]) => OpenedRows;
  /** The first rows stand there from now on; `sumFor` gives the checksum of one that was not placed. Closes the files of before when the returned function is called. */
  moveTo: (opened: OpenedRows, sumFor: (row: number) => number) => () => void;
  close: () => void;
}

export function createRowFiles(dimension: number, folder: string): RowFiles {
  const rowBytes = dimension * 4;
  const descriptors = new Map<string, number>();
  let spare: { descriptor: number; bytes: number } | undefined;
  let runs: Run[] = [];
  const sums = createSums();
  let upTo = 0;
  let packed = runsOf(runs);
  let closed = false;

  const append = (run: Run, vectors: Float32Array) => {
    const count = vectors.length / dimension;
    for (let at = 0; at < count; at++)
      sums.set(upTo + at, sumOf(vectors.subarray(at * dimension, (at + 1) * dimension)));
    const last = runs.at(-1);
    const goesOn =
      last?.descriptor === run.descriptor && last.offset + (run.first - last.first) * rowBytes === run.offset;
    if (!goesOn) runs.push(run);
    upTo += count;
    packed = runsOf(runs);
  };
  const inUse = () => new Set(runs.map(({ descriptor }) => descriptor));
  return {
    placed: () => {
      if (closed) throw fail("unavailable", "the index was compacted or closed meanwhile; ask again");
      return { runs: packed, upTo, sums: sums.all() };
    },
    take: (vectors, { path, offset }) => {
      const descriptor = descriptors.get(path) ?? openSync(path, "r");
      descriptors.set(path, descriptor);
      append({ first: upTo, descriptor, offset }, vectors);
    },
    write: (vectors) => {
      spare ??= { descriptor: unnamedFile(folder), bytes: 0 };
      const { descriptor, bytes: offset } = spare;
      spare.bytes += writeWhole(descriptor, vectors, offset);
      append({ first: upTo, descriptor, offset }, vectors);
    },
    open: (path, vectors) => {
      const descriptor = openSync(path, "r");
      return { descriptor, vectors, close: () => closeSync(descriptor) };
    },
    moveTo: (file, sumFor) => {
      if (closed) {
        file.close();
        return () => {};
      }
      const before = inUse();
      const { moved, count } = runsIn(file);
      descriptors.clear();
      for (let row = upTo; row < count; row++) sums.set(row, sumFor(row));
      runs = [
        ...moved,
        ...runs.flatMap((run, at) => after(count, run, runs[at + 1]?.first ?? upTo, rowBytes)),
      ];
      upTo = Math.max(upTo, count);
      packed = runsOf(runs);
      const kept = inUse();
      if (spare && before.has(spare.descriptor) && !kept.has(spare.descriptor)) spare = undefined;
      return () => {
        for (const one of before) if (!kept.has(one)) closeSync(one);
      };
    },
    close: () => {
      if (closed) return;
      closed = true;
      const all = inUse();
      if (spare) all.add(spare.descriptor);
      for (const descriptor of all) closeSync(descriptor);
    },
  };
}

/** The runs of a file, and how many rows they are. */
function runsIn({ descriptor, vectors }: OpenedRows): { moved: Run[]; count: number } {
  let count = 0;
  const moved = vectors.map(({ offset, rows }): Run => {
    count += rows;
    return { first: count - rows, descriptor, offset };
  });
  return { moved, count };
}

/** What of a run stands at `row` or after it. */
function after(row: number, run: Run, end: number, rowBytes: number): Run[] {
  if (end <= row) return [];
  const skipped = Math.max(0, row - run.first);
  return [{ ...run, first: run.first + skipped, offset: run.offset + skipped * rowBytes }];
}

/** A checksum a row, in shared memory that grows. */
function createSums(): { set: (row: number, sum: number) => void; all: () => Uint32Array } {
  let sums = new Uint32Array(new SharedArrayBuffer(blockOf(0) * 4));
  return {
    set: (row, sum) => {
      if (row >= sums.length) {
        const more = new Uint32Array(new SharedArrayBuffer(blockOf(row) * 4));
        more.set(sums);
        sums = more;
      }
      sums[row] = sum;
    },
    all: () => sums,
  };
}

/** Room for checksums that holds the row, twice what was needed before. */
const blockOf = (row: number): number => 4096 * 2 ** Math.ceil(Math.log2(Math.max(1, (row + 1) / 4096)));

function writeWhole(descriptor: number, vectors: Float32Array, offset: number): number {
  const bytes = new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength);
  for (let done = 0; done < bytes.length; )
    done += writeSync(descriptor, bytes, done, bytes.length - done, offset + done);
  return bytes.length;
}

/** A file that nobody else sees, and that is gone with its descriptor. */
function unnamedFile(folder: string): number {
  const path = join(folder, `rows-${crypto.randomUUID()}`);
  const descriptor = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  return descriptor;
}
