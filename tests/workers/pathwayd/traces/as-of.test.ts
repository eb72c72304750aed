/** The past, exactly: what was answered at a time is what `as_of` that time answers ever after. */
import { expect, test } from "bun:test";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { heldClock, type Memory, perTest } from "../../../support/stacks/pathwayd.ts";

const stack = perTest();
type Verbs = Memory["verbs"];
type Conditions = Parameters<Verbs["search"]>[0];

const words = ["forklift", "nurse", "welder", "night", "shift", "Chicago", "certified", "OSHA"];
const questions: Conditions[] = [
  {},
  { tags: ["even"] },
  { tags: ["even", "odd"], match: "any", include_retired: true },
  { text: "forklifts certified" },
  { text: "nights", tags: ["odd"], include_superseded: true },
  { vector: [1, 0.5], include_retired: true, include_superseded: true },
  { vector: [1, 0, 0] },
];

function writer(verbs: Verbs, random: () => number) {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const text = () => Array.from({ length: 1 + random() * 6 }, () => pick(words)).join(" ");
  const contents = () => ({
    content: random() < 0.5 ? text() : { note: text(), n: Math.floor(random() * 9) },
    tags: pick([[], ["even"], ["odd"], ["even", "odd"]]),
    ...(random() < 0.6 && { embedding: Array.from({ length: pick([2, 3]) }, () => random() - 0.5) }),
  });
  const uids: string[] = [];
  return async (): Promise<void> => {
    const uid = uids.length > 0 ? pick(uids) : "none";
    const next = `t${uids.length}`;
    const dice = random();
    const refused = () => undefined;
    if (dice < 0.35 || uids.length === 0) await verbs.add({ uid: next, ...contents() });
    else if (dice < 0.55) await verbs.revise({ uid, new_uid: next, ...contents() }).catch(refused);
    else if (dice < 0.7) await verbs.update({ uid, ...contents() }).catch(refused);
    else if (dice < 0.8) await verbs.retire({ uid, reason: text() });
    else await verbs.replay({ uid }).catch(refused);
    if (await verbs.get({ uid: next }).catch(refused)) uids.push(next);
  };
}

const ask = async (verbs: Verbs, at: { as_of: string } | Record<never, never>) => ({
  found: await Promise.all(
    questions.map((question) => verbs.search({ ...question, ...at, page_size: 1000 })),
  ),
  got: await verbs.get({ uid: "t0", ...at }).catch((error) => error.type),
});

test("every answer is the same afterwards, after a restart and after a compaction", async () => {
  const path = stack.directory();
  const clock = heldClock();
  let memory = await stack.start(path, { clock });
  const random = seeded(7);
  const write = writer(memory.verbs, random);
  const answers: { as_of: string; answer: unknown }[] = [];
  for (let step = 0; step < 150; step++) {
    await write();
    const as_of = new Date(clock.now()).toISOString();
    if (step % 3 === 0) answers.push({ as_of, answer: await ask(memory.verbs, {}) });
    clock.move(1);
  }
  const histories = async (verbs: Verbs) =>
    Promise.all(["t0", "t3", "t20"].map((uid) => verbs.history({ uid, page_size: 10_000 })));
  const chains = await histories(memory.verbs);
  const verify = async () => {
    for (const { as_of, answer } of answers)
      expect(await ask(memory.verbs, { as_of })).toEqual(answer as never);
    expect(await histories(memory.verbs)).toEqual(chains);
  };
  await verify();
  memory = await stack.again(memory, path, { clock });
  await verify();
  const { bytes_before, bytes_after } = await memory.verbs.compact({});
  expect(bytes_after).toBeLessThan(bytes_before);
  await verify();
  memory = await stack.again(memory, path, { clock });
  await verify();
});

test("the present, asked again with as_of, stays as it was, while the clock stands still", async () => {
  const clock = heldClock();
  const { verbs } = await stack.start(stack.directory(), { clock });
  const { created_at } = await verbs.add({ uid: "a", content: "one" });
  const as_of = new Date(clock.now()).toISOString();
  const asked = Promise.all([verbs.add({ uid: "b", content: "two" }), verbs.search({ as_of })]);
  const [, answers] = await asked;
  await verbs.update({ uid: "a", content: "three" });
  await verbs.add({ uid: "c", content: "four" });
  expect(await verbs.search({ as_of })).toEqual(answers);
  expect((await verbs.get({ uid: "a", as_of: created_at })).content).toBe("one");
  expect((await verbs.get({ uid: "a" })).content).toBe("three");
});

test("every change can be asked for by its own time", async () => {
  const { verbs } = await stack.start(stack.directory(), { clock: heldClock() });
  await verbs.add({ uid: "a", content: 0 });
  const updates = await Promise.all(
    Array.from({ length: 50 }, (_, n) => verbs.update({ uid: "a", content: n + 1 })),
  );
  for (const { updated_at, content } of updates)
    expect((await verbs.get({ uid: "a", as_of: updated_at })).content).toBe(content as never);
});

test("a clock that goes back does not turn the order", async () => {
  const path = stack.directory();
  const clock = heldClock();
  let memory = await stack.start(path, { clock });
  const times: string[] = [(await memory.verbs.add({ uid: "a", content: 0 })).updated_at];
  for (let n = 1; n <= 20; n++) {
    clock.move(-60_000 * n);
    if (n === 10) memory = await stack.again(memory, path, { clock });
    times.push((await memory.verbs.update({ uid: "a", content: n })).updated_at);
  }
  expect([...times].sort()).toEqual(times);
  expect(new Set(times).size).toBe(times.length);
  const { changes } = await memory.verbs.history({ uid: "a" });
  expect(changes.map(({ trace }) => trace?.content)).toEqual(Array.from({ length: 21 }, (_, n) => n));
  expect((await memory.verbs.get({ uid: "a", as_of: times[5] as string })).content).toBe(5);
});

test("searches of the past that come at once share what they build, and too many are refused", async () => {
  const clock = heldClock();
  const { verbs } = await stack.start(stack.directory(), { clock });
  const times: string[] = [];
  for (let n = 0; n < 60; n++) times.push((await verbs.add({ content: `word ${n}` })).created_at);
  const search = (as_of = "") => verbs.search({ text: "word", as_of, page_size: 100 });
  const few = await Promise.all(times.slice(0, 8).map(search));
  expect(few.map(({ results }) => results.length)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  const many = await Promise.allSettled(times.slice(0, 59).map(search));
  const refused = many.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason.type] : []));
  expect(new Set(refused)).toEqual(new Set(["overloaded"]));
  expect((await search(times[20])).results.length).toBe(21);
});

test("a caller that goes away ends what its search of the past builds, and the next caller is answered", async () => {
  const { verbs } = await stack.start(stack.directory(), { clock: heldClock() });
  const times: string[] = [];
  for (let n = 0; n < 3; n++) times.push((await verbs.add({ content: `word ${n}` })).created_at);
  const past = { text: "word", as_of: times[1] as string };
  const gone = new AbortController();
  const given = verbs.search(past, { signal: gone.signal });
  gone.abort();
  await expect(given).rejects.toMatchObject({ type: "client_closed" });
  expect((await verbs.search(past)).results.length).toBe(2);
});
