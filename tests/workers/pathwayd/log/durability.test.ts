/** What damage, a full disk, a forged log and another version do; what a compaction keeps. */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory } from "../../../../runtime/durable/files.ts";
import { fail } from "../../../../runtime/errors/errors.ts";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { openStore } from "../../../../workers/pathwayd/log/store.ts";
import { createTimes } from "../../../../workers/pathwayd/traces/instant.ts";
import { createTraceTable } from "../../../../workers/pathwayd/traces/table.ts";
import { planAdd, planReplay } from "../../../../workers/pathwayd/writes/plan.ts";
import { createWriter } from "../../../../workers/pathwayd/writes/writer.ts";
import { keptIn, takeAsTheyAre } from "../../../support/durability/marked.ts";
import { forgeLog, logPath, type Memory, perTest, readLog } from "../../../support/stacks/pathwayd.ts";

const stack = perTest();
const everything = { include_retired: true, include_superseded: true, page_size: 1000 };

async function uidsFound({ verbs }: Memory, conditions: object = {}): Promise<string[]> {
  const answers = [await verbs.search(conditions), await verbs.search({ ...conditions, text: "word" })];
  const { alive } = await verbs.alive({ uids: ["a", "b", "c", "d"] });
  return [...new Set([...answers.flatMap(({ results }) => results.map(({ uid }) => uid)), ...alive])].sort();
}

/** A log in which `a` was superseded by `b`, `b` retired, and `c` lives. */
async function filled(path: string): Promise<Buffer> {
  const memory = await stack.start(path);
  const { verbs } = memory;
  await verbs.add({ uid: "a", content: "word one" });
  await verbs.replay({ uid: "a" });
  await verbs.revise({ uid: "a", new_uid: "b", content: "word two" });
  await verbs.replay({ uid: "b" });
  await verbs.retire({ uid: "b", reason: "wrong" });
  await verbs.add({ uid: "c", content: "word three" });
  expect(await uidsFound(memory)).toEqual(["c"]);
  await stack.again(memory, stack.directory());
  return readLog(path);
}

