/** Journals over a real storaged: what is appended is found again, through checkpoints too. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  add,
  batchOf,
  configOf,
  contentsOf,
  damage,
  idsOf,
  ignored,
  keysOf,
  perTest,
  reopen,
  rowIds,
  rowsOf,
} from "../../../support/vectors/journals.ts";

const start = perTest();

test("an index that was made anew after a drop opens, whatever a loss of power took of its mark", async () => {
  const stack = await start();
  const journal = await stack.journals.create(configOf("a"));
  await add(journal, "1");
  await journal.close();
  stack.marks.set("index/a", { announced: [{ write: "dropped", incarnation: "dropped", last: 7 }] });
  expect(idsOf((await reopen(stack, "a")).batches)).toEqual(["1"]);
});

describe("appends", () => {
  test("come back in order, with vectors, metadata and deletes as they were", async () => {
    const stack = await start();
    const journal = await stack.journals.create(configOf("a"));
    const batches = [batchOf(["1", "2"], ["0"]), batchOf([], ["2"]), batchOf(["ä😀"]), batchOf([])];
    for (const batch of batches) await journal.append(batch, ignored);
    const found = await reopen(stack, "a", journal);
    expect(found.recovered.config).toEqual(configOf("a"));
    expect(found.rows).toEqual([]);
    expect(found.batches).toEqual(batches);
    expect(found.recovered.problems).toEqual([]);
    expect(found.journal.sinceCheckpoint().segments).toBe(4);
    await add(found.journal, "5");
    expect(idsOf((await reopen(stack, "a", found.journal)).batches)).toEqual(["1 2", "", "ä😀", "", "5"]);
  });

  test("that wait together are one segment, applied in the order of the calls, in step with the position", async () => {
    const stack = await start();
    const journal = await stack.journals.create(configOf("a"));
    const before = stack.written.calls;
    const seen: string[] = [];
    const appends = Array.from({ length: 100 }, (_, at) =>
      journal.append(batchOf([`${at}`]), () => seen.push(`${at}:${journal.position()}`)),
    );
    await Promise.all(appends);
    expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => `${at}:${at + 1}`));
    expect(stack.written.calls - before).toBe(2);
    expect(journal.sinceCheckpoint().segments).toBe(2);
    expect(idsOf((await reopen(stack, "a", journal)).batches)).toEqual(seen.map((_, at) => `${at}`));
  });

  test("larger than a message go as a file, and come back", async () => {
    const stack = await start();
    const dimension = 1000;
    const journal = await stack.journals.create(configOf("a", dimension));
    const ids = Array.from({ length: 5000 }, (_, at) => `row ${at}`);
    const batch = batchOf(ids, ids, dimension);
    await journal.append(batch, ignored);
    expect(stack.written.bytes).toBeGreaterThan(ids.length * dimension * 4);
    const { batches } = await reopen(stack, "a", journal);
    expect(batches).toHaveLength(1);
    expect(batches[0]?.upserts.ids).toEqual(ids);
    expect(batches[0]?.upserts.vectors).toEqual(batch.upserts.vectors);
    expect(batches[0]?.upserts.metadata).toEqual(batch.upserts.metadata);
  });

  test("cost as much at 100,000 rows as at 1,000", async () => {
    const stack = await start();
    const dimension = 16;
    const journal = await stack.journals.create(configOf("a", dimension));
    const ids = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, at) => `row ${from + at + 1e6}`);
    const costOfTen = async (from: number) => {
      const { calls, bytes } = stack.written;
      await journal.append(
        { deletes: [], upserts: { ...rowsOf(ids(0, 10), dimension), ids: ids(from, from + 10) } },
        ignored,
      );
      return { calls: stack.written.calls - calls, bytes: stack.written.bytes - bytes };
    };
    await journal.append(batchOf(ids(0, 1000), [], dimension), ignored);
    const small = await costOfTen(1000);
    await journal.append(batchOf(ids(1010, 100_000), [], dimension), ignored);
    await journal.checkpoint(
      { count: 100_000, pieces: [rowsOf(ids(0, 100_000), dimension)] },
      journal.position(),
    );
    const large = await costOfTen(100_000);
    expect(small.calls).toBe(1);
    expect(small.bytes).toBeLessThan(10 * (dimension * 4 + 150) + 600);
    // Only digits of the sequence in the segment's head may differ: both have one here.
    expect(large).toEqual(small);
  });

  test("refuse what would not read back the same, and go on", async () => {
    const stack = await start();
    const journal = await stack.journals.create(configOf("a"));
    expect(add(journal, "\ud800")).rejects.toMatchObject({ type: "invalid_field" });
    expect(journal.append(batchOf([], ["x\udc00"]), ignored)).rejects.toMatchObject({
      type: "invalid_field",
    });
    expect(journal.append(batchOf(["a"], [], 4), ignored)).rejects.toBeInstanceOf(RangeError);
    await add(journal, "1");
    expect(idsOf((await reopen(stack, "a", journal)).batches)).toEqual(["1"]);
  });
});

describe("checkpoints", () => {
  test("replace what came before the mark, while appends go on", async () => {
    const stack = await start();
    const journal = await stack.journals.create(configOf("a"));
    for (const id of ["1", "2", "3"]) await add(journal, id);
    const mark = journal.position();
    async function* pieces() {
      yield rowsOf(["1", "2"]);
      await add(journal, "4");
      yield rowsOf([]);
      yield rowsOf(["3"]);
    }
    await journal.checkpoint({ count: 3, pieces: pieces() }, mark);
    await add(journal, "5");
    expect(journal.sinceCheckpoint().segments).toBe(2);
    const found = await reopen(stack, "a", journal);
    expect(found.rows.flatMap(({ ids }) => ids)).toEqual(["1", "2", "3"]);
    expect(found.rows).toEqual([rowsOf(["1", "2"]), rowsOf(["3"])]);
    expect(idsOf(found.batches)).toEqual(["4", "5"]);
    expect(found.recovered.engine).toBeUndefined();
    const sizes = await stack.storage.peer.verbs.list({ prefix: "vectors/a/" });
    const stored = sizes.objects.filter(({ key }) => !key.endsWith("manifest.lhv1"));
    expect(found.journal.storedBytes()).toBe(stored.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(stored).toHaveLength(3);
  });

  test("within a segment read that segment again", async () => {
    const stack = await start();
    const journal = await stack.journals.create(configOf("a"));
    let mark = 0;
    await add(journal, "0");
    await Promise.all([
      add(journal, "1"),
      journal.append(batchOf(["2"]), () => {
        mark = journal.position();
      }),
      add(journal, "3"),
    ]);
    await journal.checkpoint(contentsOf("0", "1", "2"), mark);
    const found = await reopen(stack, "a", journal);
    expect(rowIds(found.rows)).toEqual(["0", "1", "2"]);
    expect(idsOf(found.batches).at(-1)).toBe("3");
    expect(() => found.journal.checkpoint(contentsOf(), 99)).toThrow("beyond");
  });

  test("keep the engine's file, and go on without it when it is damaged", async () => {
    const stack = await start();
    const journal = await stack.journals.create(configOf("a"));
    await add(journal, "1");
    const saveEngine = async (path: string) => {
      writeFileSync(path, "the graph");
      return true;
    };
    await journal.checkpoint({ ...contentsOf("1"), saveEngine }, 1);
    const found = await reopen(stack, "a", journal);
    expect(readFileSync(found.recovered.engine?.path ?? "", "utf8")).toBe("the graph");
    const engine = (await keysOf(stack)).find((key) => key.endsWith(".engine")) ?? "";
    damage(stack, engine);
    const damaged = await reopen(stack, "a", found.journal);
    expect(damaged.recovered.engine).toBeUndefined();
    expect(damaged.recovered.problems.join()).toContain("built again from the rows");
    expect(rowIds(damaged.rows)).toEqual(["1"]);
    await stack.storage.peer.verbs.write({ key: engine, bytes: Buffer.from("the GRAPH") });
    const other = await reopen(stack, "a", damaged.journal);
    expect(other.recovered.engine).toBeUndefined();
    await other.journal.checkpoint({ ...contentsOf("1"), saveEngine: async () => false }, 0);
    expect((await keysOf(stack)).filter((key) => key.endsWith(".engine"))).toEqual([]);
    await other.journal.checkpoint(
      { ...contentsOf("1"), saveEngine: () => Promise.reject(new Error("no memory")) },
      0,
    );
    expect(stack.log.some(({ error }) => error === "no memory")).toBe(true);
  });

  test("that fail leave all as it was, and nothing behind", async () => {
    const stack = await start();
    const journal = await stack.journals.create(configOf("a"));
    await add(journal, "1");
    const broken = async function* () {
      yield rowsOf(["1"]);
      throw new Error("cannot read on");
    };
    await expect(journal.checkpoint({ count: 2, pieces: broken() }, 1)).rejects.toThrow("cannot read on");
    await expect(journal.checkpoint({ count: 2, pieces: [rowsOf(["1"])] }, 1)).rejects.toThrow("was given 1");
    expect((await keysOf(stack)).filter((key) => key.includes("checkpoints"))).toEqual([]);
    const staging = join(stack.dataDir, "buckets/primary/.lakehouse/staging");
    expect(readdirSync(staging)).toEqual([]);
    expect(idsOf((await reopen(stack, "a", journal)).batches)).toEqual(["1"]);
  });
});
