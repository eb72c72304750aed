/** Journals when storaged fails, objects are damaged or missing, or a second writer comes. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  add,
  batchOf,
  configOf,
  contentsOf,
  createFaults,
  damage,
  idsOf,
  type JournalStack,
  keysOf,
  perTest,
  reopen,
  rowIds,
  type StorageVerbs,
} from "../../../support/vectors/journals.ts";

const start = perTest();

const isWritten = async (path: string) => (await Bun.write(path, "a graph")) > 0;

/** A journal with item 1, over a storaged whose faults are planned. */
async function begun() {
  const faults = createFaults();
  const stack = await start({ between: faults.between });
  const journal = await stack.journals.create(configOf("a"));
  await add(journal, "1");
  return { faults, stack, journal };
}

describe("a storaged that fails", () => {
  test.each([
    ["before", ["1", "3"]],
    ["after", ["1", "3"]],
  ] as const)(
    "%s it wrote: the batch is refused, the next ones go on, a restart agrees with memory",
    async (when, expected) => {
      const faults = createFaults();
      const stack = await start({ between: faults.between });
      const journal = await stack.journals.create(configOf("a"));
      const memory: string[] = [];
      const append = (id: string) => journal.append(batchOf([id]), () => memory.push(id));
      await append("1");
      faults.plan(when, when);
      expect(append("2")).rejects.toMatchObject({ status: when === "before" ? 507 : 504 });
      await expect(append("also 2")).rejects.toMatchObject({ status: when === "before" ? 507 : 504 });
      await append("3");
      expect(memory).toEqual([...expected]);
      const found = await reopen(stack, "a", journal);
      expect(idsOf(found.batches)).toEqual([...expected]);
      expect(found.recovered.problems).toHaveLength(when === "after" ? 2 : 0);
      await add(found.journal, "4");
      await found.journal.checkpoint(contentsOf("1", "3", "4"), 1);
      expect((await keysOf(stack)).filter((key) => key.includes("segments"))).toEqual([]);
    },
  );

  test("and a last batch of unknown outcome: whole or not at all", async () => {
    const { faults, stack, journal } = await begun();
    faults.plan("after");
    await expect(add(journal, "2")).rejects.toMatchObject({ type: "deadline_exceeded" });
    const found = await reopen(stack, "a", journal);
    expect(idsOf(found.batches)).toEqual(["1", "2"]);
    await add(found.journal, "3");
    expect(idsOf((await reopen(stack, "a", found.journal)).batches)).toEqual(["1", "2", "3"]);
  });

  test.each(["before", "after"] as const)(
    "%s the manifest was swapped: the checkpoint counts or does not",
    async (when) => {
      const { faults, stack, journal } = await begun();
      faults.plan(when);
      const done = await journal.checkpoint(contentsOf("1"), 1).then(
        () => true,
        (error) => error.type,
      );
      expect(done).toBe(when === "after" ? true : "storage_full");
      await add(journal, "2");
      const found = await reopen(stack, "a", journal);
      expect(rowIds(found.rows)).toEqual(when === "after" ? ["1"] : []);
      expect(idsOf(found.batches)).toEqual(when === "after" ? ["2"] : ["1", "2"]);
      await found.journal.close();
      expect((await keysOf(stack)).filter((key) => key.includes("checkpoints"))).toHaveLength(
        when === "after" ? 1 : 0,
      );
    },
  );

  test.each([
    ["before", undefined, "storage_full"],
    ["after", "codes", undefined],
  ] as const)(
    "%s other settings were swapped in: they are as the answer says",
    async (when, memory, fails) => {
      const { faults, stack, journal } = await begun();
      await journal.checkpoint({ ...contentsOf("1"), saveEngine: isWritten }, 1);
      // What is being appended is stored first.
      faults.plan("well", when);
      const appended = add(journal, "2");
      const type = await stack.journals.change("a", { memory: "codes" }).catch((error) => error.type);
      expect(type).toBe(fails);
      await appended;
      const refused = await add(journal, "3").catch((error) => error.type);
      expect(refused).toBe(fails ? undefined : "unavailable");
      const found = await reopen(stack, "a", journal);
      expect(found.recovered.config.memory).toBe(memory);
      expect([rowIds(found.rows), idsOf(found.batches)]).toEqual([["1"], fails ? ["2", "3"] : ["2"]]);
      // A graph is of no use for codes, and is no damage either.
      expect([found.recovered.engine === undefined, found.recovered.problems]).toEqual([!fails, []]);
    },
  );

  test("at create: the index is there or not, as the answer says", async () => {
    const faults = createFaults();
    const stack = await start({ between: faults.between });
    faults.plan("before", "after");
    await expect(stack.journals.create(configOf("a"))).rejects.toMatchObject({ type: "storage_full" });
    expect(await stack.journals.list()).toEqual([]);
    await add(await stack.journals.create(configOf("a")), "1");
    await expect(stack.journals.create(configOf("a"))).rejects.toMatchObject({ type: "conflict" });
    expect(await stack.journals.list()).toEqual(["a"]);
  });
});

