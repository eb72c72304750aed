/** Tools that look at data and list names, and those behind the switch, over /mcp of a running product. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { likePages } from "../../../api/mcp/tools/like.ts";
import { startHttpSession } from "../../support/clients/mcp-session.ts";
import { sendJson } from "../../support/clients/send-json.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";

let product: Product;
let session: Awaited<ReturnType<typeof startHttpSession>>;

beforeAll(async () => {
  product = await startProduct({ env: { LH_GATEWAY_MCP_WRITES: "true" } });
  const csv = `id,name,zip\n${Array.from({ length: 500 }, (_, at) => `${at},n${at % 7},0${1000 + at}`).join("\n")}\n`;
  expect((await ingest(product.url, "name=people", csv)).status).toBe(200);
  expect((await ingest(product.url, "name=places", "id\n1\n")).status).toBe(200);
  session = await startHttpSession({ gateway: product.url });
});
afterAll(async () => {
  await session.close();
  await product.end();
});

describe("looking", () => {
  test("describe_dataset says what is in each column", async () => {
    const { data } = await session.call("describe_dataset", { name: "people" });
    const columns = data.columns as Record<string, unknown>[];
    expect(columns.map(({ column_name }) => column_name)).toEqual(["id", "name", "zip"]);
    expect(columns[0]).toMatchObject({ min: "0", max: "499" });
  });
  test("sample_dataset gives the first rows of the columns, or some from anywhere", async () => {
    const first = await session.call("sample_dataset", { name: "people", rows: 2, columns: ["zip", "id"] });
    expect(first.data.rows).toEqual(await sql(product.url, "SELECT zip, id FROM people LIMIT 2"));
    const random = await session.call("sample_dataset", { name: "people", rows: 30, random: true });
    expect(random.data.rows).toHaveLength(30);
  });
  test("an earlier version of a dataset", async () => {
    expect((await ingest(product.url, "name=places&mode=append", "id\n2\n")).status).toBe(200);
    const rows = async (version: number) =>
      (await session.call("sample_dataset", { name: "places", version })).data.rows;
    expect(await rows(1)).toEqual([{ id: 1 }]);
    expect(await rows(2)).toHaveLength(2);
  });
  test("explain_sql gives a plan and runs nothing", async () => {
    const { text, data } = await session.call("explain_sql", {
      sql: "SELECT count(*) FROM people WHERE id > 3",
    });
    expect(text).toBe(String(data.plan));
    expect(text.length).toBeGreaterThan(50);
  });
  test("saved queries are listed and run with their parameters", async () => {
    const body = JSON.stringify({
      sql: "SELECT id FROM people WHERE name = $name ORDER BY id LIMIT 2",
      parameters: { name: { type: "text", default: "n1" } },
    });
    const headers = { "content-type": "application/json" };
    const saved = await fetch(`${product.url}/v1/queries/by_name`, { method: "PUT", headers, body });
    expect(saved.status).toBe(200);
    const { data, text } = await session.call("list_saved_queries", { like: "by" });
    expect(data.queries).toMatchObject([{ name: "by_name", version: 1 }]);
    expect(text).toContain("by_name(name text = n1)");
    const run = (parameters?: object) => session.call("run_saved_query", { name: "by_name", ...parameters });
    expect((await run()).data.rows).toEqual([{ id: 1 }, { id: 8 }]);
    expect((await run({ parameters: { name: "n2" } })).data.rows).toEqual([{ id: 2 }, { id: 9 }]);
    expect((await run({ parameters: { nam: "n2" } })).text).toContain("unknown query parameter 'nam'");
    const [row] = (await (await fetch(`${product.url}/v1/queries/by_name.json`)).json()) as unknown[];
    expect(row).toEqual({ id: 1 });
  });
  test("views are listed, looked at like datasets, and a corpus is made of one", async () => {
    const post = (path: string, body: object, method = "POST") =>
      fetch(`${product.url}/v1${path}`, {
        method,
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const sql = "SELECT id, name FROM people WHERE id < 3";
    expect((await post("/catalog/views", { name: "first_people", sql })).status).toBe(200);
    const { data } = await session.call("list_views", { like: "people" });
    expect(data.views).toMatchObject([{ name: "first_people", columns: [{ name: "id" }, { name: "name" }] }]);
    const { data: sample } = await session.call("sample_dataset", { name: "first_people" });
    expect(sample.rows).toHaveLength(3);
    const { data: all, text } = await session.call("list_datasets", { like: "people" });
    expect(all).toMatchObject({ datasets: [{ name: "people" }], views: [{ name: "first_people" }] });
    expect(text).toContain("first_people: a view of 2 columns");
    expect((await session.call("get_manifest", { name: "first_people" })).text).toMatch(
      /'first_people' is a view.*list_views/s,
    );
    const uri = "lakehouse://datasets/first_people";
    const { resources } = await session.client.listResources();
    expect(resources).toContainEqual(expect.objectContaining({ uri, title: "View first_people" }));
    const [content] = (await session.client.readResource({ uri })).contents;
    expect(JSON.parse((content as { text: string }).text)).toMatchObject({
      view: { reads: ["people"] },
      sample_rows: [{ id: 0 }, { id: 1 }, { id: 2 }],
    });
    const corpus = { name: "of_view", dataset: "first_people", id_column: "id", text_columns: ["name"] };
    const built = await post("/matrix/corpora", corpus);
    const { job_id } = (await built.json()) as { job_id: string };
    const events = await fetch(`${product.url}/v1/matrix/jobs/${job_id}/events`);
    expect(await events.text()).toContain('"state":"done"');
    const asked = { query_text: "n1", corpora: ["of_view"], sql_filter: "id = 1", k: 5 };
    expect((await session.call("search_matrix", asked)).data.hits).toMatchObject([{ id: "1" }]);
    const profile = { corpora: ["of_view"], bucket: "primary" };
    expect(await (await post("/matrix/profiles/of_view", profile, "PUT")).text()).toContain(
      "made of the view 'first_people'",
    );
    await fetch(`${product.url}/v1/matrix/corpora/of_view`, { method: "DELETE" });
  });
  test.each([
    ["run_saved_query", { name: "nope" }, "list_saved_queries"],
    ["describe_dataset", { name: "peple" }, "people"],
    ["describe_dataset", { name: "people; DROP TABLE people" }, "name"],
    ["describe_dataset", { name: "people", version: 99 }, "99"],
    ["sample_dataset", { name: "people", rows: 0 }, "rows"],
    ["sample_dataset", { name: "people", rows: 201 }, "rows"],
    ["sample_dataset", { name: "people", columns: ['id" FROM people; --'] }, "id"],
    ["sample_dataset", { name: "people", columns: [] }, "columns"],
    ["explain_sql", { sql: "SELECT gone FROM people" }, "gone"],
    ["explain_sql", { sql: "ANALYZE SELECT 1" }, "got ANALYZE"],
    ["explain_sql", { sql: "-- a\n/* b */ analyze SELECT 1" }, "got ANALYZE"],
    ["explain_sql", { sql: "(ANALYZE) SELECT 1" }, "ANALYZE"],
    ["explain_sql", { sql: "SELECT 1; SELECT 2" }, "one statement"],
    ["explain_sql", {}, "sql"],
    ["list_datasets", { like: "" }, "like"],
    ["search_vectors", { name: "nope", text: "x" }, "list_indexes"],
    ["embed_text", { text: "x", model: "nope" }, "nope"],
    ["search_matrix", { query_text: "x", corpora: ["nope"], k: 1 }, "nope"],
    ["get_manifest", { name: "nope" }, "list_datasets"],
  ])("%s %j is refused, and names %s", async (name, input, says) => {
    const { isError, text } = await session.call(name, input);
    expect([isError || name === "search_matrix", text]).toEqual([true, expect.stringContaining(says)]);
  });
});