describe("damage", () => {
  test("a flipped bit costs one line, brings nothing back, and is reported until it is accepted", async () => {
    const whole = await filled(stack.directory());
    const text = whole.toString();
    for (let at = 3; at < whole.length; at += 11) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ (1 << (at % 7));
      if (whole[at] === 10 || bytes[at] === 10) continue;
      const path = stack.directory();
      await forgeLog(path, []);
      writeFileSync(logPath(path), bytes);
      let memory = await stack.start(path);
      const start = text.lastIndexOf("\n", at) + 1;
      const line = text.slice(start, text.indexOf("\n", at));
      expect(await uidsFound(memory)).toEqual(line.includes("word three") ? [] : ["c"]);
      expect(await memory.verbs.stats({})).toMatchObject({ damaged_lines: 1 });
      expect(memory.notReady().join()).toContain("1 damaged lines were skipped");
      expect(
        memory.log.some(({ level, problem }) => level === "error" && `${problem}`.includes("damaged")),
      ).toBe(true);
      await memory.verbs.add({ uid: "d", content: "word four" });
      const { log_records } = await memory.verbs.compact({});
      expect(memory.notReady()).toEqual([]);
      memory = await stack.again(memory, path);
      expect(memory.notReady()).toEqual([]);
      expect(await memory.verbs.stats({})).toMatchObject({ damaged_lines: 0, log_records });
      expect(await uidsFound(memory)).toEqual(line.includes("word three") ? ["d"] : ["c", "d"]);
      expect(readFileSync(`${logPath(path)}.damaged`)).toEqual(
        Buffer.from(`${bytes.toString("latin1").slice(start, start + line.length)}\n`, "latin1"),
      );
    }
  });

  test("a last line that is cut short is dropped and reported; the service is ready", async () => {
    const whole = await filled(stack.directory());
    const last = whole.lastIndexOf(10, whole.length - 2) + 1;
    for (const cut of [last + 1, last + 30, whole.length - 1]) {
      const path = stack.directory();
      await forgeLog(path, []);
      writeFileSync(logPath(path), whole.subarray(0, cut));
      const memory = await stack.start(path);
      expect(memory.notReady()).toEqual([]);
      const { problems } = await memory.verbs.stats({});
      expect(problems).toEqual([expect.stringContaining(`${cut - last} bytes was cut short`)] as never);
      expect(await uidsFound(memory, everything)).toEqual(["a", "b"]);
      await memory.verbs.add({ uid: "c", content: "word" });
      expect(readLog(path).toString().split("\n").at(-2)).toContain('"uid":"c"');
    }
  });

  test("a line that is gone without a trace is missed by its number", async () => {
    const path = stack.directory();
    const lines = (await filled(path)).toString().split("\n");
    writeFileSync(logPath(path), lines.filter((_, at) => at !== 1 && at !== 3).join("\n"));
    await takeAsTheyAre(join(path, "pathwayd"), ["traces.log"]);
    let memory = await stack.start(path);
    expect(memory.notReady()).toEqual([
      expect.stringContaining("2 changes are lost (sequence 1, 3)"),
    ] as never);
    expect(await memory.verbs.stats({})).toMatchObject({ lost_changes: 2, damaged_lines: 0, total: 1 });
    await memory.verbs.compact({});
    memory = await stack.again(memory, path);
    expect(memory.notReady()).toEqual([]);
    const { problems, lost_changes } = await memory.verbs.stats({});
    expect(lost_changes).toBe(2);
    expect(problems.join("\n")).toContain("2 changes were lost to damage earlier");
    expect(problems.join("\n")).toContain("changes belong to traces whose beginning was lost");
  });

  test("a log of a newer version is refused and left alone", async () => {
    const path = stack.directory();
    await forgeLog(path, [], 4);
    const bytes = readLog(path);
    await expect(stack.start(path)).rejects.toThrow("written by a newer version (4) than this one reads (3)");
    expect(readLog(path)).toEqual(bytes);
  });

  test("a chain that a forged log made a circle ends", async () => {
    const revise = { kind: "revise", content: "word", tags: [] };
    for (const records of [
      [
        { ...revise, seq: 1, at: 1, uid: "a", predecessor: "b" },
        { ...revise, seq: 2, at: 2, uid: "b", predecessor: "a" },
      ],
      [{ ...revise, seq: 1, at: 1, uid: "a", predecessor: "a" }],
      [
        { kind: "add", seq: 1, at: 1, uid: "a", content: "word", tags: [] },
        { kind: "supersede", seq: 2, at: 2, uid: "a", successor: "a" },
      ],
    ]) {
      const path = stack.directory();
      await forgeLog(path, records);
      const memory = await stack.start(path);
      const { traces, changes } = await memory.verbs.history({ uid: "a" });
      expect(new Set(traces.map(({ uid }) => uid)).size).toBe(traces.length);
      expect(changes.length).toBeGreaterThan(0);
      expect((await uidsFound(memory)).includes("a")).toBe(false);
    }
  });

  test("records that do not fit are damage, whatever their checksum says", async () => {
    const path = stack.directory();
    const add = { kind: "add", seq: 1, at: 1, uid: "a", content: "word", tags: [] };
    await forgeLog(path, [
      add,
      { ...add, seq: 2 },
      { ...add, seq: -1, uid: "x" },
      { ...add, seq: 3, uid: "x", tags: "x" },
      { kind: "forget", seq: 4, at: 4, uid: "a" },
      { kind: "lost", ranges: [[1, 9e15]] },
      { kind: "retire", seq: 5, at: 5, uid: "a", forged: true },
      { ...add, seq: 6, at: 6, uid: "c" },
    ]);
    const memory = await stack.start(path);
    expect(await memory.verbs.stats({})).toMatchObject({ total: 2, damaged_lines: 6 });
    expect(await uidsFound(memory)).toEqual(["a", "c"]);
  });
});

test("a log that takes long is read in the background; until then every verb says so", async () => {
  const path = stack.directory();
  await filled(path);
  // The start does not wait at all.
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  const memory = await stack.start(path, { clock });
  expect(memory.notReady()).toEqual(["pathwayd is reading its log"]);
  const { verbs } = memory;
  const asked = await Promise.allSettled([
    verbs.stats({}),
    verbs.add({ content: 1 }),
    verbs.get({ uid: "c" }),
  ]);
  for (const outcome of asked)
    expect(outcome).toMatchObject({
      status: "rejected",
      reason: { type: "unavailable", retryAfterSeconds: 1 },
    });
  while (memory.notReady().length > 0) await new Promise(setImmediate);
  expect(await uidsFound(memory)).toEqual(["c"]);

  await forgeLog(path, [], 4);
  const newer = await stack.again(memory, path, { clock });
  while (!newer.notReady().join().includes("newer version (4)")) await new Promise(setImmediate);
  await expect(newer.verbs.stats({})).rejects.toMatchObject({ type: "unavailable" });
});

