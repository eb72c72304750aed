/** Builds and refreshes over the real services: what is embedded, what searches see meanwhile, what a failure leaves. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fail } from "../../../../runtime/errors/errors.ts";
import { type MatrixdPeers, type MatrixdStack, startMatrixdStack } from "../../../support/stacks/matrixd.ts";

let stack: MatrixdStack;
/** What the peers do before they are called. */
const hooks: { embed?: (texts: string[]) => Promise<void>; add?: (ids: string[]) => Promise<void> } = {};
let calls = 0;
const hooked = (peers: MatrixdPeers): MatrixdPeers => ({
  ...peers,
  embedd: {
    ...peers.embedd,
    verbs: {
      ...peers.embedd.verbs,
      vectorsOf: async (input, options) => {
        calls += 1;
        await hooks.embed?.(input.texts);
        return peers.embedd.verbs.vectorsOf(input, options);
      },
    },
  },
  vectord: {
    ...peers.vectord,
    verbs: {
      ...peers.vectord.verbs,
      addVectors: async (input, options) => {
        await hooks.add?.(input.ids);
        return peers.vectord.verbs.addVectors(input, options);
      },
    },
  },
});
beforeAll(async () => {
  stack = await startMatrixdStack({ peers: hooked });
});
afterAll(() => stack.stop());

const texts = () => stack.embeddMetric('embedd_provider_texts_total{provider="local"}');
const spec = (name: string) => ({
  name,
  dataset: name,
  id_column: "id",
  text_columns: ["role"],
  metadata_columns: ["state"],
});
/** Rows with texts of their own; `changed` of them differ from those of another `mark`. */
const make = (name: string, rows: number, { changed = 0, mark = "", from = 0 } = {}) =>
  stack.dataset(
    name,
    `SELECT i AS id, '${name} worker ' || i || CASE WHEN i < ${changed} THEN ' ${mark}' ELSE '' END AS role,
     ['IL', 'TX'][1 + i % 2] AS state FROM range(${from}, ${rows}) t(i)`,
  );
const indexed = async (name: string) => {
  const { index } = await stack.verbs.corpus({ name });
  return stack.vectord.peer.verbs.info({ name: index ?? "" });
};
/** Resolves when what is dead has left vectord. */
const swept = async (name: string, count: number) => {
  while ((await indexed(name)).count !== count) await new Promise<void>((resolve) => setImmediate(resolve));
};
const find = async (name: string, text: string, mode = "lexical") => {
  const { body } = await stack.post("/search", { query_text: text, corpora: [name], k: 5, mode });
  return body.hits.map(({ id }: { id: string }) => id);
};

