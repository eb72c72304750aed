/** The rows of an index: batches, views that do not change, copies without dead rows, sets of rows. */
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { copyLive } from "../../../../workers/vectord/indexes/compaction.ts";
import type { Batch } from "../../../../workers/vectord/rows/batch.ts";
import * as bitmap from "../../../../workers/vectord/rows/bitmap.ts";
import { createRows, type Rows, rowPieces } from "../../../../workers/vectord/rows/rows.ts";
import {
  blockRows,
  createSharedRows,
  createVectorBlocks,
} from "../../../../workers/vectord/rows/vector-blocks.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { makeSmallDisk, mountable } from "../../../support/faults/small-disk.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

/** Whole numbers below a bound, the same for the same seed. */
const dice = (seed: number) => {
  const random = seeded(seed);
  return { below: (bound: number) => Math.floor(random() * bound) };
};

const signal = new AbortController().signal;
let stamp = 0;
/** Items whose vector and metadata tell when they were made. */
const batch = (deletes: string[], ids: string[]): Batch => ({
  deletes,
  upserts: {
    ids,
    vectors: Float32Array.from(ids, () => ++stamp),
    metadata: ids.map((_, at) => ({ stamp: stamp - ids.length + at + 1 })),
  },
});
const newRows = () => createRows(createVectorBlocks(1));
const items = (rows: Rows) =>
  [...bitmap.rowsOf(rows.view().alive)].map((row) => [
    rows.id(row),
    rows.blocks.row(row)[0],
    rows.metadata(row)?.stamp,
  ]);

test("a batch deletes first, then adds; what is replaced leaves a dead row", () => {
  const rows = newRows();
  expect(rows.apply(batch([], ["a", "b"]))).toEqual({
    added: 2,
    replaced: 0,
    deleted: 0,
    missing: 0,
    count: 2,
  });
  expect(rows.apply(batch(["a", "x"], ["a", "b", "c"]))).toEqual({
    added: 2,
    replaced: 1,
    deleted: 1,
    missing: 1,
    count: 3,
  });
  expect([rows.live(), rows.total()]).toEqual([3, 5]);
  expect([rows.find("a"), rows.find("b"), rows.find("x")]).toEqual([2, 3, undefined]);
});

test("a view stays as it was", () => {
  const rows = newRows();
  rows.apply(batch([], ["a", "b"]));
  const view = rows.view();
  const before = [...view.alive];
  rows.apply(batch(["a"], ["b", "c"]));
  expect([...view.alive]).toEqual(before);
  expect([...bitmap.rowsOf(rows.view().alive)]).toEqual([2, 3]);
});

test("pieces are the live rows in order", () => {
  const rows = newRows();
  rows.apply(batch([], ["a", "b", "c"]));
  rows.apply(batch(["b"], ["a"]));
  const pieces = [...rowPieces(rows, rows.view(), signal)];
  expect(pieces.flatMap(({ ids }) => ids)).toEqual(["c", "a"]);
});

test("a copy that follows ends with the same items in the same order, whatever happens meanwhile", async () => {
  const random = dice(3);
  for (let round = 0; round < 60; round++) {
    const rows = newRows();
    const some = () => [...new Set(Array.from({ length: random.below(30) }, () => `i${random.below(60)}`))];
    for (let at = 0; at < 10; at++) rows.apply(batch(some(), some()));
    const copy = await copyLive(
      { rows, into: createVectorBlocks(rows.blocks.dimension) },
      rows.view(),
      systemClock,
      signal,
    );
    for (let at = 0; at < random.below(6); at++) rows.apply(batch(some(), some()));
    if (random.below(2) === 0)
      for (let at = 0; at < 9000; at += 50)
        rows.apply(
          batch(
            some(),
            Array.from({ length: 50 }, (_, n) => `n${at + n}`),
          ),
        );
    const following = copy.follow(signal);
    rows.apply(batch(some(), some()));
    await following;
    rows.apply(batch(some(), some()));
    copy.catchUp();
    expect(items(copy.rows)).toEqual(items(rows));
    for (const [id] of items(rows) as [string][]) {
      const [from, to] = [rows.find(id) ?? -1, copy.rows.find(id) ?? -1];
      expect(copy.rows.sequence(to)).toBe(rows.sequence(from));
    }
  }
});

