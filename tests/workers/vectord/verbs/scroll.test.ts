/** Whatever was added, replaced, deleted, compacted, restored or opened again: pages, filters and searches see the live items. */
import { describe, expect, test } from "bun:test";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type Answer, startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

/** Compacts by itself as soon as it may. */
const settings = { compact_deleted_percent: 1, checkpoint_segments: 5 };
const idsOf = (items: { id: string }[]) => items.map(({ id }) => id);

/** An index beside a model of it: live items in the order they were added, numbered as they came. */
interface Trial {
  stack: VectordStack;
  directory: string;
  model: Map<string, { sequence: number; value: number }>;
  sequence: number;
  below: (bound: number) => number;
}

async function add(trial: Trial, ids: string[]) {
  const items = [...new Set(ids)].map((id) => ({ id, value: trial.below(1000) }));
  const { status } = await trial.stack.post("/index/p/add", {
    items: items.map(({ id, value }) => ({
      id,
      vector: [value],
      metadata: { value, even: value % 2 === 0 },
    })),
  });
  expect(status).toBe(200);
  for (const { id, value } of items) {
    trial.model.delete(id);
    trial.model.set(id, { sequence: ++trial.sequence, value });
  }
}

async function remove(trial: Trial, ids: string[]) {
  if (ids.length === 0) return;
  expect((await trial.stack.post("/index/p/delete", { ids })).status).toBe(200);
  for (const id of ids) trial.model.delete(id);
}

async function openAgain(trial: Trial) {
  await trial.stack.stop();
  trial.stack = await startVectordStack({ directory: trial.directory, settings });
}

const someIds = ({ below }: Trial) => Array.from({ length: 1 + below(6) }, () => `i${below(24)}`);

/** Each is one change; what makes many rows die lets the index compact itself. */
const changes: ((trial: Trial) => Promise<unknown>)[] = [
  (trial) => add(trial, someIds(trial)),
  (trial) => add(trial, someIds(trial)),
  (trial) => remove(trial, someIds(trial)),
  (trial) => remove(trial, [...trial.model.keys()].slice(-2)),
  async (trial) => expect((await trial.stack.post("/index/p/compact")).status).toBe(200),
  async (trial) => {
    const many = Array.from({ length: 130 }, (_, at) => `m${at}`);
    await add(trial, many);
    await remove(trial, many);
  },
];

const page = (trial: Trial, size: number, token: string | undefined): Promise<Answer> =>
  trial.stack.post("/index/p/items/scroll", { page_size: size, ...(token && { page_token: token }) });

/** Reads it page by page; `between` may change the index after a page. */
async function expectScroll(trial: Trial, between: () => Promise<unknown> = async () => {}) {
  const size = 1 + trial.below(5);
  let token: string | undefined;
  let last = 0;
  do {
    const { status, body } = await page(trial, size, token);
    if (status === 400) {
      expect(body.error.message).toContain("begin from the start");
      return;
    }
    const expected = [...trial.model].filter(([, { sequence }]) => sequence > last);
    expect(idsOf(body.items)).toEqual(expected.slice(0, size).map(([id]) => id));
    expect(body.next_page_token !== undefined).toBe(expected.length > size);
    last = expected[size - 1]?.[1].sequence ?? last;
    token = body.next_page_token;
    if (token) await between();
  } while (token);
}

/** What else goes by row numbers: filters, searches and what is counted. */
async function expectRows({ stack, model, below }: Trial) {
  const { count } = (await stack.get("/index/p")).body;
  expect(count).toBe(model.size);
  const filter = { even: true, value: { gte: below(500) } };
  const { items } = (await stack.post("/index/p/items/scroll", { filter, page_size: 1000 })).body;
  const matching = [...model].filter(([, { value }]) => value % 2 === 0 && value >= filter.value.gte);
  expect(idsOf(items)).toEqual(matching.map(([id]) => id));
  const { results } = (await stack.post("/index/p/search", { vector: [below(1000)], filter, k: 1000 })).body;
  expect(idsOf(results).sort()).toEqual(matching.map(([id]) => id).sort());
  for (const { id, metadata } of results) expect(metadata.value).toBe(model.get(id)?.value);
}

