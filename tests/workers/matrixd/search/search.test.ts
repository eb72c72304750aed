import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fail } from "../../../../runtime/errors/errors.ts";
import { type MatrixdStack, startMatrixdStack } from "../../../support/stacks/matrixd.ts";

/** What vectord was asked for, and the indexes that do not answer until the call is given up. */
let vectorSearches = 0;
let embedCalls = 0;
/** What becomes of the comparison of sentences, which are many texts at once; as it is where nothing is said. */
let sentences: "fails" | "waits" | undefined;
let stalled: { index: (name: string) => boolean; given: (aborted: boolean) => void } | undefined;
let stack: MatrixdStack;

const roles = ["Forklift Operator", "Welder", "Registered Nurse", "Line Cook"];
const people = `SELECT 'p' || range AS id, ['${roles.join("','")}'][1 + range % 4] AS role,
  ['Chicago', 'Dallas', 'Boston'][1 + range % 3] AS city, ['IL', 'TX', 'MA'][1 + range % 3] AS state,
  (range % 100) / 100.0::DOUBLE AS availability, 'note ' || range || ' OSHA-10 card' AS notes FROM range(600)`;
const sites = `SELECT * FROM (VALUES (1, 'Grocery warehouse near Chicago wants a forklift operator'),
  (2, 'Hospital in Dallas: registered nurse for nights'), (3, 'Shipyard: welder, pipe fabrication')) AS s(n, what)`;

beforeAll(async () => {
  stack = await startMatrixdStack({
    peers: (peers) => ({
      ...peers,
      embedd: {
        ...peers.embedd,
        verbs: {
          ...peers.embedd.verbs,
          vectorsOf: (input, options) => {
            embedCalls++;
            if (input.texts.length > 1 && sentences === "fails")
              return Promise.reject(fail("unavailable", "embedd is not running"));
            if (input.texts.length > 1 && sentences === "waits")
              return new Promise((_, reject) => {
                options?.signal?.addEventListener("abort", () => reject(options.signal?.reason));
              });
            return peers.embedd.verbs.vectorsOf(input, options);
          },
        },
      },
      vectord: {
        ...peers.vectord,
        verbs: {
          ...peers.vectord.verbs,
          searchVectors: (input, options) => {
            vectorSearches++;
            const { signal } = options ?? {};
            if (!stalled?.index(input.name) || !signal)
              return peers.vectord.verbs.searchVectors(input, options);
            const { given } = stalled;
            return new Promise((_, reject) => {
              signal.addEventListener("abort", () => {
                given(true);
                reject(signal.reason);
              });
            });
          },
        },
      },
    }),
  });
  await stack.dataset("people", people);
  await stack.dataset("sites", sites);
  await stack.build({
    name: "people",
    dataset: "people",
    id_column: "id",
    text_columns: ["role", "city", "notes"],
    metadata_columns: ["role", "city", "state", "availability"],
  });
  await stack.build({ name: "sites", dataset: "sites", id_column: "n", text_columns: ["what"] });
  await stack.build({
    name: "nurses",
    sql: `SELECT id, role, city FROM "people@1" WHERE role LIKE '%Nurse' -- those alone`,
    id_column: "id",
    text_columns: ["role", "city"],
    metadata_columns: ["city"],
  });
});
afterAll(() => stack.stop());

// biome-ignore lint/suspicious/noExplicitAny: hits of many shapes.
type Any = any;
const search = async (body: object) => {
  const { status, body: answer } = await stack.post("/search", { corpora: ["people"], ...body });
  expect({ status, answer }).toMatchObject({ status: 200 });
  return answer as {
    hits: Any[];
    errors: Any[];
    mode: string;
    profile?: string;
    took_ms: Record<string, number>;
    notes?: { playbook_id: string }[];
  };
};
const ids = ({ hits }: { hits: Any[] }): string[] => hits.map(({ id }) => id);
const query_text = "forklift operator Chicago";
const modes = ["vector", "lexical", "hybrid"] as const;

