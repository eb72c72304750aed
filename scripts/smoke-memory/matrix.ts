import {
  drop,
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  freshName,
  ingest,
  postJson,
  type Smoke,
} from "../smoke-product/smoke-product.ts";
import { buildCorpus, dropCorpus, matrixSearch } from "./matrix-requests.ts";

const people = `id,role,city,state,availability,notes
p1,Forklift Operator,Chicago,IL,0.9,"OSHA-10 card, reach truck, night shift"
p2,Forklift Operator,Chicago,IL,0.2,"OSHA-10 card, dock loading"
p3,Forklift Operator,Dallas,TX,0.8,"OSHA-10 card, freezer warehouse"
p4,Registered Nurse,Chicago,IL,0.9,"intensive care, night shift"
p5,Welder,Joliet,IL,0.7,"pipe fabrication, OSHA-10 card"
`;
const sites = `site,what
s1,"Grocery warehouse near Chicago: forklift operators on nights"
s2,"Hospital in Dallas: nurses for intensive care"
`;

const staffSpec = (name: string) => ({
  name,
  dataset: name,
  id_column: "id",
  text_columns: ["role", "city", "notes"],
  metadata_columns: ["role", "city", "state", "availability"],
});

export const matrix: Smoke = {
  about: "corpora of datasets, searched together by vector and by words, under filters",
  async run({ check, lake: open }) {
    const lake = await open();
    const [staff, places] = [freshName(), freshName()];
    const query_text = "forklift operator with OSHA-10 near Chicago";
    const ids = async (body: object) => (await matrixSearch(lake, body)).hits.map(({ id }) => id);
    await check("corpora are built from datasets, with progress to their end", async () => {
      expectStatus(await ingest(lake, `name=${staff}`, people), 200);
      expectStatus(await ingest(lake, `name=${places}`, sites), 200);
      const job = await buildCorpus(lake, staffSpec(staff));
      expectEqual([job.state, job.embedded], ["done", 5]);
      await buildCorpus(lake, { name: places, dataset: places, id_column: "site", text_columns: ["what"] });
    });
    for (const mode of ["vector", "lexical", "hybrid"]) {
      await check(`${mode}: the row that has all comes first, with its score's parts`, async () => {
        const { hits } = await matrixSearch(lake, { query_text, corpora: [staff], mode, k: 3 });
        const [first] = hits;
        expectTrue(["p1", "p2"].includes(first?.id ?? ""), `expected a forklift operator, got ${first?.id}`);
        const looked = ["lexical", "sentence", "spelling", "vector"];
        const parts = ["fused", ...(mode === "hybrid" ? looked : [mode])];
        expectEqual(Object.keys(first?.parts ?? {}).sort(), parts.sort());
      });
      await check(
        `${mode}: only rows that a SQL predicate holds for, and a filter lets through`,
        async () => {
          const sql_filter = "state = 'IL' AND availability > 0.5";
          expectEqual((await ids({ query_text, corpora: [staff], mode, sql_filter })).toSorted()[0], "p1");
          expectTrue(
            (await ids({ query_text, corpora: [staff], mode, sql_filter })).every((id) =>
              ["p1", "p4", "p5"].includes(id),
            ),
            "a row that the predicate does not hold for",
          );
          expectEqual(await ids({ query_text, corpora: [staff], mode, filter: { city: "Dallas" } }), ["p3"]);
        },
      );
    }
    await check("two corpora compete for one list; one that is not there is reported beside", async () => {
      const found = await matrixSearch(lake, { query_text, corpora: [staff, places, "nowhere"], k: 4 });
      expectTrue(
        found.hits.some(({ corpus }) => corpus === places),
        "expected a hit of the second corpus",
      );
      expectTrue(
        found.hits.some(({ corpus }) => corpus === staff),
        "expected a hit of the first corpus",
      );
      expectEqual(
        found.errors.map(({ corpus, type }) => [corpus, type]),
        [["nowhere", "not_found"]],
      );
    });
    await check("a predicate that breaks out of its place is refused", async () => {
      const breakout = { query_text, corpora: [staff], sql_filter: "1=1) OR (1=1" };
      expectError(await postJson(lake, "/v1/matrix/search", breakout), 400, "sql_error");
    });
    await check("a refresh embeds what changed and nothing else", async () => {
      expectStatus(
        await ingest(lake, `name=${staff}`, people.replace("freezer warehouse", "clamp truck")),
        200,
      );
      const job = await buildCorpus(lake, staffSpec(staff));
      expectEqual([job.embedded, job.unchanged], [1, 4]);
      expectEqual((await ids({ query_text: "clamp truck", corpora: [staff], mode: "lexical" }))[0], "p3");
      for (const name of [staff, places]) {
        await dropCorpus(lake, name);
        await drop(lake, name);
      }
    });
  },
};