async function trialOf(seed: number, type: string): Promise<Trial> {
  const { path, remove: forget } = temporaryDirectory("vectord-scroll-property");
  const random = seeded(seed);
  const stack = await startVectordStack({ directory: path, settings });
  await stack.post("/index", { name: "p", dimension: 1, metric: "l2", type });
  const trial: Trial = {
    stack,
    directory: path,
    model: new Map(),
    sequence: 0,
    below: (bound) => Math.floor(random() * bound),
  };
  ends.set(trial, forget);
  return trial;
}
const ends = new Map<Trial, () => void>();
async function end(trial: Trial) {
  await trial.stack.stop();
  ends.get(trial)?.();
}

const one = (trial: Trial) => changes[trial.below(changes.length)]?.(trial);

describe("paged scroll = the live items", () => {
  for (const [type, seeds] of [
    ["flat", 4],
    ["hnsw", 2],
  ] as const)
    test(`${type}: after any sequence of changes and restarts`, async () => {
      for (let seed = 1; seed <= seeds; seed++) {
        const trial = await trialOf(seed, type);
        for (let at = 0; at < 24; at++) {
          await one(trial);
          if (trial.below(8) === 0) await openAgain(trial);
          await expectScroll(trial);
          if (trial.below(3) === 0) await expectRows(trial);
        }
        await end(trial);
      }
    });

  test("and while it changes between pages; over a restart the place is found again, or said to be lost", async () => {
    for (let seed = 100; seed < 102; seed++) {
      const trial = await trialOf(seed, "flat");
      await add(
        trial,
        Array.from({ length: 24 }, (_, at) => `i${at}`),
      );
      for (let at = 0; at < 4; at++) {
        await expectScroll(trial, () => Promise.resolve(one(trial)));
        await expectScroll(trial, async () => {
          if (trial.below(6) === 0) await openAgain(trial);
          else await one(trial);
        });
      }
      await expectRows(trial);
      await end(trial);
    }
  });

  test("a snapshot brings back the items in their order, and tokens of what was replaced are refused", async () => {
    const trial = await trialOf(7, "flat");
    const { stack } = trial;
    for (let at = 0; at < 6; at++) await add(trial, someIds(trial));
    const kept = new Map(trial.model);
    const { id } = (await stack.post("/index/p/snapshots")).body;
    await remove(trial, [...kept.keys()].slice(1));
    await stack.post("/index/p/compact");
    await add(trial, ["x", "y", "z"]);
    const { next_page_token } = (await page(trial, 3, undefined)).body;
    expect((await stack.post(`/index/p/snapshots/${id}/restore`, {})).status).toBe(200);
    trial.model = kept;
    expect((await page(trial, 3, next_page_token)).status).toBe(400);
    await expectScroll(trial);
    await end(trial);
  });
});

test("rows added after a compaction have places of their own", async () => {
  const stack = await startVectordStack();
  await stack.post("/index", { name: "s", dimension: 1, metric: "l2" });
  const put = (...ids: string[]) =>
    stack.post("/index/s/add", { items: ids.map((id) => ({ id, vector: [1] })) });
  await put("a", "b");
  await stack.post("/index/s/delete", { ids: ["a"] });
  await stack.post("/index/s/compact");
  await put("c", "d", "e");
  const seen: string[] = [];
  let token: string | undefined;
  do {
    const { body } = await stack.post("/index/s/items/scroll", {
      page_size: 1,
      ...(token && { page_token: token }),
    });
    seen.push(...idsOf(body.items));
    token = body.next_page_token;
  } while (token);
  expect(seen).toEqual(["b", "c", "d", "e"]);
  await stack.stop();
});

test("an item that was written again is not taken for its old place after a restart", async () => {
  const directory = temporaryDirectory("vectord-scroll-moved");
  let stack = await startVectordStack({ directory: directory.path });
  await stack.post("/index", { name: "s", dimension: 1, metric: "l2" });
  const put = (...ids: string[]) =>
    stack.post("/index/s/add", { items: ids.map((id) => ({ id, vector: [1] })) });
  await put("a", "b", "c", "d");
  const { next_page_token } = (await stack.post("/index/s/items/scroll", { page_size: 2 })).body;
  await put("b");
  await stack.stop();
  stack = await startVectordStack({ directory: directory.path });
  const { status, body } = await stack.post("/index/s/items/scroll", { page_token: next_page_token });
  expect([status, body.error?.message]).toEqual([400, expect.stringContaining("begin from the start")]);
  await stack.stop();
  directory.remove();
});