describe("refresh", () => {
  test("embeds the rows that changed or came, and takes away those that went", async () => {
    await make("growing", 1000);
    expect(await stack.build(spec("growing"))).toMatchObject({
      rows_total: 1000,
      rows_read: 1000,
      embedded: 1000,
      refresh: false,
    });
    await make("growing", 1100, { changed: 50, mark: "promoted", from: 20 });
    const before = await texts();
    expect(await stack.build(spec("growing"))).toMatchObject({
      refresh: true,
      rows_read: 1080,
      embedded: 130,
      unchanged: 950,
      removed: 20,
    });
    expect((await texts()) - before).toBe(130);
    expect(await stack.verbs.corpus({ name: "growing" })).toMatchObject({
      rows: 1080,
      generation: 2,
      dataset_version: 2,
    });
    await swept("growing", 1080);
    expect(await find("growing", "promoted")).toHaveLength(5);
    expect(await find("growing", "growing worker 5")).not.toContain("5");
    expect((await find("growing", "growing worker 25 promoted", "vector"))[0]).toBe("25");
  });

  test("a refresh of what did not change embeds nothing", async () => {
    await make("still", 300);
    await stack.build(spec("still"));
    calls = 0;
    expect(await stack.build(spec("still"))).toMatchObject({ embedded: 0, unchanged: 300, removed: 0 });
    expect(calls).toBe(0);
  });

  test("other metadata in a row makes it a new one; other columns make a new build", async () => {
    const pick = (state: string) =>
      `SELECT i AS id, 'meta ' || i AS role, ${state} AS state, i AS n FROM range(100) t(i)`;
    await stack.dataset("meta", pick("'IL'"));
    await stack.build(spec("meta"));
    await stack.dataset("meta", pick("CASE WHEN i = 7 THEN 'TX' ELSE 'IL' END"));
    expect(await stack.build(spec("meta"))).toMatchObject({ refresh: true, embedded: 1 });
    const old = await stack.verbs.corpus({ name: "meta" });
    const changed = { ...spec("meta"), metadata_columns: ["state", "n"] };
    expect(await stack.build(changed)).toMatchObject({ refresh: false, embedded: 100 });
    const now = await stack.verbs.corpus({ name: "meta" });
    expect([now.generation, now.index === old.index]).toEqual([3, false]);
    while ((await stack.vectord.peer.verbs.list({})).indexes.some(({ name }) => name === old.index))
      await new Promise<void>((resolve) => setImmediate(resolve));
  });

  test("a statement is a source too, and another one with the same columns refreshes", async () => {
    await make("people", 200);
    const { dataset: _, ...rest } = spec("by_sql");
    const ask = (sql: string) => stack.build({ ...rest, sql });
    await ask("SELECT * FROM people WHERE id < 100 -- some of them");
    expect(await ask("WITH p AS (FROM people) SELECT id, role, state FROM p WHERE id < 120")).toMatchObject({
      refresh: true,
      embedded: 20,
      unchanged: 100,
    });
  });

  test("ids of any type are texts; NULLs and blanks are left out of the text; values keep their types", async () => {
    await stack.dataset(
      "odd",
      `SELECT * FROM (VALUES
        (9007199254740993::BIGINT, 'alpha', NULL, 1.5::DOUBLE, [1, 2], TIMESTAMP '2024-01-02 03:04:05', NULL),
        (2, '  ', '', 0, [], NULL, true),
        (3, NULL, 'gamma', NULL, NULL, NULL, false)) t(id, a, b, n, list, seen, flag)`,
    );
    const metadata_columns = ["n", "list", "seen", "flag", "id"];
    const job = await stack.build({
      name: "odd",
      dataset: "odd",
      id_column: "ID",
      text_columns: ["a", "b"],
      metadata_columns,
    });
    expect(job).toMatchObject({ embedded: 2, without_text: 1, rows_read: 3 });
    const { body } = await stack.post("/search", {
      query_text: "alpha gamma",
      corpora: ["odd"],
      mode: "lexical",
      include_text: true,
    });
    const byId = new Map(body.hits.map((hit: { id: string }) => [hit.id, hit]));
    expect(byId.get("9007199254740993")).toMatchObject({
      text: "alpha",
      // A number that a double would change is a text.
      metadata: { n: 1.5, list: [1, 2], seen: "2024-01-02T03:04:05Z", flag: null, id: "9007199254740993" },
    });
    expect(byId.get("3")).toMatchObject({ text: "gamma", metadata: { n: null, flag: false, id: 3 } });
    expect((await stack.verbs.corpus({ name: "odd" })).rows).toBe(3);
  });

  test("a source without rows, and one without texts, make corpora that can be searched and grow", async () => {
    await stack.dataset("none", "SELECT 1::BIGINT AS id, 'x' AS role, 'IL' AS state WHERE false");
    expect(await stack.build(spec("none"))).toMatchObject({ rows_total: 0, embedded: 0 });
    expect(await find("none", "anything", "hybrid")).toEqual([]);
    await make("none", 10);
    expect(await stack.build(spec("none"))).toMatchObject({ refresh: true, embedded: 10 });
    expect(await find("none", "none worker 3", "vector")).toContain("3");
  });
});

describe("meanwhile", () => {
  test("who holds a generation sees it to the end, before, during and after the swap", async () => {
    await make("held", 100);
    await stack.build(spec("held"));
    const before = await find("held", "held worker 3", "vector");
    const waiting = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    hooks.add = async () => {
      reached.resolve();
      await waiting.promise;
    };
    await make("held", 100, { changed: 100, mark: "changed" });
    const { job_id } = await stack.verbs.build(spec("held"));
    await reached.promise;
    expect(await find("held", "changed")).toEqual([]);
    expect(await find("held", "held worker 3", "vector")).toEqual(before);
    expect(await stack.verbs.corpus({ name: "held" })).toMatchObject({
      state: "ready",
      generation: 1,
      job_id,
    });
    delete hooks.add;
    waiting.resolve();
    expect((await stack.ended(job_id)).state).toBe("done");
    expect(await find("held", "changed")).toHaveLength(5);
  });

  test("searches without a pause during refreshes see one state or the other, whole", async () => {
    await make("busy", 60);
    await stack.build(spec("busy"));
    let isOver = false;
    const seen = new Set<string>();
    const searches = (async () => {
      while (!isOver) {
        const { body } = await stack.post("/search", {
          query_text: "busy worker",
          corpora: ["busy"],
          k: 100,
          mode: "lexical",
          include_text: true,
        });
        const marks = new Set(body.hits.map(({ text }: { text: string }) => text.split(" ")[3] ?? "none"));
        expect([body.hits.length, marks.size]).toEqual([60, 1]);
        seen.add([...marks].join());
      }
    })();
    for (const mark of ["one", "two", "three"]) {
      await make("busy", 60, { changed: 60, mark });
      await stack.build(spec("busy"));
    }
    isOver = true;
    await searches;
    expect(seen.size).toBeGreaterThan(1);
    await swept("busy", 60);
  });
});