describe("a write that arrives when nobody waits for it any more", () => {
  test("of a segment: passed over", async () => {
    const { faults, stack, journal } = await begun();
    faults.plan("late");
    await expect(add(journal, "2")).rejects.toMatchObject({ type: "deadline_exceeded" });
    await add(journal, "3");
    expect(await faults.arrive()).toBe("written");
    await add(journal, "4");
    expect(idsOf((await reopen(stack, "a", journal)).batches)).toEqual(["1", "3", "4"]);
  });

  test("of a checkpoint: its objects are there as long as it may arrive", async () => {
    const { faults, stack, journal } = await begun();
    faults.plan("late");
    await expect(journal.checkpoint(contentsOf("1"), 1)).rejects.toMatchObject({ type: "deadline_exceeded" });
    await add(journal, "2");
    const { id } = await journal.snapshot(() => 2);
    expect(await faults.arrive()).toBe("precondition_failed");
    faults.plan("late");
    await expect(journal.checkpoint(contentsOf("1", "2"), 2)).rejects.toMatchObject({
      type: "deadline_exceeded",
    });
    expect(await faults.arrive()).toBe("written");
    await journal.dropSnapshot(id);
    await add(journal, "3");
    const found = await reopen(stack, "a", journal);
    expect(rowIds(found.rows)).toEqual(["1", "2"]);
    expect(idsOf(found.batches)).toEqual(["3"]);
  });

  test("of a checkpoint of a process that was killed: refused once its objects were removed", async () => {
    const { faults, stack, journal } = await begun();
    faults.plan("late");
    await expect(journal.checkpoint(contentsOf("1"), 1)).rejects.toMatchObject({ type: "deadline_exceeded" });
    const found = await reopen(stack);
    await found.journal.close();
    expect((await keysOf(stack)).filter((key) => key.includes("checkpoints"))).toEqual([]);
    expect(await faults.arrive()).toBe("precondition_failed");
    expect(idsOf((await reopen(stack)).batches)).toEqual(["1"]);
  });

  test("of a restore: refused, for the index has gone on", async () => {
    const { faults, stack, journal } = await begun();
    const { id } = await journal.snapshot(() => 1);
    await add(journal, "2");
    faults.plan("well", "late");
    await expect(stack.journals.restore("a", id, "a")).rejects.toMatchObject({ type: "deadline_exceeded" });
    await add(journal, "3");
    expect(await faults.arrive()).toBe("precondition_failed");
    expect(idsOf((await reopen(stack, "a", journal)).batches)).toEqual(["1", "2", "3"]);
  });
});