describe("bitmaps", () => {
  test("do what sets do", () => {
    const random = dice(5);
    for (let round = 0; round < 200; round++) {
      const total = 1 + random.below(200);
      const [left, right] = [new Set<number>(), new Set<number>()];
      const bits = [bitmap.emptyBitmap(total), bitmap.emptyBitmap(total)] as const;
      for (let at = 0; at < total; at++) {
        if (random.below(2) === 0) {
          left.add(at);
          bitmap.addRow(bits[0], at);
        }
        if (random.below(3) === 0) {
          right.add(at);
          bitmap.addRow(bits[1], at);
        }
      }
      const from = random.below(total);
      const sorted = [...left].sort((a, b) => a - b);
      expect([...bitmap.rowsOf(bits[0], from)]).toEqual(sorted.filter((row) => row >= from));
      expect([...bitmap.rowsOf(bits[0], from, 3)]).toEqual(sorted.filter((row) => row >= from).slice(0, 3));
      expect(bitmap.countRows(bits[0], from)).toBe(sorted.filter((row) => row < from).length);
      const both = bits[0].slice();
      bitmap.intersect(both, bits[1]);
      expect(new Set(bitmap.rowsOf(both))).toEqual(left.intersection(right));
      bitmap.complement(both, total);
      expect(bitmap.countRows(both)).toBe(total - left.intersection(right).size);
      const any = bits[0].slice();
      bitmap.unite(any, bits[1]);
      expect(new Set(bitmap.rowsOf(any))).toEqual(left.union(right));
    }
  });
});

test.skipIf(!mountable.includes("tmpfs"))(
  "rows that a full disk has no room for stay in memory, by name, and are written once it has",
  () => {
    const disk = makeSmallDisk("tmpfs", 2 * 1024 * 1024);
    const size = 16;
    const blocks = createVectorBlocks(size, disk.path);
    const all = new Float32Array(blockRows * 3 * size).map((_, at) => at);
    const append = (count: number) =>
      blocks.append(all.slice(blocks.rows() * size, (blocks.rows() + count) * size));
    /** As this thread reads them, and as another does. */
    const areWhole = () => {
      const rows = Uint32Array.from({ length: blocks.rows() }, (_, row) => row);
      const other = createSharedRows(size, blocks.share(0));
      const found = [...rows].map((row) => other.block(row)[other.offset(row) + 1]);
      return (
        blocks.gather(rows).every((value, at) => value === all[at]) &&
        found.every((value, row) => value === all[row * size + 1])
      );
    };
    try {
      append(blockRows);
      const onDisk = blocks.bytes();
      expect([blocks.problem(), areWhole()]).toEqual([undefined, true]);
      // Of a block, 256 KiB, a part fits; then nothing.
      disk.fill(100_000);
      append(blockRows);
      expect(blocks.problem()).toContain("rows are kept in memory: cannot write rows to their file");
      expect(blocks.problem()).toContain("full");
      disk.fill();
      append(10);
      expect([blocks.problem(), areWhole()]).toEqual([expect.stringContaining("in memory"), true]);
      expect(blocks.bytes()).toBeGreaterThan(onDisk + 256 * 1024);
      disk.empty();
      append(10);
      expect([blocks.problem(), areWhole()]).toEqual([undefined, true]);
      expect(blocks.bytes()).toBeLessThan(onDisk + 300 * 1024);
    } finally {
      blocks.close();
      disk.remove();
    }
  },
);

test("a row whose bytes changed in its file is refused by its number, and the others are read", () => {
  const home = temporaryDirectory("rows");
  try {
    const path = join(home.path, "file");
    const vectors = Float32Array.from({ length: 12 }, (_, at) => at);
    const bytes = Buffer.concat([Buffer.alloc(8), Buffer.from(vectors.buffer)]);
    writeFileSync(path, bytes);
    const blocks = createVectorBlocks(4, home.path);
    blocks.append(vectors, { path, offset: 8, rows: 3 });
    bytes.writeUInt8(bytes.readUInt8(30) ^ 1, 30);
    writeFileSync(path, bytes);
    expect([...blocks.row(0)]).toEqual([0, 1, 2, 3]);
    expect([...blocks.gather(Uint32Array.of(0, 2))]).toEqual([0, 1, 2, 3, 8, 9, 10, 11]);
    expect(() => blocks.row(1)).toThrow("row 1 of an index is not what was written to its file");
    expect(() => blocks.gather(Uint32Array.of(0, 1, 2))).toThrow("its bytes changed");
    blocks.close();
    expect(() => blocks.row(0)).toThrow("compacted or closed");
  } finally {
    home.remove();
  }
});
