/** Large results: pages of one run, answers that fit an agent's context, bounds that are told. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, type Session, startLines, startSession } from "../../support/clients/mcp-session.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";

let product: Product;
let session: Session;
beforeAll(async () => {
  product = await startProduct();
  session = await startSession({ gateway: product.url });
  const wide = Array.from({ length: 1000 }, (_, at) => `a_column_with_a_long_name_${at}`);
  const file = `${wide.join(",")}\n${wide.map(() => "1").join(",")}\n`;
  expect((await ingest(product.url, "name=wide", file)).status).toBe(200);
});
afterAll(async () => {
  await session.close();
  await product.end();
});

/** No answer is larger, whatever was asked. */
function expectBounded({ text, data }: Answer): void {
  expect(text.length).toBeLessThan(25_000);
  expect(JSON.stringify(data).length).toBeLessThan(70_000);
}

async function pages(
  sql: string,
  more: Record<string, unknown> = {},
): Promise<{ rows: unknown[]; answers: Answer[] }> {
  const answers = [await session.call("query_sql", { sql, ...more })];
  for (let last = answers[0]; last?.data.next_cursor !== undefined; last = answers.at(-1)) {
    answers.push(await session.call("query_sql", { cursor: last.data.next_cursor }));
  }
  for (const answer of answers) {
    expect(answer.text).not.toContain("(too_large");
    expectBounded(answer);
  }
  return { rows: answers.flatMap(({ data }) => data.rows as unknown[]), answers };
}

describe("query_sql", () => {
  test("pages hold every row once, in order, though the statement gives others each time it runs", async () => {
    const { rows, answers } = await pages("SELECT i, random() AS r FROM range(1, 2501) t(i)", {
      page_size: 1000,
    });
    expect((rows as { i: number }[]).map(({ i }) => i)).toEqual(
      Array.from({ length: 2500 }, (_, at) => at + 1),
    );
    expect(new Set(answers.map(({ data }) => data.query_id)).size).toBe(1);
    expect(answers[1]?.data).toMatchObject({ rows_taken: 2500, truncated: false });
  });

  test("a page is what was asked for, and its text holds each of its rows and how to go on", async () => {
    const { data, text } = await session.call("query_sql", {
      sql: "SELECT i FROM range(10) t(i)",
      page_size: 4,
    });
    expect(data).toMatchObject({ row_count: 4, first_row: 0, rows_taken: 10 });
    expect(text).toBe(
      `| i (BIGINT) |\n| --- |\n| 0 |\n| 1 |\n| 2 |\n| 3 |\n\nrows 1 to 4 of 10, ${data.elapsed_ms} ms\nMore rows: query_sql {"cursor":"${data.next_cursor}"}`,
    );
    const again = () => session.call("query_sql", { cursor: data.next_cursor });
    expect(await again()).toEqual(await again());
    const last = await session.call("query_sql", { cursor: data.next_cursor, page_size: 100 });
    expect(last.data).toMatchObject({ first_row: 4, row_count: 6 });
    expect(last.data.next_cursor).toBeUndefined();
  });

  test("a page ends early where an answer would be too large", async () => {
    const { rows, answers } = await pages("SELECT i, repeat('x', 1000) AS long FROM range(100) t(i)");
    expect(rows).toHaveLength(100);
    expect(answers.length).toBeGreaterThan(4);
  });

  test("wide rows: the names of 300 columns count, too", async () => {
    const columns = Array.from({ length: 300 }, (_, at) => `i AS column_with_a_long_name_${at}`).join(", ");
    const { rows } = await pages(`SELECT ${columns} FROM range(10) t(i)`);
    expect(rows).toHaveLength(10);
  });

  test("a row that no answer holds is told, behind those that fit", async () => {
    const sql = "SELECT i, repeat('x', CASE WHEN i = 2 THEN 100000 ELSE 1 END) AS long FROM range(4) t(i)";
    const first = await session.call("query_sql", { sql });
    expect(first.data).toMatchObject({ row_count: 2, rows_taken: 4 });
    const { isError, text } = await session.call("query_sql", { cursor: first.data.next_cursor });
    expect(isError).toBe(true);
    expect(text).toContain("row 3 with its 2 columns has 10");
    expect(text).toContain("substring()");
  });

  test.each([
    {
      name: "a heading that no answer holds, also without rows",
      sql: "SELECT * FROM wide WHERE false",
      says: "the heading of its 1000 columns",
    },
    {
      name: "a first row that is not even taken",
      sql: "SELECT string_agg(repeat('x', 1000000), '') AS x FROM range(30)",
      says: "the first row alone",
    },
  ])("$name", async ({ sql, says }) => {
    const { isError, text } = await session.call("query_sql", { sql });
    expect({ isError, text }).toMatchObject({ isError: true, text: expect.stringContaining(says) });
    expect(text).toContain("(too_large");
  });

  test("of more than 10,000 rows the first are taken, and that is said", async () => {
    const answer = await session.call("query_sql", { sql: "SELECT i FROM range(50_000_000) t(i)" });
    expect(answer.data).toMatchObject({ rows_taken: 10_000, truncated: true, row_count: 100 });
    expect(answer.text).toContain("gives more rows than the 10000 taken");
    const few = await session.call("query_sql", { sql: "SELECT i FROM range(50) t(i)", limit: 7 });
    expect(few.data).toMatchObject({ rows_taken: 7, truncated: true });
  });

  test("of more than 8 MB as many whole rows as fit are taken, and the statement is ended", async () => {
    const answer = await session.call("query_sql", {
      sql: "SELECT i, repeat('y', 5000) AS y FROM range(9000) t(i)",
    });
    expect(answer.data.truncated).toBe(true);
    expect(answer.data.rows_taken).toBeGreaterThan(1600);
    expect(answer.data.rows_taken).toBeLessThan(9000);
    expectBounded(answer);
  });

  test("a cursor goes with its own statement alone", async () => {
    const sql = "SELECT i FROM range(10) t(i)";
    const { data } = await session.call("query_sql", { sql, page_size: 4 });
    const cursor = data.next_cursor;
    expect((await session.call("query_sql", { sql, cursor })).data.first_row).toBe(4);
    const other = await session.call("query_sql", { sql: "SELECT 1", cursor });
    expect(other.text).toContain("belongs to another statement");
    const limited = await session.call("query_sql", { cursor, limit: 3 });
    expect(limited.text).toContain("limit cannot be given with it");
  });
});