describe("listing", () => {
  test.each([
    ["pe", ["people"]],
    ["P%", ["people", "places"]],
    ["%e", ["people"]],
    ["p_", []],
    ["nothing", []],
  ])("list_datasets like %s", async (like, names) => {
    const { data } = await session.call("list_datasets", { like });
    expect((data.datasets as { name: string }[]).map(({ name }) => name)).toEqual(names);
  });
  test("list_models names the default, and list_indexes and list_corpora what there is", async () => {
    expect((await session.call("list_models", { like: "local" })).text).toContain("local");
    expect((await session.call("list_indexes")).data).toEqual({ indexes: [] });
    expect((await session.call("list_corpora")).data).toEqual({ corpora: [] });
  });
  test("pages of what is like a pattern hold each name once, whatever their size", async () => {
    const all = Array.from({ length: 57 }, (_, at) => ({
      name: `${at % 3 === 0 ? "a" : "b"}${String(at).padStart(2, "0")}`,
    }));
    const fetchPage = async ({ page_size, page_token = "0" }: { page_size: number; page_token?: string }) => {
      const from = Number(page_token);
      const next = from + page_size;
      return { items: all.slice(from, next), next_page_token: next < all.length ? String(next) : undefined };
    };
    for (const page_size of [1, 2, 5, 19, 100]) {
      const names: string[] = [];
      let token: string | undefined;
      do {
        const page = await likePages(
          { like: "a%", page_size, perPage: 5, ...(token && { page_token: token }) },
          fetchPage,
        );
        expect(page.items.length).toBeLessThanOrEqual(page_size);
        names.push(...page.items.map(({ name }) => name));
        token = page.next_page_token;
      } while (token !== undefined);
      expect(names).toEqual(all.map(({ name }) => name).filter((name) => name.startsWith("a")));
    }
  });
});

