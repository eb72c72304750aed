import { describe, expect, test } from "bun:test";
import { heldClock, type Memory, perTest } from "../../support/stacks/pathwayd.ts";

const stack = perTest();
const started = () => stack.start(stack.directory());
const uidsOf = ({ results }: { results: { uid: string }[] }) => results.map(({ uid }) => uid);
const found = async (memory: Memory, conditions: Parameters<Memory["verbs"]["search"]>[0] = {}) =>
  uidsOf(await memory.verbs.search(conditions));

describe("traces", () => {
  test("an added trace is given back, by get and by search, and after a restart", async () => {
    const path = stack.directory();
    const memory = await stack.start(path);
    const content = { note: "größe 😀", deep: [{ a: null, b: [true, 1.5, ""] }], ["__proto__"]: { x: 1 } };
    const added = await memory.verbs.add({ uid: "a/b c%", content, tags: ["x", "y"], embedding: [0.1, -2] });
    expect(added).toEqual({
      uid: "a/b c%",
      content,
      tags: ["x", "y"],
      created_at: added.created_at,
      updated_at: added.created_at,
      retired: false,
      replay_count: 0,
      embedding: [0.1, -2],
    });
    expect(await memory.verbs.get({ uid: "a/b c%" })).toEqual(added);
    expect(await memory.verbs.search({})).toEqual({ results: [added] });
    const again = await stack.again(memory, path);
    expect(await again.verbs.get({ uid: "a/b c%" })).toEqual(added);
    expect((await memory.verbs.add({ content: 7 }).catch((error) => error)).type).toBe("unavailable");
  });

  test("add without a uid makes a new one each time", async () => {
    const { verbs } = await started();
    const uids = await Promise.all([1, 2, 3].map(async () => (await verbs.add({ content: "same" })).uid));
    expect(new Set(uids).size).toBe(3);
  });

  test("add_idempotent gives back the live trace that is the same, and no other", async () => {
    const { verbs } = await started();
    const first = await verbs.addIdempotent({ content: { a: 1, b: [2] }, tags: ["x", "y"] });
    expect(first.created).toBe(true);
    const reordered = { content: { b: [2], a: 1 }, tags: ["y", "x"] };
    expect(await verbs.addIdempotent(reordered)).toEqual({ trace: first.trace, created: false });
    for (const other of [
      { content: { a: 1, b: [3] }, tags: ["x", "y"] },
      { content: { a: 1, b: [2] }, tags: ["x"] },
      { content: { a: 1, b: [2] } },
    ])
      expect((await verbs.addIdempotent(other)).created).toBe(true);
    await verbs.retire({ uid: first.trace.uid });
    const anew = await verbs.addIdempotent(reordered);
    expect(anew.created).toBe(true);
    await verbs.update({ uid: anew.trace.uid, content: "other" });
    expect((await verbs.addIdempotent(reordered)).created).toBe(true);
    const { trace } = await verbs.addIdempotent({ content: "other", tags: ["y", "x"] });
    expect(trace.uid).toBe(anew.trace.uid);
  });

  test("add_idempotent with a uid compares content alone", async () => {
    const { verbs } = await started();
    await verbs.add({ uid: "a", content: { n: 1 }, tags: ["x"] });
    expect(await verbs.addIdempotent({ uid: "a", content: { n: 1 } })).toMatchObject({ created: false });
    await expect(verbs.addIdempotent({ uid: "a", content: { n: 2 } })).rejects.toMatchObject({
      type: "conflict",
    });
    await verbs.retire({ uid: "a" });
    await expect(verbs.addIdempotent({ uid: "a", content: { n: 1 } })).rejects.toMatchObject({
      type: "conflict",
    });
  });

  test("equal adds at once make one trace", async () => {
    const memory = await started();
    const add = () => memory.verbs.addIdempotent({ content: { n: 1 }, tags: ["x"] });
    const answers = await Promise.all(Array.from({ length: 200 }, add));
    expect(answers.filter(({ created }) => created).length).toBe(1);
    expect(new Set(answers.map(({ trace }) => trace.uid)).size).toBe(1);
    expect(await memory.verbs.stats({})).toMatchObject({ total: 1, log_records: 1 });
  });

  test("one uid added at once by many is one trace and conflicts", async () => {
    const { verbs } = await started();
    const adds = Array.from({ length: 50 }, (_, n) => verbs.add({ uid: "a", content: { n } }));
    const outcomes = await Promise.allSettled(adds);
    expect(outcomes.map(({ status }) => status).filter((status) => status === "fulfilled").length).toBe(1);
    expect((await verbs.get({ uid: "a" })).content).toEqual({ n: 0 });
  });

  test("of many revisions at once one wins, and a retired trace takes no change that came with it", async () => {
    const { verbs } = await started();
    await verbs.add({ uid: "a", content: 1 });
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 10 }, (_, n) => verbs.revise({ uid: "a", content: n, new_uid: `b${n}` })),
      verbs.update({ uid: "a", content: 9 }),
      verbs.replay({ uid: "a" }),
      verbs.retire({ uid: "b0" }),
      verbs.revise({ uid: "b0", content: 9 }),
    ]);
    expect(outcomes.map(({ status }) => status === "fulfilled")).toEqual(
      Array.from({ length: 14 }, (_, at) => at === 0 || at === 12),
    );
    expect((await verbs.search({})).results).toEqual([]);
  });

  test("update keeps what it does not name, and drops the embedding of content that is gone", async () => {
    const { verbs } = await started();
    await verbs.add({ uid: "a", content: 1, tags: ["x"], embedding: [1, 2] });
    expect(await verbs.update({ uid: "a", tags: ["y"] })).toMatchObject({ content: 1, embedding: [1, 2] });
    const changed = await verbs.update({ uid: "a", content: false });
    expect(changed).toMatchObject({ content: false, tags: ["y"] });
    expect(changed).not.toHaveProperty("embedding");
    expect(await verbs.update({ uid: "a", content: 3, embedding: [3] })).toMatchObject({ embedding: [3] });
  });

  test("revise makes a trace that supersedes, with the old one's tags unless given", async () => {
    const memory = await started();
    await memory.verbs.add({ uid: "a", content: "one", tags: ["x"] });
    const revised = await memory.verbs.revise({ uid: "a", new_uid: "b", content: "two", reason: "better" });
    expect(revised).toMatchObject({ uid: "b", predecessor: "a", tags: ["x"] });
    expect((await memory.verbs.revise({ uid: "b", new_uid: "c", content: "three", tags: [] })).tags).toEqual(
      [],
    );
    expect(await memory.verbs.get({ uid: "a" })).toMatchObject({ successor: "b", retired: false });
    expect(await found(memory)).toEqual(["c"]);
    expect(await found(memory, { include_superseded: true })).toEqual(["c", "b", "a"]);
  });

  test("replays are counted, retire says when and why, and twice is once", async () => {
    const { verbs } = await started();
    await verbs.add({ uid: "a", content: 1 });
    await Promise.all(Array.from({ length: 100 }, () => verbs.replay({ uid: "a" })));
    const retired = await verbs.retire({ uid: "a", reason: "wrong" });
    expect(retired).toMatchObject({ replay_count: 100, retired: true, reason: "wrong" });
    expect(await verbs.retire({ uid: "a", reason: "other" })).toEqual(retired);
    expect(await verbs.stats({})).toMatchObject({ total: 1, live: 0, retired: 1, replays: 100 });
  });

  test("alive knows those that may still be used", async () => {
    const { verbs } = await started();
    for (const uid of ["a", "b", "c"]) await verbs.add({ uid, content: uid });
    await verbs.retire({ uid: "a" });
    await verbs.revise({ uid: "b", new_uid: "d", content: 2 });
    const { alive } = await verbs.alive({ uids: ["a", "b", "c", "d", "e"] });
    expect(alive).toEqual(["c", "d"]);
  });
});