describe("many datasets and wide ones", () => {
  const names = Array.from({ length: 105 }, (_, at) => `many_${String(at).padStart(3, "0")}`);
  beforeAll(async () => {
    for (const name of names) expect((await ingest(product.url, `name=${name}`, "id\n1\n")).status).toBe(200);
  });

  test("list_datasets gives them page by page, and its text says how to go on", async () => {
    const found: string[] = [];
    let page_token: unknown;
    do {
      const answer = await session.call("list_datasets", page_token === undefined ? {} : { page_token });
      expectBounded(answer);
      found.push(...(answer.data.datasets as { name: string }[]).map(({ name }) => name));
      page_token = answer.data.next_page_token;
      if (page_token !== undefined)
        expect(answer.text).toContain(`list_datasets ${JSON.stringify({ page_token })}`);
    } while (page_token !== undefined);
    expect(found).toEqual([...names, "wide"]);
  });

  test("resources/list is paged", async () => {
    const lines = startLines(["--gateway", product.url]);
    await lines.initialize();
    type Page = { result: { resources: { name: string }[]; nextCursor?: string } };
    const first = (await lines.request("resources/list")) as unknown as Page;
    expect(first.result.resources).toHaveLength(100);
    const second = (await lines.request("resources/list", {
      cursor: first.result.nextCursor,
    })) as unknown as Page;
    expect(second.result.nextCursor).toBeUndefined();
    const all = [...first.result.resources, ...second.result.resources].map(({ name }) => name);
    expect(all).toEqual([...names, "wide"]);
    expect(await lines.request("resources/list", { cursor: "💥" })).toMatchObject({
      error: { code: -32602 },
    });
    expect(await lines.end()).toBe(0);
  });

  test("the manifest of 1000 columns is bounded, and what is left out is counted", async () => {
    const answer = await session.call("get_manifest", { name: "wide" });
    expectBounded(answer);
    const { columns, columns_omitted, objects, objects_omitted } = answer.data as {
      columns: unknown[];
      columns_omitted: number;
      objects: unknown[];
      objects_omitted: number;
    };
    expect(columns.length + columns_omitted).toBe(1000);
    expect(objects.length + objects_omitted).toBe(1);
    expect(answer.text).toContain(`and ${columns_omitted} columns more`);
    const { contents } = await session.client.readResource({ uri: "lakehouse://datasets/wide" });
    expect(JSON.stringify(contents).length).toBeLessThan(250_000);
  });
});