describe("writing", () => {
  test("a batch that cannot be stored is refused whole, leaves nothing, and the next is stored", async () => {
    const path = join(stack.directory(), "pathwayd");
    await makeDirectory(path);
    const table = createTraceTable({ onContent: () => {} });
    const store = await openStore(path, table, { kept: await keptIn(path) });
    let full = false;
    const writer = createWriter({
      table,
      times: createTimes(systemClock),
      store: {
        ...store,
        append: (changes) => (full ? Promise.reject(fail("storage_full", "full")) : store.append(changes)),
      },
      limits: { waitingMax: 100, logBytesMax: 1e9 },
      pays: () => false,
      settled: async () => {},
      onFailedCompaction: () => {},
    });
    const { signal } = new AbortController();
    const add = (uid: string) =>
      writer.write({
        bytes: 100,
        signal,
        plan: (draft) => planAdd(draft, { uid, content: uid, tags: [] }, { tracesMax: 100 }),
      });
    const replay = (uid: string) =>
      writer.write({ bytes: 100, signal, plan: (draft) => planReplay(draft, uid) });
    await add("a");
    full = true;
    const refused = await Promise.allSettled([add("b"), add("b"), replay("b"), replay("a"), add("c")]);
    expect(refused.map((outcome) => outcome.status === "rejected" && outcome.reason.type)).toEqual(
      Array.from({ length: 5 }, () => "storage_full"),
    );
    expect([table.entries.length, table.lastSequence(), table.find("a")?.head.replays]).toEqual([1, 1, 0]);
    full = false;
    await add("b");
    await replay("b");
    expect(table.lastSequence()).toBe(3);
    await writer.stop();
    const again = createTraceTable({ onContent: () => {} });
    await (await openStore(path, again, { kept: await keptIn(path) })).close();
    expect(again.entries.map(({ head }) => head)).toEqual(table.entries.map(({ head }) => head));
    expect(again.missing()).toEqual([]);
  });

  // Only the superuser may mount; elsewhere the test above stands alone.
  const mounts = process.getuid?.() === 0 && existsSync("/dev/shm");
  test.skipIf(!mounts)("a full disk answers 507, serves what is there, and recovers", async () => {
    const path = stack.directory();
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path]);
    if (mounted.exitCode !== 0) return;
    try {
      const memory = await stack.start(path);
      const { verbs } = memory;
      const kept: string[] = [];
      let refusal: { type?: string; status?: number } = {};
      for (let n = 0; n < 100 && refusal.type === undefined; n++)
        await verbs.add({ uid: `t${n}`, content: "x".repeat(10_000) }).then(
          ({ uid }) => kept.push(uid),
          (cause) => {
            refusal = cause;
          },
        );
      expect(refusal).toMatchObject({ type: "storage_full", status: 507 });
      expect((await verbs.search({ page_size: 1000 })).results.map(({ uid }) => uid)).toEqual(
        kept.toReversed(),
      );
      await expect(verbs.compact({})).rejects.toMatchObject({ type: "storage_full" });
      expect(readdirSync(join(path, "pathwayd")).filter((name) => name.endsWith(".part"))).toEqual([]);
      Bun.spawnSync(["mount", "-o", "remount,size=4m", path]);
      kept.push((await verbs.add({ uid: "after", content: "y" })).uid);
      const again = await stack.again(memory, path);
      expect(again.notReady()).toEqual([]);
      expect((await again.verbs.search({ page_size: 1000 })).results.map(({ uid }) => uid)).toEqual(
        kept.toReversed(),
      );
      await stack.again(again, stack.directory());
    } finally {
      Bun.spawnSync(["umount", path]);
    }
  });

  test("a log as large as allowed takes nothing more but retire", async () => {
    const { verbs } = await stack.start(stack.directory(), { config: { max_log_bytes: 4096 } });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) => verbs.add({ uid: `t${n}`, content: "x".repeat(500) })),
    );
    const reasons = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    expect(reasons.length).toBeGreaterThan(3);
    for (const reason of reasons) expect(reason).toMatchObject({ type: "storage_full", status: 507 });
    const replays = Promise.all(Array.from({ length: 30 }, () => verbs.replay({ uid: "t0" })));
    await expect(replays).rejects.toMatchObject({
      message: expect.stringContaining("max_log_bytes"),
    });
    expect((await verbs.retire({ uid: "t0" })).retired).toBe(true);
  });

  test("more than may wait are refused with 429", async () => {
    const { verbs } = await stack.start(stack.directory(), { config: { max_waiting: 5 } });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => verbs.add({ content: n })),
    );
    const refused = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason] : []));
    expect(refused.length).toBeGreaterThan(40);
    for (const reason of refused)
      expect(reason).toMatchObject({ type: "too_many_requests", retryAfterSeconds: 1 });
    expect((await verbs.stats({})).total).toBe(50 - refused.length);
  });

  test("a caller that went away while waiting changes nothing", async () => {
    const { verbs } = await stack.start(stack.directory());
    const gone = new AbortController();
    const first = verbs.add({ uid: "a", content: 1 });
    const second = verbs.add({ uid: "b", content: 2 }, { signal: gone.signal });
    gone.abort();
    const [, late] = await Promise.allSettled([first, second]);
    expect(late?.status).toBe("rejected");
    expect((await verbs.search({})).results.map(({ uid }) => uid)).toEqual(["a"]);
  });
});

