/** Questions in a URL: statements, and datasets as files, as spreadsheets and dashboards ask. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type QuerydStack, startQuerydStack } from "../../support/stacks/queryd.ts";

let stack: QuerydStack;
beforeAll(async () => {
  stack = await startQuerydStack();
  await stack.dataset(
    "jobs",
    "SELECT range AS id, 'n' || range AS name, range % 2 = 0 AS is_open FROM range(5)",
  );
});
afterAll(() => stack.stop());

const get = (path: string, headers: Record<string, string> = {}) =>
  stack.queryd.peer.fetch(path, { headers });
const query = (fields: Record<string, string>) => `?${new URLSearchParams(fields)}`;

test("a statement gives what it gives in a body, in the format that is named", async () => {
  const sql = "SELECT id, name FROM jobs WHERE id < 2 ORDER BY id";
  const csv = await get(`/sql${query({ sql, format: "csv" })}`);
  expect([csv.headers.get("content-type"), await csv.text()]).toEqual([
    expect.stringContaining("text/csv"),
    "id,name\n0,n0\n1,n1\n",
  ]);
  const json = await get(`/sql${query({ sql })}`);
  expect(await json.text()).toBe(await (await stack.sql(sql)).text());
  const parquet = await (await get(`/sql${query({ sql, format: "parquet" })}`)).bytes();
  expect(new TextDecoder().decode(parquet.slice(0, 4))).toBe("PAR1");
});

test("a dataset as a file, with columns, rows and an order that are asked for", async () => {
  expect(await (await get("/datasets/jobs.csv?columns=id,name&limit=2&order=id")).text()).toBe(
    "id,name\n0,n0\n1,n1\n",
  );
  const asked = query({ columns: "name", where: "is_open -- even", order: "id desc" });
  expect(await (await get(`/datasets/jobs.json${asked}`)).json()).toEqual([
    { name: "n4" },
    { name: "n2" },
    { name: "n0" },
  ]);
  for (const format of ["ndjson", "arrow", "parquet"])
    expect((await get(`/datasets/jobs.${format}`)).status).toBe(200);
});

test("the etag stands for the version and the question, and is answered with 304", async () => {
  const first = await get("/datasets/jobs.csv?limit=2");
  const etag = first.headers.get("etag") ?? "";
  expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
  const again = await get("/datasets/jobs.csv?limit=2", { "if-none-match": etag });
  expect([again.status, await again.text()]).toEqual([304, ""]);
  for (const other of ["/datasets/jobs.csv?limit=3", "/datasets/jobs.json?limit=2", "/datasets/jobs.csv"])
    expect((await get(other, { "if-none-match": etag })).status).toBe(200);
  expect((await get(`/datasets/jobs.csv${query({ where: "random() > 0" })}`)).headers.get("etag")).toBeNull();
  await stack.dataset("jobs", "SELECT 9::BIGINT AS id, 'new' AS name, true AS is_open");
  const changed = await get("/datasets/jobs.csv?limit=2", { "if-none-match": etag });
  expect([changed.status, await changed.text()]).toEqual([200, expect.stringContaining("9,new")]);
  expect(await (await get("/datasets/jobs.csv?version=1&columns=id&order=id&limit=1")).text()).toBe(
    "id\n0\n",
  );
});

describe("what is no question", () => {
  test.each([
    ["/sql", 400, "sql"],
    ["/sql?sql=SELECT+1&format=xlsx", 400, "format"],
    ["/sql?sql=SELECT+1&limit=-1", 400, "limit"],
    ["/sql?sql=SELECT+1&stray=1", 400, "unknown query parameter 'stray'"],
    ["/sql?sql=DROP+TABLE+jobs", 403, "DROP"],
    ["/sql?sql=SELECT+1&format=csv&shape=full", 400, "shape"],
    ["/datasets/jobs", 404, "as jobs.csv"],
    ["/datasets/jobs.xlsx", 404, "formats are csv"],
    ["/datasets/nope.csv", 404, "nope"],
    ["/datasets/jobs.csv?version=99", 404, "99"],
    ["/datasets/jobs.csv?columns=id,,name", 400, "columns"],
    ["/datasets/jobs.csv?columns=gone", 400, "gone"],
    ["/datasets/jobs.csv?columns=id%22%20FROM%20jobs%20--", 400, "id"],
    ["/datasets/jobs.csv?order=,", 400, "order"],
    ["/datasets/jobs.csv?where=id%20%3E", 400, "where"],
    ["/datasets/jobs.csv?where=true)%20UNION%20SELECT%201,2,3%20--", 400, "where"],
    ["/datasets/jobs.csv?where=1;%20DROP%20TABLE%20jobs", 400, "where"],
    ["/datasets/jobs.csv?limit=x", 400, "limit"],
  ])("%s: %i", async (path, status, says) => {
    const response = await get(path);
    expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(says)]);
  });
});