describe("history", () => {
  test("is the whole chain, whichever of its traces is asked for", async () => {
    const { verbs } = await started();
    await verbs.add({ uid: "other", content: 0 });
    await verbs.add({ uid: "a", content: "one", tags: ["x"] });
    await verbs.replay({ uid: "a" });
    await verbs.update({ uid: "a", content: "ONE" });
    await verbs.revise({ uid: "a", new_uid: "b", content: "two", reason: "better" });
    await verbs.revise({ uid: "b", new_uid: "c", content: "three" });
    await verbs.retire({ uid: "c", reason: "wrong" });
    const chains = await Promise.all(["a", "b", "c"].map((uid) => verbs.history({ uid })));
    expect(chains[1]).toEqual(chains[0] as never);
    expect(chains[2]).toEqual(chains[0] as never);
    const { traces, changes } = chains[0] as NonNullable<(typeof chains)[0]>;
    expect(uidsOf({ results: traces })).toEqual(["a", "b", "c"]);
    expect(changes.map(({ kind, uid }) => `${kind} ${uid}`)).toEqual([
      "add a",
      "replay a",
      "update a",
      "revise b",
      "supersede a",
      "revise c",
      "supersede b",
      "retire c",
    ]);
    expect(changes.map(({ sequence }) => sequence)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
    expect(changes[0]?.trace).toMatchObject({ content: "one", replay_count: 0 });
    expect(changes[2]?.trace).toMatchObject({ content: "ONE", replay_count: 1 });
    expect(changes[3]?.reason).toBe("better");
    expect(changes[7]?.reason).toBe("wrong");
    expect([...changes.map(({ at }) => at)].sort()).toEqual(changes.map(({ at }) => at));
  });

  test("comes in pages that are stable while changes are made", async () => {
    const { verbs } = await started();
    await verbs.add({ uid: "t0", content: 0 });
    for (let n = 0; n < 5; n++) {
      for (let times = 0; times < 3; times++) await verbs.replay({ uid: `t${n}` });
      await verbs.revise({ uid: `t${n}`, new_uid: `t${n + 1}`, content: n });
    }
    const whole = await verbs.history({ uid: "t2" });
    const kinds: string[] = [];
    let token: string | undefined;
    do {
      const page = await verbs.history({ uid: "t2", page_size: 2, ...(token && { page_token: token }) });
      expect(page.changes.length).toBeLessThanOrEqual(2);
      expect(page.traces.length).toBeLessThanOrEqual(2);
      kinds.push(...page.changes.map(({ sequence }) => `${sequence}`));
      token = page.next_page_token;
      if (kinds.length < 20) await verbs.replay({ uid: "t5" });
    } while (token);
    expect(kinds.slice(0, whole.changes.length)).toEqual(whole.changes.map(({ sequence }) => `${sequence}`));
    expect(kinds.length).toBeGreaterThan(whole.changes.length);
    expect(new Set(kinds).size).toBe(kinds.length);
  });
});

describe("search", () => {
  test("by tags: all of them, or any", async () => {
    const memory = await started();
    for (const [uid, tags] of Object.entries({ a: ["x"], b: ["x", "y"], c: ["y"], d: [] }))
      await memory.verbs.add({ uid, content: uid, tags });
    expect(await found(memory, { tags: ["x", "y"] })).toEqual(["b"]);
    expect(await found(memory, { tags: ["x", "y"], match: "any" })).toEqual(["c", "b", "a"]);
    expect(await found(memory, { tags: [] })).toEqual(["d", "c", "b", "a"]);
    await memory.verbs.update({ uid: "a", tags: ["y"] });
    expect(await found(memory, { tags: ["x"] })).toEqual(["b"]);
  });

  test("by text: stems, accents, tags, rare words first, no syntax", async () => {
    const memory = await started();
    const texts = {
      a: "Forklift operators in Chicago, night shift",
      b: "Registered nurse, night shift, Chicago",
      c: { role: "Électricien", place: ["Québec", 1234], note: "shift" },
      d: "Nothing of it",
    };
    for (const [uid, content] of Object.entries(texts)) await memory.verbs.add({ uid, content });
    await memory.verbs.add({ uid: "e", content: "!", tags: ["OSHA-10"] });
    expect(await found(memory, { text: "operating forklifts" })).toEqual(["a"]);
    expect(await found(memory, { text: "electricien quebec" })).toEqual(["c"]);
    expect(await found(memory, { text: "osha 1234" })).toEqual(["e", "c"]);
    expect((await found(memory, { text: "nurse night" }))[0]).toBe("b");
    for (const text of [
      '"',
      "nurse AND NOT night*",
      "content : x",
      "a OR",
      "NEAR(nurse)",
      "nurse'; DROP TABLE texts",
    ])
      if (/\w/.test(text)) expect(Array.isArray(await found(memory, { text }))).toBe(true);
    await memory.verbs.update({ uid: "a", content: "Crane operator" });
    expect(await found(memory, { text: "forklift" })).toEqual([]);
    expect(await found(memory, { text: "cranes" })).toEqual(["a"]);
    const { results, scores } = await memory.verbs.search({ text: "chicago nurse shift" });
    expect(scores?.length).toBe(results.length);
    expect([...(scores ?? [])].sort((x, y) => y - x)).toEqual(scores as number[]);
  });

  test("by vector: cosine with embeddings of the same length", async () => {
    const memory = await started();
    const vectors = { a: [1, 0], b: [10, 10], c: [-1, 0.1], d: [1, 0, 0] };
    for (const [uid, embedding] of Object.entries(vectors))
      await memory.verbs.add({ uid, content: uid, embedding });
    await memory.verbs.add({ uid: "e", content: 1 });
    const { results, scores } = await memory.verbs.search({ vector: [2, 0] });
    expect(uidsOf({ results })).toEqual(["a", "b", "c"]);
    expect(scores?.[0]).toBe(1);
    expect(scores?.[1]).toBeCloseTo(Math.SQRT1_2, 12);
  });

  test("by the time of making, both ends included", async () => {
    const clock = heldClock();
    const memory = await stack.start(stack.directory(), { clock });
    const times: string[] = [];
    for (const uid of ["a", "b", "c"]) {
      times.push((await memory.verbs.add({ uid, content: uid })).created_at);
      clock.move(1000);
    }
    const [a = "", b = "", c = ""] = times;
    expect(a).toBe("2026-01-01T00:00:00.000000Z");
    expect(await found(memory, { since: b })).toEqual(["c", "b"]);
    expect(await found(memory, { until: b })).toEqual(["b", "a"]);
    expect(await found(memory, { since: b, until: "2026-01-01T02:00:01.0000004+02:00" })).toEqual(["b"]);
    expect(await found(memory, { since: c, tags: ["x"] })).toEqual([]);
  });

  test("pages are of one moment, whatever is written meanwhile", async () => {
    for (const conditions of [{}, { text: "word" }, { vector: [1, 0] }]) {
      const memory = await started();
      for (let n = 0; n < 25; n++)
        await memory.verbs.add({ uid: `t${n}`, content: `word ${"x ".repeat(n)}`, embedding: [1, n] });
      const whole = await memory.verbs.search({ ...conditions, page_size: 100 });
      const pages: unknown[] = [];
      let token: string | undefined;
      let n = 25;
      do {
        const page = await memory.verbs.search({
          ...conditions,
          page_size: 7,
          ...(token && { page_token: token }),
        });
        pages.push(...page.results);
        token = page.next_page_token;
        await memory.verbs.add({ uid: `t${n}`, content: "word", embedding: [1, 0] });
        await memory.verbs.retire({ uid: `t${n - 25}` });
        await memory.verbs.update({ uid: `t${n - 10}`, content: "gone" });
        await memory.verbs.replay({ uid: `t${n - 11}` });
        n++;
      } while (token);
      expect(pages).toEqual(whole.results);
    }
  });

  test("a page ends before it is too large", async () => {
    const { verbs } = await stack.start(stack.directory(), { config: { max_content_bytes: 4 << 20 } });
    for (let n = 0; n < 5; n++) await verbs.add({ content: "x".repeat(3 << 20) });
    const first = await verbs.search({ page_size: 100 });
    expect(first.results.length).toBe(2);
    const { next_page_token: page_token = "" } = first;
    expect((await verbs.search({ page_token })).results.length).toBe(2);
  });
});

test("the same Idempotency-Key adds once", async () => {
  const { verbs } = await started();
  const add = () => verbs.add({ content: 1 }, { idempotencyKey: "k" });
  expect(await add()).toEqual(await add());
  expect((await verbs.stats({})).total).toBe(1);
});

test("metrics count traces, changes and damage", async () => {
  const memory = await started();
  await memory.verbs.add({ uid: "a", content: 1 });
  await memory.verbs.retire({ uid: "a" });
  const text = memory.metrics();
  for (const line of [
    "lakehouse_pathwayd_traces 1",
    "lakehouse_pathwayd_traces_live 0",
    'lakehouse_pathwayd_changes_total{kind="add"} 1',
    "lakehouse_pathwayd_damaged_lines 0",
  ])
    expect(text).toContain(line);
});
