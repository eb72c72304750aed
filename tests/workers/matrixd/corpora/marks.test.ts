/** The mark of a corpus whose record was written a moment before a power loss. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { Mutex } from "async-mutex";
import { changeRecord, type Entry } from "../../../../workers/matrixd/corpora/entry.ts";
import { recordFault } from "../../../../workers/matrixd/corpora/marks.ts";
import { type CorpusRecord, readRecord, writeRecord } from "../../../../workers/matrixd/corpora/record.ts";
import { keptIn } from "../../../support/durability/marked.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const home = temporaryDirectory("corpus-mark");
afterAll(home.remove);
const spec = { name: "c", dataset: "d", id_column: "id", text_columns: ["t"] };

test("a first record may lack its mark, and a later one not", async () => {
  const kept = await keptIn(join(home.path, "matrixd"));
  const directory = join(home.path, "matrixd", "corpora", "c.1");
  expect(recordFault(directory, { revision: 1 }, kept)).toBeUndefined();
  expect(recordFault(directory, { revision: 2 }, kept)).toContain("its mark is gone");
  expect(recordFault(directory, {}, kept)).toBeUndefined();
});

test("the first record's mark is on stable storage before the second record is there", async () => {
  const kept = await keptIn(join(home.path, "other"));
  const directory = join(home.path, "other", "corpora", "c.1");
  const record: CorpusRecord = { name: "c", revision: 1, spec, builds: [] };
  await writeRecord(directory, record);
  const seen: unknown[] = [];
  const marks = {
    ...kept.marks,
    settle: async () => {
      seen.push((await readRecord(directory)) as CorpusRecord);
      await kept.marks.settle();
    },
  };
  const entry: Entry = { directory, record, mutex: new Mutex(), kept: { ...kept, marks } };
  await changeRecord(entry, (before) => before);
  await changeRecord(entry, (before) => before);
  expect(seen).toEqual([record]);
  expect(await readRecord(directory)).toMatchObject({ revision: 3 });
});