for (const mode of modes) {
  describe(mode, () => {
    test("finds rows that fit, with the parts of their scores", async () => {
      const { hits, mode: told, took_ms } = await search({ query_text, mode });
      expect(told).toBe(mode);
      expect(hits.length).toBe(10);
      for (const { metadata } of hits)
        expect([metadata.role, metadata.city]).toEqual(["Forklift Operator", "Chicago"]);
      expect(hits[0].parts.vector === undefined).toBe(mode === "lexical");
      expect(hits[0].parts.lexical === undefined).toBe(mode === "vector");
      expect(hits[0].score).toBe(hits[0].parts.fused);
      expect(took_ms.total).toBeGreaterThan(0);
      for (let at = 1; at < hits.length; at++) expect(hits[at].score).toBeLessThanOrEqual(hits[at - 1].score);
    });

    test("the same search gives the same answer, ties and all", async () => {
      const first = await search({ query_text: "OSHA-10 card", mode, k: 50 });
      for (let round = 0; round < 3; round++)
        expect((await search({ query_text: "OSHA-10 card", mode, k: 50 })).hits).toEqual(first.hits);
    });

    test("filter and sql_filter let through what they say, alone and together", async () => {
      const filtered = await search({ query_text, mode, k: 20, filter: { state: "TX" } });
      expect(filtered.hits.length).toBe(20);
      for (const { metadata } of filtered.hits) expect(metadata.state).toBe("TX");
      const bySql = await search({
        query_text: "forklift operator card",
        mode,
        k: 20,
        sql_filter: "state = 'MA' AND availability > 0.9",
      });
      expect(bySql.hits.length).toBe(18);
      for (const { metadata } of bySql.hits) {
        expect(metadata.state).toBe("MA");
        expect(metadata.availability).toBeGreaterThan(0.9);
      }
      const both = await search({
        query_text: "forklift operator card",
        mode,
        k: 20,
        filter: { role: "Welder" },
        sql_filter: "state = 'MA'",
      });
      expect(both.hits.length).toBe(20);
      for (const { metadata } of both.hits) expect([metadata.role, metadata.state]).toEqual(["Welder", "MA"]);
    });

    test("k rows come back when they exist, however few may", async () => {
      const rare = "availability = 0.37 AND state = 'TX'";
      const words = mode === "lexical" ? "card" : query_text;
      const { hits } = await search({ query_text: words, mode, k: 5, per_corpus_k: 5, sql_filter: rare });
      expect(hits.length).toBe(2);
      const many = await search({ query_text: words, mode, k: 100, sql_filter: "availability <> 0.5" });
      expect(many.hits.length).toBe(100);
      expect((await search({ query_text, mode, sql_filter: "false" })).hits).toEqual([]);
      expect((await search({ query_text, mode, filter: { state: "ZZ" } })).hits).toEqual([]);
    });

    test("a corpus of a statement is filtered over its statement", async () => {
      const { hits } = await search({
        query_text: "registered nurse",
        mode,
        corpora: ["nurses"],
        k: 40,
        sql_filter: "city = 'Dallas'",
      });
      expect(hits.length).toBe(40);
      for (const { metadata } of hits) expect(metadata.city).toBe("Dallas");
    });
  });
}

describe("many corpora", () => {
  test("compete for one list, and the query is embedded once for all", async () => {
    const before = embedCalls;
    const { hits, errors } = await search({
      query_text: "pipe fabrication shipyard",
      corpora: ["people", "sites", "nurses"],
    });
    expect(errors).toEqual([]);
    expect([hits[0].corpus, hits[0].id]).toEqual(["sites", "3"]);
    // Once for the query, and once for the sentences of the best rows of all corpora.
    expect(embedCalls - before).toBe(2);
    expect(hits[0].parts.spelling).toBeGreaterThan(0.1);
  });

  test("texts are looked at in hybrid searches alone", async () => {
    const before = embedCalls;
    for (const [mode, calls] of [
      ["lexical", 0],
      ["vector", 1],
    ] as const) {
      const { hits } = await search({ query_text: "pipe fabrication", corpora: ["sites"], mode });
      expect(hits[0].parts).not.toHaveProperty("spelling");
      expect(hits[0].parts).not.toHaveProperty("sentence");
      expect(embedCalls - before).toBe(calls);
    }
  });

  test("one with nothing to say does not get its best row to the front", async () => {
    const { hits } = await search({
      query_text: "forklift operator OSHA-10 card",
      corpora: ["sites", "people"],
      k: 20,
    });
    expect(hits.filter(({ corpus, id }) => corpus === "sites" && id !== "1")).toEqual([]);
  });

  test("one that is not there is told beside the others' hits", async () => {
    const { hits, errors } = await search({ query_text, corpora: ["people", "nowhere"] });
    expect(hits.length).toBe(10);
    expect(errors).toMatchObject([{ corpus: "nowhere", type: "not_found" }]);
  });

  test("one whose filter cannot be meant is told beside the others' hits", async () => {
    const { hits, errors } = await search({
      query_text,
      corpora: ["people", "sites"],
      sql_filter: "state = 'IL'",
    });
    expect(hits.length).toBe(10);
    expect(errors).toMatchObject([{ corpus: "sites", type: "sql_error" }]);
    expect(errors[0].message).toContain("state");
  });

  test("one that is late is left out, and its work is given up", async () => {
    const { index } = await stack.matrixd.running.verbs
      .corpus({ name: "sites" }, { requestId: "r", signal: new AbortController().signal })
      .then(() => ({ index: (name: string) => name.includes("sites") }));
    const aborted = new Promise<boolean>((given) => {
      stalled = { index, given };
    });
    try {
      const { hits, errors } = await search({ query_text, corpora: ["people", "sites"], timeout_ms: 3000 });
      expect(hits.length).toBe(10);
      expect(errors).toMatchObject([{ corpus: "sites", type: "timeout" }]);
      expect(errors[0].message).toContain("3000 ms");
      expect(await aborted).toBe(true);
    } finally {
      stalled = undefined;
    }
  });

  test("a caller that goes away stops the work", async () => {
    const control = new AbortController();
    const aborted = new Promise<boolean>((given) => {
      stalled = { index: () => true, given };
    });
    try {
      const searching = stack.verbs
        .search({ query_text, corpora: ["people"] }, { signal: control.signal })
        .catch((error) => error);
      const before = vectorSearches;
      while (vectorSearches === before) await new Promise<void>((resolve) => setImmediate(resolve));
      control.abort(new Error("gone"));
      expect(await aborted).toBe(true);
      expect(await searching).toBeInstanceOf(Error);
    } finally {
      stalled = undefined;
    }
  });
});

