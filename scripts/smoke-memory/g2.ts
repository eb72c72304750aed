import {
  createIndex,
  dropIndex,
  embed,
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  freshName,
  type Lake,
  postJson,
  type Smoke,
  type Stage,
  searchHits,
} from "../smoke-product/smoke-product.ts";

const profiles = {
  welder: "Certified TIG welder with ten years in pipe fabrication, weekend shifts",
  nurse: "Registered nurse, intensive care, night shifts, state licence",
  forklift: "Forklift operator, warehouse and loading dock, OSHA certified",
  accountant: "Accounts payable clerk, invoices, spreadsheets, month-end close",
  electrician: "Journeyman electrician, industrial panels and conduit",
};

const questions: [question: string, answer: keyof typeof profiles][] = [
  ["welders for pipe fabrication", "welder"],
  ["nurse for intensive care at night", "nurse"],
  ["fork lift operators in a warehouse", "forklift"],
  ["who can close the month and pay invoices", "accountant"],
  ["industrial electricians", "electrician"],
];

/** Words as sparse vectors beside the meaning. */
async function named(check: Stage["check"], lake: Lake): Promise<void> {
  const name = freshName();
  await check("sparse vectors stand beside dense ones, and are fused", async () => {
    const index = { name, dimension: 2, vectors: { words: { sparse: true } } };
    expectStatus(await postJson(lake, "/v1/vectors/index", index), 201);
    const items = [
      { id: "a", vector: [1, 0], vectors: { words: { indices: [7], values: [1] } } },
      { id: "b", vector: [0, 1], vectors: { words: { indices: [7], values: [4] } } },
    ];
    expectStatus(await postJson(lake, `/v1/vectors/index/${name}/add`, { items }), 200);
    const words = { indices: [7], values: [1] };
    const search = async (body: object) => {
      const answer = await postJson(lake, `/v1/vectors/index/${name}/search`, body);
      return (answer.body as { results: { id: string; score: number }[] }).results.map(({ id, score }) => [
        id,
        score,
      ]);
    };
    expectEqual(await search({ named: { words } }), [
      ["b", 4],
      ["a", 1],
    ]);
    expectEqual(await search({ vector: [1, 0], named: { words } }), [
      ["a", 0.625],
      ["b", 0.5],
    ]);
    await dropIndex(lake, name);
  });
}

export const g2: Smoke = {
  about: "text to vectors to hits: embed, add, search",
  async run({ check, lake: open }) {
    const lake = await open();
    const name = freshName();
    const ids = Object.keys(profiles);
    await check("texts become vectors, the same ones each time, from the cache the second time", async () => {
      const texts = Object.values(profiles);
      const first = await embed(lake, texts);
      expectEqual([first.vectors.length, first.vectors[0]?.length], [texts.length, first.dimension]);
      const again = await postJson(lake, "/v1/embed", { texts });
      expectStatus(again, 200);
      expectEqual((again.body as typeof first).vectors, first.vectors);
      expectEqual((again.body as { cached: number }).cached, texts.length);
    });
    await check("they are added to an index that remembers their model", async () => {
      const { dimension, vectors } = await embed(lake, Object.values(profiles));
      expectStatus(await createIndex(lake, { name, dimension, embedding_model: "local" }), 201);
      const items = ids.map((id, at) => ({ id, vector: vectors[at], metadata: { id } }));
      const added = await postJson(lake, `/v1/vectors/index/${name}/add`, {
        items,
        embedding_model: "local",
      });
      expectStatus(added, 200);
    });
    await check("each question finds its answer first", async () => {
      const { vectors } = await embed(
        lake,
        questions.map(([question]) => question),
      );
      for (const [at, [question, answer]] of questions.entries()) {
        const [hit] = await searchHits(lake, name, { vector: vectors[at], k: 3 });
        expectTrue(hit?.id === answer, `'${question}' found ${hit?.id}, not ${answer}`);
      }
    });
    await check("vectors of another model are a 409 that names both", async () => {
      const { vectors } = await embed(lake, ["x"]);
      const items = [{ id: "x", vector: vectors[0] }];
      const add = { items, embedding_model: "ollama/other" };
      const message = expectError(
        await postJson(lake, `/v1/vectors/index/${name}/add`, add),
        409,
        "conflict",
      );
      expectTrue(message.includes("local") && message.includes("ollama/other"), message);
    });
    await check("OpenAI's shape answers, too", async () => {
      const answer = await postJson(lake, "/v1/embeddings", { model: "local", input: ["a", "b"] });
      expectStatus(answer, 200);
      const { data } = answer.body as { data: { index: number; embedding: number[] }[] };
      expectEqual(
        data.map(({ index }) => index),
        [0, 1],
      );
    });
    await check("the index can be dropped", () => dropIndex(lake, name));
    await named(check, lake);
  },
};
