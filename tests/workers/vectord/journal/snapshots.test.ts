/** Snapshots, restores, and names that come and go. */
import { describe, expect, test } from "bun:test";
import type { Journals } from "../../../../workers/vectord/journal/journals.ts";
import type { Batch, Upserts } from "../../../../workers/vectord/rows/batch.ts";
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
  readAll,
  reopen,
  rowIds,
  rowsOf,
} from "../../../support/vectors/journals.ts";

const start = perTest();

describe("snapshots", () => {
  async function withSnapshots(journals: Journals) {
    const journal = await journals.create(configOf("a"));
    await add(journal, "1", "2");
    const empty = await journal.snapshot(() => 2);
    await add(journal, "3");
    await journal.checkpoint(contentsOf("1", "2", "3"), 2);
    await add(journal, "4");
    const full = await journal.snapshot(() => 4);
    await journal.append(batchOf(["5"], ["1"]), ignored);
    await journal.checkpoint(contentsOf("2", "3", "4", "5"), 4);
    return { journal, empty, full };
  }
  const contents = ({ rows, batches }: { rows: Upserts[]; batches: Batch[] }) => ({
    rows: rowIds(rows),
    batches: idsOf(batches),
  });

  test("are listed newest first, and keep their objects through checkpoints and restarts", async () => {
    const stack = await start();
    const { journal, empty, full } = await withSnapshots(stack.journals);
    expect(await journal.snapshots()).toEqual([full, empty]);
    expect(full).toMatchObject({ count: 4, bytes: expect.any(Number) });
    const found = await reopen(stack, "a", journal);
    expect(await found.journal.snapshots()).toEqual([full, empty]);
    expect(contents(found)).toEqual({ rows: ["2", "3", "4", "5"], batches: [] });
    await found.journal.close();
    await found.journals.restore("a", full.id, "b");
    await found.journals.restore("a", empty.id, "c");
    const b = await reopen(stack, "b");
    expect(contents(b)).toEqual({ rows: ["1", "2", "3"], batches: ["4"] });
    expect(b.recovered.config).toEqual(configOf("b"));
    expect(await b.journal.snapshots()).toEqual([]);
    expect(contents(await reopen(stack, "c"))).toEqual({ rows: [], batches: ["1 2"] });
  });

  test("deleted ones free what only they needed", async () => {
    const stack = await start();
    const { journal, empty, full } = await withSnapshots(stack.journals);
    const before = journal.storedBytes();
    await journal.dropSnapshot(full.id);
    await expect(journal.dropSnapshot(full.id)).rejects.toMatchObject({ type: "not_found" });
    expect(journal.storedBytes()).toBeLessThan(before);
    expect(await journal.snapshots()).toEqual([empty]);
    await stack.journals.restore("a", empty.id, "c");
    await journal.dropSnapshot(empty.id);
    expect(await keysOf(stack, "vectors/a/")).toHaveLength(2);
    expect(contents(await reopen(stack, "c"))).toEqual({ rows: [], batches: ["1 2"] });
  });

  test("restored in place replace the index: its open journal takes nothing more", async () => {
    const stack = await start();
    const { journal, empty, full } = await withSnapshots(stack.journals);
    await stack.journals.restore("a", empty.id, "a");
    await expect(add(journal, "lost")).rejects.toMatchObject({ type: "conflict" });
    await expect(journal.snapshot(() => 0)).rejects.toMatchObject({ type: "conflict" });
    await journal.close();
    const opened = await stack.journals.open("a");
    expect(contents(await readAll(opened.recovered))).toEqual({ rows: [], batches: ["1 2"] });
    await add(opened.journal, "6");
    expect(await opened.journal.snapshots()).toEqual([full, empty]);
    await stack.journals.restore("a", full.id, "a");
    const found = await reopen(stack, "a", opened.journal);
    expect(contents(found)).toEqual({ rows: ["1", "2", "3"], batches: ["4"] });
    await found.journal.close();
    // manifest, checkpoint and segment of the index; the same of the full snapshot; a segment of the other.
    expect(await keysOf(stack)).toHaveLength(6);
  });

  test("restored in place while a checkpoint is written: that is given up", async () => {
    const stack = await start();
    const journal = await stack.journals.create(configOf("a"));
    await add(journal, "1");
    const { id } = await journal.snapshot(() => 1);
    await add(journal, "2");
    const begun = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    async function* pieces() {
      yield rowsOf(["1"]);
      begun.resolve();
      await gate.promise;
      yield rowsOf(["2"]);
    }
    const checkpoint = journal.checkpoint({ count: 2, pieces: pieces() }, 2).catch((error) => error.type);
    await begun.promise;
    const restored = stack.journals.restore("a", id, "a");
    const refused = async (): Promise<string> => {
      for (;;) {
        const type = await add(journal, "3").catch((error) => error.type);
        if (type !== undefined) return type;
      }
    };
    expect(await refused()).toBe("conflict");
    gate.resolve();
    await restored;
    expect(await checkpoint).toBe("conflict");
    const found = await reopen(stack, "a", journal);
    expect(contents(found)).toEqual({ rows: [], batches: ["1"] });
    await found.journal.close();
    expect((await keysOf(stack)).filter((key) => key.includes("checkpoints"))).toEqual([]);
  });

  test("of unknown name, of unknown index: not_found", async () => {
    const stack = await start();
    const { journal, empty } = await withSnapshots(stack.journals);
    await expect(stack.journals.restore("a", "none", "b")).rejects.toMatchObject({ type: "not_found" });
    await expect(stack.journals.restore("none", empty.id, "b")).rejects.toMatchObject({ type: "not_found" });
    expect(await stack.journals.list()).toEqual(["a"]);
    await journal.close();
  });

  test.each(["damaged", "missing"])(
    "with a %s object is corrupt and leaves the target as it was",
    async (how) => {
      const stack = await start();
      const { journal, empty } = await withSnapshots(stack.journals);
      await journal.close();
      const [key = ""] = (await keysOf(stack)).filter((key) => key.includes("segments"));
      if (how === "damaged") damage(stack, key);
      else await stack.storage.peer.verbs.erase({ key });
      const target = await stack.journals.create(configOf("b"));
      await add(target, "kept");
      await expect(stack.journals.restore("a", empty.id, "b")).rejects.toMatchObject({ type: "corrupt" });
      await add(target, "too");
      expect(idsOf((await reopen(stack, "b", target)).batches)).toEqual(["kept", "too"]);
    },
  );
});