describe("vectors", () => {
  const vectorOf = async (text: string) => {
    const { vectors, dimension } = await stack.embedd.peer.verbs.embed({ text });
    expect(vectors[0]?.length).toBe(dimension);
    return vectors[0] as number[];
  };

  test("a vector given is searched for as the text that it was made of", async () => {
    const query_vector = await vectorOf(query_text);
    const byVector = await search({ query_vector });
    expect(byVector.mode).toBe("vector");
    expect(ids(byVector)).toEqual(ids(await search({ query_text, mode: "vector" })));
    const both = await search({ query_vector, query_text });
    expect(ids(both)).toEqual(ids(await search({ query_text })));
  });

  test("of another dimension is the error itself when no corpus has it", async () => {
    const { status, body } = await stack.post("/search", {
      query_vector: [1, 2, 3],
      corpora: ["people", "sites"],
    });
    expect({ status, type: body.error.type }).toEqual({ status: 400, type: "invalid_field" });
    expect(body.error.message).toContain("got 3");
  });
});

describe("reranking", () => {
  test("is told by its parts, and reads the texts", async () => {
    const { hits } = await search({ query_text, rerank: true, include_text: true });
    for (const { parts, text } of hits) {
      expect(Object.keys(parts).sort()).toEqual(
        expect.arrayContaining(["fused", "rerank", "rerank_coverage", "rerank_metadata", "rerank_proximity"]),
      );
      expect(text).toContain("OSHA-10 card");
    }
    expect(hits[0].parts.rerank_coverage).toBeGreaterThan(0.9);
  });
});

describe("sentences", () => {
  test.each([
    ["fails", { type: "unavailable", message: "sentences had no say: embedd is not running" }],
    [
      "waits",
      { type: "timeout", message: expect.stringContaining("the comparison of sentences did not answer") },
    ],
  ] as const)("a comparison that %s costs the hits nothing else, and is told", async (how, told) => {
    const asked = {
      query_text: "forklift operator in chicago",
      k: 5,
      timeout_ms: how === "waits" ? 2000 : 60_000,
    };
    sentences = how;
    const { hits, errors } = await search(asked).finally(() => {
      sentences = undefined;
    });
    expect(hits).toHaveLength(5);
    expect(errors).toEqual([{ corpus: "people", ...told }]);
    expect((await search(asked)).errors).toEqual([]);
  });
});

