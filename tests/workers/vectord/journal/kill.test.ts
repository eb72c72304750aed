/**
 * `kill -9` at random instants while batches are appended and checkpoints and snapshots are made: every acknowledged
 * batch is there, in order and whole. `VECTORD_JOURNAL_KILLS` and `VECTORD_JOURNAL_SEED` make it a campaign.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { apply, idsAfter, lastOf, names } from "../../../fixtures/vectord/journal-loop.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { killed } from "../../../support/durability/killed.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import {
  type JournalStack,
  keysOf,
  readAll,
  rowsOf,
  startJournals,
} from "../../../support/vectors/journals.ts";

const kills = Number(process.env.VECTORD_JOURNAL_KILLS ?? 3);
const seed = Number(process.env.VECTORD_JOURNAL_SEED ?? 1);
/** Longest life, in lines that it says: some tens of checkpoints. */
const linesMax = 200;
/** Of those that die early: about the time a start takes. */
const startMs = 500;
const program = join(import.meta.dir, "../../../fixtures/vectord/journal-loop.ts");

/** The largest number a line of this kind told, by index. */
interface Told {
  try: Map<string, number>;
  ack: Map<string, number>;
  snapshots: { name: string; id: string; count: number }[];
}

async function live(directory: string, random: () => number, told: Told): Promise<void> {
  const command = [program, directory, String(Math.floor(random() * 2 ** 31))];
  const isEarly = random() < 0.25;
  const doom = isEarly
    ? { lines: 0, moreMs: random() * startMs }
    : { lines: 1 + Math.floor(random() * linesMax), moreMs: random() * 10 };
  for (const line of await killed(command, doom)) {
    const [what = "", name = "", number = "", count] = line.split(" ");
    if (what === "snap") told.snapshots.push({ name, id: number, count: Number(count) });
    else if (what === "try" || what === "ack")
      told[what].set(name, Math.max(told[what].get(name) ?? 0, Number(number)));
  }
}

/** What a restart finds, checked against what each batch must hold; the number of the last batch. */
async function idsFound(stack: JournalStack, name: string): Promise<Set<string>> {
  const journals = await stack.again();
  if (!(await journals.list()).includes(name)) return new Set();
  const { journal, recovered } = await journals.open(name);
  const { rows, batches } = await readAll(recovered);
  const ids = new Set<string>();
  for (const upserts of rows) {
    expect(upserts).toEqual(rowsOf(upserts.ids));
    apply(ids, { deletes: [], upserts });
  }
  for (const batch of batches) {
    expect(batch.upserts).toEqual(rowsOf(batch.upserts.ids));
    apply(ids, batch);
  }
  expect(recovered.problems).toEqual([]);
  await journal.close();
  return ids;
}

const sorted = (ids: Iterable<string>) => [...ids].map((id) => id.slice(0, 20)).sort();

test(`${kills} kills, seed ${seed}`, async () => {
  const directory = temporaryDirectory("journal-kill");
  const random = seeded(seed);
  const told: Told = { try: new Map(), ack: new Map(), snapshots: [] };
  let restored = 0;
  try {
    for (let round = 0; round < kills; round++) {
      await live(directory.path, random, told);
      const stack = await startJournals({ dataDir: directory.path });
      for (const name of names) {
        const ids = await idsFound(stack, name);
        const last = lastOf(ids);
        expect(last).toBeGreaterThanOrEqual(told.ack.get(name) ?? 0);
        expect(last).toBeLessThanOrEqual(told.try.get(name) ?? 0);
        expect(sorted(ids)).toEqual(sorted(idsAfter(last)));
        // What was found counts from now on: the next life builds on it.
        told.ack.set(name, last);
        restored += await checkSnapshots(stack, name, told);
      }
      expect((await keysOf(stack)).filter((key) => key.startsWith("vectors/restored"))).toEqual([]);
      await stack.stop();
    }
    expect([...told.ack.values()].every((n) => n > 0)).toBe(true);
    expect(restored).toBeGreaterThan(0);
  } finally {
    directory.remove();
  }
});

/** Every snapshot that is there restores to what it was; objects that nothing needs are gone. */
async function checkSnapshots(stack: JournalStack, name: string, told: Told): Promise<number> {
  const journals = await stack.again();
  if (!(await journals.list()).includes(name)) return 0;
  const { journal } = await journals.open(name);
  const kept = await journal.snapshots();
  const segments = journal.sinceCheckpoint().segments;
  await journal.close();
  const keys = await keysOf(stack, `vectors/${name}/`);
  const checkpoints = keys.filter((key) => /checkpoints\/.*lhv1$/.test(key));
  expect(checkpoints.length).toBeLessThanOrEqual(kept.length + 1);
  if (kept.length === 0) expect(keys.filter((key) => key.includes("/segments/"))).toHaveLength(segments);
  const { count = -1, id = "" } = told.snapshots.findLast((told) => told.name === name) ?? {};
  if (!kept.some((snapshot) => snapshot.id === id)) return 0;
  await journals.restore(name, id, "restored");
  expect(sorted(await idsFound(stack, "restored"))).toEqual(sorted(idsAfter(count)));
  await (await stack.again()).drop("restored");
  return 1;
}
