/** Snapshots of the log under writes and compactions, and what an inspection finds. */
import { expect, test } from "bun:test";
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { findingsOf, flipIn, restoreSnapshot } from "../../../support/durability/durable.ts";
import { logPath, type Memory, perTest } from "../../../support/stacks/pathwayd.ts";

const stack = perTest();

async function write({ verbs }: Memory, uid: string, kind: number): Promise<void> {
  await verbs.add({ uid, content: `words of ${uid}`, tags: ["t"] });
  if (kind === 0) await verbs.revise({ uid, new_uid: `${uid}-2`, content: `other words of ${uid}` });
  if (kind === 1) await verbs.retire({ uid, reason: "wrong" });
  if (kind > 1) await verbs.replay({ uid });
}

test("a snapshot under writes and compactions has what was acknowledged before it, and nothing half", async () => {
  const random = seeded(7);
  const path = stack.directory();
  const memory = await stack.start(path, { config: { compact_min_bytes: 1000, compact_replay_percent: 5 } });
  const answers = new Map<string, string>();
  let isOver = false;
  const writer = async (name: string) => {
    for (let at = 0; !isOver; at++) {
      const uid = `${name}-${at}`;
      await write(memory, uid, Math.floor(random() * 4));
      answers.set(uid, JSON.stringify(await memory.verbs.history({ uid })));
    }
  };
  const writers = ["a", "b", "c", "d"].map(writer);
  const compactions = (async () => {
    while (!isOver) {
      await memory.verbs.compact({});
      await memory.verbs.add({ content: "between two compactions" });
    }
  })();
  for (let round = 0; round < 5; round++) {
    await write(memory, `round-${round}`, round % 3);
    const before = new Map(answers);
    const copy = stack.directory();
    await restoreSnapshot(await memory.durable.snapshot(), join(copy, "pathwayd"));
    const restored = await stack.start(copy);
    expect(restored.notReady()).toEqual([]);
    expect(await restored.verbs.stats({})).toMatchObject({ problems: [], lost_changes: 0 });
    for (const [uid, history] of before)
      expect(JSON.stringify(await restored.verbs.history({ uid }))).toBe(history);
    expect(await findingsOf(restored.durable)).toEqual([]);
    expect(await findingsOf(memory.durable)).toEqual([]);
  }
  isOver = true;
  await Promise.all([...writers, compactions]);
});

test("a snapshot taken together with writes has each group of lines whole", async () => {
  const memory = await stack.start(stack.directory());
  for (let round = 0; round < 20; round++) {
    const uid = `u${round}`;
    await memory.verbs.add({ uid, content: "one" });
    const [snapshot] = await Promise.all([
      memory.durable.snapshot(),
      memory.verbs.revise({ uid, new_uid: `${uid}-2`, content: "two" }),
      memory.verbs.retire({ uid: `u${Math.max(0, round - 1)}-2` }).catch(() => undefined),
    ]);
    const copy = stack.directory();
    await restoreSnapshot(snapshot, join(copy, "pathwayd"));
    const restored = await stack.start(copy);
    expect(await restored.verbs.stats({})).toMatchObject({ damaged_lines: 0, lost_changes: 0, problems: [] });
    expect(await findingsOf(restored.durable)).toEqual([]);
  }
});

test("damage after the start is found and named, and a compaction mends it from memory", async () => {
  const path = stack.directory();
  const memory = await stack.start(path);
  for (const uid of ["a", "b", "c"]) await memory.verbs.add({ uid, content: `words of ${uid}` });
  flipIn(logPath(path), "words of b");
  expect(await findingsOf(memory.durable)).toEqual([
    {
      severity: "damage",
      place: "pathwayd/traces.log line 3",
      problem: "its checksum does not hold",
      remedy: expect.stringContaining("POST /v1/pathway/compact"),
    },
    {
      severity: "damage",
      place: "pathwayd/traces.log",
      problem: "1 changes stand in no line of it (sequence 2)",
      remedy: expect.stringContaining("POST /v1/pathway/compact"),
    },
  ]);
  await memory.verbs.compact({});
  expect(await findingsOf(memory.durable)).toEqual([]);
  truncateSync(logPath(path), 100);
  expect((await findingsOf(memory.durable)).map(({ problem }) => problem).join()).toContain(
    "are gone or no whole line",
  );
  await memory.verbs.compact({});
  const again = await stack.again(memory, path);
  expect(await again.verbs.stats({})).toMatchObject({ total: 3, problems: [] });
});

test("damage of before the start is reported until it is accepted, and what is set aside after", async () => {
  const path = stack.directory();
  const before = await stack.start(path);
  for (const uid of ["a", "b"]) await before.verbs.add({ uid, content: `words of ${uid}` });
  flipIn(logPath(path), "words of a");
  const memory = await stack.again(before, path);
  expect((await findingsOf(memory.durable)).map(({ place }) => place)).toEqual([
    "pathwayd/traces.log line 2",
    "pathwayd/traces.log",
  ]);
  await memory.verbs.compact({});
  expect((await findingsOf(memory.durable)).map(({ place, severity }) => [place, severity])).toEqual([
    ["pathwayd/traces.log.damaged", "leftover"],
  ]);
});