describe("writing", () => {
  test("ingest_text makes a dataset that query_sql reads, digit by digit", async () => {
    const { data, text } = await session.call("ingest_text", {
      name: "made",
      text: "zip,n\n00123,9007199254740993\n",
    });
    expect(text).toStartWith("made: version 1, 1 rows loaded");
    expect(data).toMatchObject({ rows_loaded: 1 });
    const { data: read } = await session.call("query_sql", { sql: "SELECT * FROM made" });
    expect(read.rows).toEqual([{ zip: "00123", n: "9007199254740993" }]);
    const more = await session.call("ingest_text", { name: "made", text: "zip,n\n1,2\n", mode: "append" });
    expect(more.isError).toBe(false);
  });
  test("remember and recall, by words and by tags", async () => {
    const input = {
      text: "The night shift wants certified welders",
      tags: ["shift"],
      details: { city: "Joliet" },
    };
    const first = await session.call("remember", input);
    expect(first.text).toStartWith("Remembered as ");
    expect((await session.call("remember", input)).text).toStartWith("Known already as ");
    for (const asked of [{ text: "welders" }, { tags: ["shift"] }, {}])
      expect((await session.call("recall", asked)).text).toContain(
        'night shift wants certified welders {"details":{"city":"Joliet"}}',
      );
    expect((await session.call("recall", { tags: ["gone"] })).text).toBe("Nothing that was remembered fits.");
  });
  test("add_documents makes a corpus, whose rows query_sql reads", async () => {
    const documents = [
      { file: "notes/a.md", text: "# Welding\n\nTIG and MIG." },
      { file: "notes/b.txt", text: "Forklifts need a licence." },
    ];
    const { text, isError } = await session.call("add_documents", {
      corpus: "notes",
      documents,
      metadata: { by: "me" },
    });
    expect([isError, text]).toEqual([false, expect.stringContaining("notes/a.md: 1 chunks")]);
    const { data } = await session.call("query_sql", {
      sql: "SELECT count(DISTINCT document) AS n FROM notes",
    });
    expect(data.rows).toEqual([{ n: 2 }]);
  });
  test("add_vectors and search_vectors take vectors beside the main one, dense and sparse", async () => {
    const vectors = { words: { sparse: true }, title: { dimension: 2 } };
    await sendJson(`${product.url}/v1/vectors/index`, "POST", { name: "shelf", dimension: 2, vectors });
    const items = [
      { id: "a", vector: [1, 0], vectors: { words: { indices: [7], values: [2] }, title: [0, 1] } },
      { id: "b", vector: [0, 1], vectors: { words: { indices: [7], values: [1] } } },
    ];
    const added = await session.call("add_vectors", { name: "shelf", items });
    expect([added.isError, added.data]).toEqual([false, { added: 2, replaced: 0, count: 2 }]);
    const words = { indices: [7], values: [1] };
    const { data } = await session.call("search_vectors", { name: "shelf", named: { words } });
    expect(data.results).toMatchObject([
      { id: "a", score: 2 },
      { id: "b", score: 1 },
    ]);
    const fused = await session.call("search_vectors", {
      ...{ name: "shelf", vector: [0, 1], named: { words, title: [0, 1] }, weights: { vector: 3 } },
    });
    expect([fused.isError, fused.text]).toEqual([false, expect.stringContaining('"title"')]);
  });
  test("erase says what would go, and then it is gone", async () => {
    const about = { subject: "jane@example.org", who: "an agent's user", why: "she asked" };
    await session.call("remember", { text: `Write to ${about.subject}.`, tags: ["jane"] });
    const dry = await session.call("erase", { ...about, dry_run: true });
    expect(dry.text).toContain("pathwayd/traces.log: 1 traces would go");
    expect((await session.call("recall", { tags: ["jane"] })).text).toContain(about.subject);
    const { text, isError } = await session.call("erase", about);
    expect([isError, text]).toEqual([false, expect.stringContaining("The erasure is complete.")]);
    expect((await session.call("recall", { tags: ["jane"] })).text).not.toContain(about.subject);
  });
  test.each([
    ["erase", { subject: "ab", who: "me", why: "asked" }, "subject"],
    ["erase", { subject: { column: "id" }, who: "me", why: "asked" }, "subject.equals"],
    ["add_vectors", { name: "shelf", items: [] }, "items"],
    ["add_vectors", { name: "gone", items: [{ id: "a", vector: [1] }] }, "list_indexes"],
    [
      "add_vectors",
      { name: "shelf", items: [{ id: "a", vector: [1, 0], vectors: { x: [1] } }] },
      "no vector named",
    ],
    ["search_vectors", { name: "shelf", named: { x: [1] } }, "no vector named"],
    ["search_vectors", { name: "shelf", vector: [1, 0], weights: { vector: 1 } }, "named"],
    ["ingest_text", { name: "no such", text: "a\n1\n" }, "name"],
    ["ingest_text", { name: "made", text: "" }, "text"],
    ["ingest_text", { name: "made" }, "either the rows as text, or the url"],
    ["ingest_text", { name: "made", url: "https://files.example.com/a.csv" }, "ingestd.url_hosts"],
    ["ingest_text", { name: "made", text: "other\n1\n", mode: "append" }, "schema_drift"],
    ["ingest_text", { name: "made", text: "a\n1\n", mode: "upsert" }, "mode"],
    ["remember", { text: "" }, "text"],
    ["remember", { text: "x", tags: ["a", "a"] }, "tags"],
    ["add_documents", { corpus: "notes", documents: [] }, "documents"],
    ["add_documents", { corpus: "1", documents: [{ file: "a.md", text: "x" }] }, "corpus"],
    ["record_feedback", { playbook_id: "gone", helped: true }, "search_matrix with use_playbook"],
    ["record_feedback", { playbook_id: "gone" }, "helped"],
  ])("%s %j is refused, and names %s", async (name, input, says) => {
    const { isError, text } = await session.call(name, input);
    expect([isError, text]).toEqual([true, expect.stringContaining(says)]);
  });
});