describe("compaction", () => {
  test("happens by itself when it pays, keeps every replay with its time, and what is written meanwhile", async () => {
    const path = stack.directory();
    const config = { compact_min_bytes: 2048, compact_replay_percent: 30 };
    const memory = await stack.start(path, { config });
    const { verbs } = memory;
    for (const uid of ["a", "b"]) await verbs.add({ uid, content: uid });
    const times: (string | undefined)[] = [];
    for (let round = 0; round < 20; round++) {
      const replays = Array.from({ length: 10 }, (_, n) => verbs.replay({ uid: n % 2 ? "a" : "b" }));
      for (const { last_replayed_at } of await Promise.all(replays)) times.push(last_replayed_at);
    }
    const stats = await verbs.stats({});
    expect(stats).toMatchObject({ replays: 200, lost_changes: 0 });
    expect(stats.log_records).toBeLessThan(60);
    const answers = async ({ verbs: asked }: Memory) => ({
      chains: await Promise.all(["a", "b"].map((uid) => asked.history({ uid }))),
      counts: await Promise.all(
        times.map(async (as_of = "") => (await asked.get({ uid: "a", as_of })).replay_count),
      ),
    });
    const before = await answers(memory);
    expect(before.chains[0]?.changes.length).toBe(101);
    expect(before.counts.at(-1)).toBe(100);
    const again = await stack.again(memory, path, { config });
    expect(await answers(again)).toEqual(before);
    const { log_bytes, ...counts } = await again.verbs.stats({});
    expect(counts).toMatchObject({ replays: 200, total: 2, live: 2, lost_changes: 0, problems: [] });
    expect(log_bytes).toBe(readLog(path).length);
  });

  test("asked for again and again while writes go on, nothing is lost or doubled", async () => {
    const path = stack.directory();
    const memory = await stack.start(path);
    const { verbs } = memory;
    await verbs.add({ uid: "a", content: 0 });
    const work = Array.from({ length: 200 }, (_, n) =>
      n % 10 === 0
        ? verbs.compact({})
        : n % 2 === 0
          ? verbs.replay({ uid: "a" })
          : verbs.add({ uid: `t${n}`, content: n }),
    );
    await Promise.all(work);
    const stats = await verbs.stats({});
    expect(stats).toMatchObject({ total: 101, replays: 80, lost_changes: 0, problems: [] });
    const found = await verbs.search(everything);
    const again = await stack.again(memory, path);
    expect(await again.verbs.search(everything)).toEqual(found);
    expect(await again.verbs.stats({})).toEqual(stats);
  });

  test("what a kill in its middle left is removed", async () => {
    const path = stack.directory();
    await filled(path);
    writeFileSync(join(path, "pathwayd", ".0000.part"), "half");
    const memory = await stack.start(path);
    expect(readdirSync(join(path, "pathwayd")).sort()).toEqual(["idempotency-1.log", "traces.log"]);
    expect(await uidsFound(memory)).toEqual(["c"]);
  });
});
