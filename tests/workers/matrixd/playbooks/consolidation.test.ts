/** Consolidation: what merges, what goes, what stays, and that it says so. */
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { makeDirectory } from "../../../../runtime/durable/files.ts";
import { openLineLog } from "../../../../runtime/line-log/line-log.ts";
import { keptIn } from "../../../support/durability/marked.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import {
  type PlaybookStack,
  type PlaybookStackOptions,
  startPlaybookStack,
} from "../../../support/stacks/playbooks.ts";

const dayMs = 86_400_000;
const now = Date.parse("2026-06-01T00:00:00.000Z");
const homes: { remove: () => void }[] = [];
let stack: PlaybookStack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
  for (const home of homes.splice(0)) home.remove();
});

interface Stored {
  playbook_id: string;
  query_text: string;
  answer_id?: string;
  corpus?: string;
  helpful?: number;
  harmful?: number;
  score?: number;
  trace_uid?: string;
  daysOld?: number;
}

/** Playbooks as an earlier run left them; those that recording would have merged among them. */
async function startWith(stored: readonly Stored[], options: PlaybookStackOptions = {}) {
  const home = temporaryDirectory("consolidation");
  homes.push(home);
  const directory = join(home.path, "matrixd");
  await makeDirectory(directory);
  const log = await openLineLog({
    path: join(directory, "playbooks.log"),
    format: "lakehouse.playbooks",
    version: 1,
    kept: await keptIn(directory),
    replay: () => {},
  });
  await log.rewrite(
    stored.map(({ daysOld = 0, ...given }, at) => {
      const time = new Date(now - daysOld * dayMs + at).toISOString();
      const usual = { answer_id: "w1", corpus: "workers", score: 1, tags: [], helpful: 0, harmful: 0 };
      const times = { created_at: time, updated_at: time, confirmed_at: time };
      return { put: [{ ...usual, ...times, ...given }], gone: [] };
    }),
  );
  await log.close();
  stack = await startPlaybookStack({ directory: home.path, clock: { now: () => now + dayMs }, ...options });
  return stack;
}

const long = "certified forklift operator with OSHA-10 card for the night shift near Chicago";
const set: Stored[] = [
  { playbook_id: "a", query_text: long, helpful: 2, score: 1, daysOld: 30 },
  {
    playbook_id: "b",
    query_text: long.replace("card", "cards"),
    helpful: 1,
    harmful: 1,
    score: 0.5,
    daysOld: 10,
  },
  { playbook_id: "c", query_text: long.toUpperCase(), daysOld: 5 },
  { playbook_id: "other-row", query_text: long, answer_id: "w2" },
  { playbook_id: "other-trace", query_text: long, trace_uid: "t" },
  { playbook_id: "other-question", query_text: "night nurse in Boston" },
  { playbook_id: "misleads", query_text: "welder", answer_id: "w3", helpful: 1, harmful: 3 },
  { playbook_id: "doubted", query_text: "welder", answer_id: "w4", harmful: 2 },
  { playbook_id: "faded", query_text: "clerk", answer_id: "w5", daysOld: 500 },
  { playbook_id: "old", query_text: "clerk", answer_id: "w6", daysOld: 400 },
];
const listed = async () =>
  (await (stack as PlaybookStack).verbs.playbooks({ include_retired: true })).playbooks;
const idsLeft = async () => (await listed()).map(({ playbook_id }) => playbook_id).sort();

test("a dry run says what a run then does, and changes nothing", async () => {
  const { verbs } = await startWith(set);
  const before = await idsLeft();
  const planned = await verbs.consolidate({ dry_run: true });
  expect(planned.merged).toEqual([{ kept: "a", gone: ["b", "c"] }]);
  expect(planned.dropped.map(({ playbook_id }) => playbook_id)).toEqual(["faded", "misleads"]);
  expect(planned.dropped[0]?.because).toContain("half-life of 90 days");
  expect(planned.dropped[1]?.because).toContain("3 harmful, 1 helpful");
  expect(planned.more).toBe(false);
  expect(await idsLeft()).toEqual(before);
  expect(await verbs.consolidate({})).toEqual(planned);
  expect(await idsLeft()).toEqual(
    ["a", "doubted", "old", "other-question", "other-row", "other-trace"].sort(),
  );
});

test("what is merged keeps the wordings, the voices and the younger confirmation", async () => {
  const { verbs, match } = await startWith(set);
  await verbs.consolidate({});
  const kept = await verbs.playbook({ playbook_id: "a" });
  // Its own 2, the recordings of b and c, and b's 1.
  expect(kept).toMatchObject({ helpful: 5, harmful: 1, aliases: [long.replace("card", "cards")] });
  expect(kept.score).toBeCloseTo((1 * 3 + 0.5 * 2 + 1 * 1) / 6, 10);
  expect(kept.created_at < kept.confirmed_at && kept.confirmed_at < kept.updated_at).toBe(true);
  expect((await match(long.replace("card", "cards")))[0]?.similarity).toBeCloseTo(1, 5);
});

test("once is enough, and a restart shows the same", async () => {
  const { verbs, directory } = await startWith(set);
  await verbs.consolidate({});
  expect(await verbs.consolidate({})).toEqual({ merged: [], dropped: [], more: false });
  const before = await listed();
  await stack?.stop();
  stack = await startPlaybookStack({ directory, clock: { now: () => now + dayMs } });
  expect(await listed()).toEqual(before);
});

test("equal texts of a corpus that is gone merge; near ones wait for it", async () => {
  const gone = (playbook_id: string, query_text: string) => ({ playbook_id, query_text, corpus: "gone" });
  const { verbs } = await startWith([
    gone("a", long),
    gone("b", ` ${long} `),
    gone("c", long.replace("card", "cards")),
  ]);
  expect((await verbs.consolidate({})).merged).toEqual([{ kept: "a", gone: ["b"] }]);
});

test("a call takes out so many and says that there is more", async () => {
  const many = Array.from({ length: 1500 }, (_, at) => ({
    playbook_id: `p${String(at).padStart(4, "0")}`,
    query_text: `q ${at}`,
    answer_id: `w${at}`,
    daysOld: 1000,
  }));
  const { verbs } = await startWith(many);
  const first = await verbs.consolidate({});
  expect([first.dropped.length, first.more]).toEqual([1000, true]);
  const second = await verbs.consolidate({});
  expect([second.dropped.length, second.more]).toEqual([500, false]);
  expect(await idsLeft()).toEqual([]);
});

test("what changes while it is planned is left alone", async () => {
  const { verbs } = await startWith(set);
  const [report] = await Promise.all([verbs.consolidate({}), verbs.helpful({ playbook_id: "misleads" })]);
  const left = await idsLeft();
  const dropped = report.dropped.map(({ playbook_id }) => playbook_id);
  expect(left.includes("misleads")).toBe(!dropped.includes("misleads"));
  for (const { gone } of report.merged) for (const id of gone) expect(left).not.toContain(id);
});
