/** `search_matrix` and `record_playbook` over corpora of staffing data. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { buildCorpus } from "../../../scripts/smoke-memory/matrix-requests.ts";
import { lakeAt } from "../../../scripts/smoke-product/product.ts";
import { type Session, startSession } from "../../support/clients/mcp-session.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";

const people = `id,role,city,state,availability,notes
p1,Forklift Operator,Chicago,IL,0.9,"OSHA-10 card, reach truck, night shift"
p2,Forklift Operator,Chicago,IL,0.2,"OSHA-10 card, dock loading"
p3,Forklift Operator,Dallas,TX,0.8,"OSHA-10 card, freezer warehouse"
p4,Registered Nurse,Chicago,IL,0.9,"intensive care, night shift"
p5,Welder,Joliet,IL,0.7,"pipe fabrication, OSHA-10 card"
`;
let product: Product;
let session: Session;

beforeAll(async () => {
  product = await startProduct();
  expect((await ingest(product.url, "name=people", people)).status).toBe(200);
  session = await startSession({ gateway: product.url });
});
afterAll(async () => {
  await session.close();
  await product.end();
});

const direct = async (path: string, body: unknown) =>
  (
    await lakeAt(product.url).send(`/v1${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    })
  ).body as Record<string, unknown>;
const idsOf = (data: Record<string, unknown>): string[] =>
  (data.hits as { id: string }[]).map(({ id }) => id);
const query_text = "forklift operator with OSHA-10 near Chicago";

test("before there is a corpus, the answer says so", async () => {
  const { text } = await session.call("search_matrix", { query_text, corpora: ["people"] });
  expect(text).toContain("people");
  expect(text).toMatch(/none yet|there are no corpora yet/);
});

test("the hits are those the product gives, in words and whole", async () => {
  await buildCorpus(lakeAt(product.url), {
    ...{ name: "people", dataset: "people", id_column: "id", text_columns: ["role", "city", "notes"] },
    metadata_columns: ["role", "city", "state", "availability"],
  });
  const asked = { query_text, corpora: ["people"], k: 3, include_text: true };
  const { data, text } = await session.call("search_matrix", asked);
  const { took_ms, ...wanted } = await direct("/matrix/search", asked);
  expect(data).toMatchObject(wanted);
  expect(took_ms).toBeDefined();
  expect(idsOf(data)).toHaveLength(3);
  expect(text).toStartWith(`1. ${idsOf(data)[0]} (people) score `);
  expect(text).toContain("reach truck");
});

test("filters by SQL and by metadata", async () => {
  const sql = { query_text, corpora: ["people"], sql_filter: "state = 'IL' AND availability > 0.5" };
  expect(idsOf((await session.call("search_matrix", sql)).data)[0]).toBe("p1");
  const metadata = { query_text, corpora: ["people"], filter: { city: "Dallas" } };
  expect(idsOf((await session.call("search_matrix", metadata)).data)).toEqual(["p3"]);
});

test("a corpus that is not there is told beside the hits of the others, with the names there are", async () => {
  const { isError, data, text } = await session.call("search_matrix", {
    query_text,
    corpora: ["people", "nowhere"],
  });
  expect(isError).toBe(false);
  expect(idsOf(data).length).toBeGreaterThan(0);
  expect(text).toContain("corpora there are: people");
  expect(text).toContain("corpus nowhere failed");
});

test("what record_playbook remembers comes first for a similar query, with the reason; again, it is strengthened", async () => {
  const asked = {
    query_text: "someone for our freezer in Chicago",
    corpora: ["people"],
    k: 3,
    use_playbook: true,
  };
  const worked = {
    query_text: asked.query_text,
    answer_id: "p5",
    corpus: "people",
    score: 1,
    tags: ["test"],
  };
  const first = await session.call("record_playbook", worked);
  expect(first.data).toMatchObject({
    merged: false,
    playbook: { answer_id: "p5", corpus: "people", helpful: expect.any(Number) },
  });
  expect(first.text).toStartWith('Remembered: for "someone for our freezer in Chicago"');
  const again = await session.call("record_playbook", worked);
  expect(again.data.merged).toBe(true);
  expect(again.text).toStartWith("Strengthened");
  const { data, text } = await session.call("search_matrix", asked);
  const [hit] = data.hits as { id: string; playbooks?: { because: string }[] }[];
  expect(hit?.id).toBe("p5");
  expect(hit?.playbooks?.[0]?.because.length).toBeGreaterThan(0);
  expect(text).toContain(hit?.playbooks?.[0]?.because ?? "no reason");
});

test.each([
  { name: "neither text nor vector", input: { corpora: ["people"] }, says: "query_" },
  {
    name: "a predicate that breaks out",
    input: { query_text, corpora: ["people"], sql_filter: "1=1) OR (1=1" },
    says: "(sql_error",
  },
])("refused: $name", async ({ input, says }) => {
  const { isError, text } = await session.call("search_matrix", input);
  expect(isError).toBe(true);
  expect(text).toContain(says);
});
