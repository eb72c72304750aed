/** Journals whose bucket is not on this machine: storaged elsewhere, and objects in S3. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { testS3Servers } from "../../../support/s3/server.ts";
import {
  add,
  batchOf,
  configOf,
  idsOf,
  ignored,
  type JournalStack,
  keysOf,
  perTest,
  readAll,
  reopen,
  rowIds,
  rowsOf,
  type StorageVerbs,
} from "../../../support/vectors/journals.ts";

const start = perTest();

/** As a storaged on another machine answers: nothing of its disk can be seen here. */
const elsewhere = (verbs: StorageVerbs): StorageVerbs => ({
  ...verbs,
  stage: async (...call) => ({ token: (await verbs.stage(...call)).token, path: "/not/on/this/machine/x" }),
  locate: async (...call) => {
    const location = await verbs.locate(...call);
    return location.kind === "local" ? { ...location, path: "/not/on/this/machine/x" } : location;
  },
});

/** Everything there is: large and small appends, a checkpoint with engine, a snapshot, a restore. */
async function wholeLife(stack: JournalStack): Promise<void> {
  const dimension = 1000;
  const many = Array.from({ length: 3000 }, (_, at) => `row ${at}`);
  const copies = join(stack.dataDir, "vectord/objects");
  const journal = await stack.journals.create(configOf("a", dimension));
  await journal.append(batchOf(many, [], dimension), ignored);
  const early = await journal.snapshot(() => many.length);
  const saveEngine = async (path: string) => (await Bun.write(path, "the graph")) > 0;
  const pieces = [rowsOf(many, dimension)];
  await journal.checkpoint({ count: many.length, pieces, saveEngine }, journal.position());
  await journal.append(batchOf(["new"], ["row 1"], dimension), ignored);
  await journal.close();
  const journals = await stack.again();
  const { journal: second, recovered } = await journals.open("a");
  expect(readFileSync(recovered.engine?.path ?? "", "utf8")).toBe("the graph");
  const { rows, batches } = await readAll(recovered);
  expect(rowIds(rows)).toEqual(many);
  const vectors = rows.flatMap((piece) => [...piece.vectors]);
  expect(vectors).toEqual([...rowsOf(many, dimension).vectors]);
  expect(batches).toEqual([batchOf(["new"], ["row 1"], dimension)]);
  await expect(journals.create(configOf("a"))).rejects.toMatchObject({ type: "conflict" });
  await journals.restore("a", early.id, "b");
  await second.close();
  expect(readdirSync(copies)).toEqual([]);
  const restored = await reopen(stack, "b");
  expect(idsOf(restored.batches)).toEqual([many.join(" ")]);
  await restored.journals.drop("b");
  expect(await keysOf(stack, "vectors/b/")).toEqual([]);
  const third = await reopen(stack, "a");
  await third.journal.dropSnapshot(early.id);
  await third.journal.close();
  expect(await keysOf(stack)).toHaveLength(4);
}

test("storaged on another machine", async () => {
  await wholeLife(await start({ between: elsewhere }));
});

test("a refused PUT is storaged's own error, and the index goes on", async () => {
  const stack = await start({
    between: elsewhere,
    config: { storaged: { max_put_bytes_by_prefix: { "vectors/": 1 << 20 } } },
  });
  const journal = await stack.journals.create(configOf("a", 1000));
  const ids = Array.from({ length: 3000 }, (_, at) => `row ${at}`);
  await expect(journal.append(batchOf(ids, [], 1000), ignored)).rejects.toMatchObject({ type: "too_large" });
  await journal.append(batchOf(["1"], [], 1000), ignored);
  expect(idsOf((await reopen(stack, "a", journal)).batches)).toEqual(["1"]);
});

describe.each(await testS3Servers(["seaweedfs"]))("objects in S3 on $name", (server) => {
  test("a whole life", async () => {
    const bucket = await server.newBucket();
    const stack = await start({
      config: { buckets: { primary: { kind: "s3", bucket, endpoint: server.endpoint, path_style: true } } },
      secrets: { s3: () => server.keys, provider: () => undefined },
    });
    await wholeLife(stack);
    const journal = await stack.journals.create(configOf("c"));
    await add(journal, "1");
    const other = (await (await stack.again()).open("c")).journal;
    await add(journal, "2");
    await expect(add(other, "x")).rejects.toMatchObject({ type: "conflict" });
    expect(idsOf((await reopen(stack, "c", journal)).batches)).toEqual(["1", "2"]);
  });
});