describe("damage", () => {
  async function three(stack: JournalStack): Promise<{ segments: string[]; checkpoint: string }> {
    const journal = await stack.journals.create(configOf("a"));
    await add(journal, "0");
    await journal.checkpoint(contentsOf("0"), 1);
    for (const id of ["1", "2", "3"]) await add(journal, id);
    await journal.close();
    const keys = await keysOf(stack);
    const checkpoint = keys.find((key) => key.includes("checkpoints")) ?? "";
    return { segments: keys.filter((key) => key.includes("segments")), checkpoint };
  }

  test.each(["first", "middle", "last", "checkpoint", "manifest"])(
    "%s: corrupt, and named",
    async (which) => {
      const stack = await start();
      const { segments, checkpoint } = await three(stack);
      const [first = "", middle = "", last = ""] = segments;
      const key = { first, middle, last, checkpoint, manifest: "vectors/a/manifest.lhv1" }[which] ?? "";
      damage(stack, key);
      await expect(reopen(stack)).rejects.toMatchObject({
        type: "corrupt",
        message: expect.stringContaining(key),
      });
      expect(await (await stack.again()).list()).toEqual(["a"]);
      await (await stack.again()).drop("a");
      expect(await keysOf(stack)).toEqual([]);
    },
  );

  test.each(["first", "middle", "checkpoint"])("%s missing: corrupt, and named", async (which) => {
    const stack = await start();
    const { segments, checkpoint } = await three(stack);
    const [first = "", middle = ""] = segments;
    const key = { first, middle, checkpoint }[which] ?? "";
    await stack.storage.peer.verbs.erase({ key });
    await expect(reopen(stack)).rejects.toMatchObject({
      type: "corrupt",
      message: expect.stringContaining(key),
    });
  });

  test("a segment copied to another place is not taken for that", async () => {
    const stack = await start();
    const { segments } = await three(stack);
    const [first = "", middle = ""] = segments;
    const { bytes } = await stack.storage.peer.verbs.read({ key: first });
    await stack.storage.peer.verbs.write({ key: middle, bytes });
    await expect(reopen(stack)).rejects.toMatchObject({
      type: "corrupt",
      message: expect.stringContaining("copied here"),
    });
  });

  test("a damaged segment that was never acknowledged is passed over", async () => {
    const { faults, stack, journal } = await begun();
    faults.plan("after");
    await expect(add(journal, "2")).rejects.toMatchObject({ type: "deadline_exceeded" });
    await add(journal, "3");
    damage(stack, (await keysOf(stack)).filter((key) => key.includes("segments"))[1] ?? "");
    const found = await reopen(stack, "a", journal);
    expect(idsOf(found.batches)).toEqual(["1", "3"]);
    expect(found.recovered.problems.join()).toContain("never acknowledged");
  });
});

test("a start reads a checkpoint once; storaged reads it, and names it, where it is damaged", async () => {
  const asked: unknown[] = [];
  const between = (verbs: StorageVerbs): StorageVerbs => ({
    ...verbs,
    locate: (input, ...options) => {
      asked.push(input.verify);
      return verbs.locate(input, ...options);
    },
  });
  const stack = await start({ between });
  const journal = await stack.journals.create(configOf("a"));
  await add(journal, "1");
  await journal.checkpoint(contentsOf("1"), 1);
  const found = await reopen(stack, "a", journal);
  expect([rowIds(found.rows), asked]).toEqual([["1"], [false]]);
  await found.journal.close();
  const [key = ""] = (await keysOf(stack)).filter((each) => each.includes("checkpoints"));
  const path = join(stack.dataDir, "buckets/primary", key);
  const before = join(stack.dataDir, "before");
  Bun.spawnSync(["cp", "--preserve=timestamps", path, before]);
  damage(stack, key);
  // As a disk damages it: its time says that nobody wrote to the file.
  Bun.spawnSync(["touch", "--reference", before, path]);
  await expect(reopen(stack)).rejects.toMatchObject({ type: "corrupt" });
  expect(asked).toEqual([false, false, true]);
  expect(stack.storage.running.notReady?.().join()).toContain(key);
});

describe("a second writer", () => {
  test("is refused at the next append, and loses nothing of the first", async () => {
    const stack = await start();
    const journal = await stack.journals.create(configOf("a"));
    const other = (await (await stack.again()).open("a")).journal;
    await add(journal, "1");
    await add(journal, "2");
    await expect(add(other, "x")).rejects.toMatchObject({ type: "conflict" });
    for (const id of ["y", "z"]) await expect(add(other, id)).rejects.toMatchObject({ type: "conflict" });
    await other.checkpoint(contentsOf(), 0);
    await expect(journal.checkpoint(contentsOf("1"), 1)).rejects.toMatchObject({ type: "conflict" });
    for (const id of ["3", "4"]) await add(journal, id);
    expect(idsOf((await reopen(stack, "a", journal)).batches)).toEqual(["1", "2", "3", "4"]);
  });
});