describe("names", () => {
  test("are listed, taken, opened once, dropped", async () => {
    const stack = await start();
    const { journals } = stack;
    const a = await journals.create(configOf("a"));
    await journals.create(configOf("a.b-C_1"));
    expect(await journals.list()).toEqual(["a", "a.b-C_1"]);
    await expect(journals.create(configOf("a"))).rejects.toMatchObject({ type: "conflict" });
    await expect(journals.open("a")).rejects.toMatchObject({ type: "conflict" });
    await expect(journals.open("none")).rejects.toMatchObject({ type: "not_found" });
    await expect(journals.drop("none")).rejects.toMatchObject({ type: "not_found" });
    await add(a, "1");
    await journals.drop("a");
    await expect(add(a, "2")).rejects.toMatchObject({ type: "not_found" });
    await a.close();
    expect(await journals.list()).toEqual(["a.b-C_1"]);
    expect(await keysOf(stack, "vectors/a/")).toEqual([]);
  });

  test("what a dropped index left behind is never taken for the next of its name", async () => {
    const stack = await start();
    const first = await stack.journals.create(configOf("a"));
    await add(first, "old 1");
    await add(first, "old 2");
    await first.snapshot(() => 2);
    await first.checkpoint(contentsOf("old 1", "old 2"), 2);
    await add(first, "old 3");
    await first.close();
    // As a crash in the middle of a drop leaves it.
    await stack.storage.peer.verbs.erase({ key: "vectors/a/manifest.lhv1" });
    const second = await (await stack.again()).create(configOf("a"));
    await add(second, "new");
    const found = await reopen(stack, "a", second);
    expect(found.rows).toEqual([]);
    expect(idsOf(found.batches)).toEqual(["new"]);
    expect(await found.journal.snapshots()).toEqual([]);
    await found.journal.close();
    expect(await keysOf(stack)).toHaveLength(2);
    // As a kill leaves it.
    stack.marks.remove("index/a");
    await stack.storage.peer.verbs.erase({ key: "vectors/a/manifest.lhv1" });
    expect(await (await stack.again()).list()).toEqual([]);
    expect(await keysOf(stack)).toEqual([]);
  });
});