describe("what fails leaves the corpus as it was", () => {
  const failures: [name: string, during: () => void, type: string, told: string][] = [
    [
      "embedd is away",
      () => {
        hooks.embed = async () => {
          throw fail("unavailable", "no answer");
        };
      },
      "unavailable",
      "embedd: no answer",
    ],
    [
      "vectord is away",
      () => {
        hooks.add = async () => {
          throw fail("unavailable", "no answer");
        };
      },
      "unavailable",
      "vectord: no answer",
    ],
    [
      "a text is refused",
      () => {
        hooks.embed = async () => {
          throw fail("unprocessable", "texts.2: too long", { details: { field: "texts.2" } });
        };
      },
      "unprocessable",
      "the text of row '2' cannot be embedded",
    ],
  ];
  for (const [name, during, type, told] of failures)
    test(name, async () => {
      const corpus = `fails_${failures.findIndex(([each]) => each === name)}`;
      await make(corpus, 100);
      await stack.build(spec(corpus));
      const before = await stack.verbs.corpus({ name: corpus });
      await make(corpus, 90, { changed: 50, mark: "later" });
      during();
      const { job_id } = await stack.verbs.build(spec(corpus));
      const job = await stack.ended(job_id);
      delete hooks.embed;
      delete hooks.add;
      expect(job).toMatchObject({ state: "failed", error: { type } });
      expect(job.error?.message).toContain(told);
      const { last_error, ...after } = await stack.verbs.corpus({ name: corpus });
      expect(last_error).toContain(told);
      expect(after).toEqual(before);
      expect(await find(corpus, "later")).toEqual([]);
      expect(await find(corpus, `${corpus} worker 95`)).toContain("95");
      await swept(corpus, 100);
      expect(await stack.build(spec(corpus))).toMatchObject({ embedded: 50, unchanged: 40, removed: 10 });
      expect(await stack.verbs.corpus({ name: corpus })).not.toHaveProperty("last_error");
    });

  test("others' work passes: a service that has too much is asked again", async () => {
    await make("patient", 10);
    let refusals = 2;
    hooks.embed = async () => {
      if (refusals-- > 0) throw fail("too_many_requests", "later", { retryAfterSeconds: 0 });
    };
    expect((await stack.build(spec("patient"))).embedded).toBe(10);
    delete hooks.embed;
  });

  test("a cancelled refresh", async () => {
    await make("cancelled", 300);
    await stack.build(spec("cancelled"));
    await make("cancelled", 300, { changed: 300, mark: "later" });
    const reached = Promise.withResolvers<void>();
    const waiting = Promise.withResolvers<void>();
    hooks.add = async () => {
      reached.resolve();
      await waiting.promise;
    };
    const { job_id } = await stack.verbs.build(spec("cancelled"));
    await reached.promise;
    const cancelled = stack.del(`/jobs/${job_id}`);
    delete hooks.add;
    waiting.resolve();
    expect((await cancelled).body).toMatchObject({ state: "cancelled", error: { type: "client_closed" } });
    expect(await stack.verbs.corpus({ name: "cancelled" })).toMatchObject({ generation: 1, rows: 300 });
    await swept("cancelled", 300);
    expect(await find("cancelled", "later")).toEqual([]);
  });

  test("a first build", async () => {
    await stack.dataset("twice", "SELECT 7::BIGINT AS id, 'x' AS role, 'IL' AS state FROM range(3)");
    const { job_id } = await stack.verbs.build(spec("twice"));
    expect((await stack.ended(job_id)).error).toMatchObject({
      type: "unprocessable",
      message: "the id '7' comes twice; ids must be unique",
    });
    expect(await stack.verbs.corpus({ name: "twice" })).toMatchObject({ state: "failed", rows: 0 });
    const { body, status } = await stack.post("/search", { query_text: "x", corpora: ["twice"] });
    expect([status, body.error.message]).toEqual([
      409,
      "corpus 'twice' has never been built: the id '7' comes twice; ids must be unique; build it again",
    ]);
    await make("twice", 5);
    expect((await stack.build(spec("twice"))).embedded).toBe(5);
  });
});