describe("playbooks", () => {
  const body = { query_text: "who drives a fork lift in chicago", k: 10, use_playbook: true };
  const record = async (answer_id: string, corpus = "people") => {
    const { status, body: answer } = await stack.post("/playbooks/record", {
      query_text: "fork lift driver in chicago",
      answer_id,
      corpus,
      score: 1,
    });
    expect(status).toBe(201);
    return answer.playbook.playbook_id as string;
  };
  const forget = (id: string) => stack.del(`/playbooks/${id}`);

  test("a note comes with the hits of similar queries, and moves none of them", async () => {
    const note = "OSHA cards expire: look at the date";
    const { body: made } = await stack.post("/playbooks/record", {
      query_text: "fork lift driver in chicago",
      corpus: "people",
      note,
    });
    const { playbook_id } = made.playbook;
    const without = await search({ ...body, use_playbook: false });
    const found = await search(body);
    expect(found.notes).toMatchObject([{ playbook_id, corpus: "people", note }]);
    expect(ids(found)).toEqual(ids(without));
    expect(without.notes).toBeUndefined();
    expect((await search({ ...body, query_text: "registered nurse" })).notes).toBeUndefined();
    await forget(playbook_id);
    expect((await search(body)).notes).toBeUndefined();
  });

  for (const mode of modes) {
    test(`${mode}: an answer among the hits is lifted, and why is said`, async () => {
      const before = await search({ ...body, mode, k: 30 });
      const id = ids(before)[25] ?? "";
      const playbook = await record(id);
      const { hits } = await search({ ...body, mode, k: 30 });
      const lifted = hits.find((hit) => hit.id === id);
      expect(hits.indexOf(lifted)).toBeLessThan(5);
      const { fused, rerank, playbook: boost } = lifted.parts;
      // Reranking in hybrid searches has three quarters of what the fusion would have.
      const own = rerank === undefined ? fused : 0.25 * fused + 0.75 * (2 / 61) * rerank;
      expect(lifted.score).toBeCloseTo(own + boost, 12);
      expect(lifted.playbooks).toMatchObject([{ playbook_id: playbook, injected: false }]);
      expect(ids(await search({ ...body, mode, k: 30, use_playbook: false }))).toEqual(ids(before));
      await forget(playbook);
      expect(ids(await search({ ...body, mode, k: 30 }))).toEqual(ids(before));
    });

    test(`${mode}: an answer that no list has is brought in where filters allow it`, async () => {
      const nurse = "p2";
      const playbook = await record(nurse);
      const found = async (more: object) =>
        (await search({ ...body, mode, ...more })).hits.find(({ id }) => id === nurse);
      expect((await found({}))?.playbooks).toMatchObject([{ injected: true }]);
      expect(await found({ sql_filter: "state = 'MA'" })).toBeDefined();
      expect(await found({ filter: { role: "Registered Nurse" } })).toBeDefined();
      expect(await found({ sql_filter: "state = 'IL'" })).toBeUndefined();
      expect(await found({ filter: { role: "Forklift Operator" } })).toBeUndefined();
      expect(await found({ filter: { city: "Boston" }, sql_filter: "role = 'Welder'" })).toBeUndefined();
      await forget(playbook);
      expect(await found({})).toBeUndefined();
    });
  }

  test("an answer that is no row any more has no say", async () => {
    const playbook = await record("p2");
    await stack.dataset("people", `SELECT * FROM (${people}) WHERE id <> 'p2'`);
    await stack.build({
      name: "people",
      dataset: "people",
      id_column: "id",
      text_columns: ["role", "city", "notes"],
      metadata_columns: ["role", "city", "state", "availability"],
    });
    expect(ids(await search(body))).not.toContain("p2");
    await forget(playbook);
  });
});

describe("the active profile", () => {
  test("speaks when the search names no corpora", async () => {
    const none = await stack.post("/search", { query_text });
    expect(none.status).toBe(400);
    const profile = { corpora: ["people"], mode: "lexical", k: 3, index: { ef: 200 } };
    expect((await stack.put("/profiles/floor", profile)).status).toBe(200);
    expect((await stack.post("/profiles/floor/activate", {})).status).toBe(200);
    const { body } = await stack.post("/search", { query_text });
    expect({ hits: body.hits.length, mode: body.mode, profile: body.profile }).toEqual({
      hits: 3,
      mode: "lexical",
      profile: "floor",
    });
    expect((await search({ query_text })).profile).toBeUndefined();
  });
});

test("a row that changed is found as it is now, and only once", async () => {
  await stack.dataset("notes", "SELECT range AS id, 'plain text ' || range AS what FROM range(50)");
  const spec = { name: "notes", dataset: "notes", id_column: "id", text_columns: ["what"] };
  await stack.build(spec);
  await stack.dataset(
    "notes",
    "SELECT range AS id, CASE WHEN range = 7 THEN 'zebra crossing' ELSE 'plain text ' || range END AS what FROM range(50)",
  );
  expect((await stack.build(spec)).embedded).toBe(1);
  for (const mode of modes) {
    expect(ids(await search({ query_text: "zebra crossing", corpora: ["notes"], mode }))[0]).toBe("7");
    const all = ids(await search({ query_text: "plain text zebra", corpora: ["notes"], mode, k: 100 }));
    expect(all.length).toBe(50);
    expect(new Set(all).size).toBe(50);
  }
});
