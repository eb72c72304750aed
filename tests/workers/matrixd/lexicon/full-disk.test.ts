/** A disk without room for SQLite's own files is not taken for damage of what is stored on it. */
import { expect, test } from "bun:test";
import { createDatabase, type LexiconState } from "../../../../workers/matrixd/lexicon/database.ts";
import { inspectDatabase } from "../../../../workers/matrixd/lexicon/inspection.ts";
import { makeSmallDisk, mountable } from "../../../support/faults/small-disk.ts";

test.skipIf(!mountable.includes("tmpfs"))("an inspection on a full disk finds nothing, and says why", () => {
  const disk = makeSmallDisk("tmpfs", 4 * 1024 * 1024);
  try {
    const file = `${disk.path}/corpus.sqlite`;
    const state = { generation: 0, rows: 0, last: 0, index: "matrix-a" } as LexiconState;
    createDatabase(file, state).close();
    disk.fill(0);
    expect(() => [...inspectDatabase(file, 0)]).toThrow(
      expect.objectContaining({
        type: "storage_full",
        message: expect.stringContaining("the disk is full"),
      }),
    );
    disk.empty();
    expect([...inspectDatabase(file, 0)].flatMap(({ problems }) => problems)).toEqual([]);
  } finally {
    disk.remove();
  }
});
