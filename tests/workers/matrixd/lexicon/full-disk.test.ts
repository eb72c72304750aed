/** What is stored on a disk without room can be looked through. */
import { expect, test } from "bun:test";
import { createDatabase, type LexiconState } from "../../../../workers/matrixd/lexicon/database.ts";
import { inspectDatabase } from "../../../../workers/matrixd/lexicon/inspection.ts";
import { makeSmallDisk, mountable } from "../../../support/faults/small-disk.ts";

test.skipIf(!mountable.includes("tmpfs"))("an inspection needs no room", () => {
  const disk = makeSmallDisk("tmpfs", 4 * 1024 * 1024);
  try {
    const file = `${disk.path}/corpus.sqlite`;
    const state = { generation: 0, rows: 0, last: 0, index: "matrix-a" } as LexiconState;
    createDatabase(file, state).close();
    disk.fill(0);
    expect([...inspectDatabase(file, 0)].flatMap(({ problems }) => problems)).toEqual([]);
  } finally {
    disk.remove();
  }
});
