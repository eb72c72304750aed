/** Statements that are saved under a name, and asked by it in a URL. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type QuerydStack, startQuerydStack } from "../../support/stacks/queryd.ts";

let stack: QuerydStack;
beforeAll(async () => {
  stack = await startQuerydStack();
  await stack.dataset(
    "jobs",
    "SELECT range AS id, CASE WHEN range % 2 = 0 THEN 'IL' ELSE 'WI' END AS state, DATE '2026-01-01' + range::INT AS day FROM range(6)",
  );
});
afterAll(() => stack.stop());

const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  stack.queryd.peer.fetch(path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
const openJobs = {
  sql: "SELECT id, day FROM jobs WHERE state = $state AND day >= $since ORDER BY id LIMIT $most",
  description: "Jobs of a state.",
  parameters: {
    state: { type: "text", default: "IL" },
    since: { type: "date", default: "2026-01-01" },
    most: { type: "integer", default: 10 },
  },
};

test("a saved query is asked by its name, with its defaults and with what is given", async () => {
  const saved = await send("PUT", "/queries/open_jobs", openJobs);
  expect(await saved.json()).toMatchObject({
    ...{ name: "open_jobs", version: 1, ...openJobs },
    columns: [
      { name: "id", type: "BIGINT" },
      { name: "day", type: "DATE" },
    ],
  });
  const rows = async (path: string) => (await send("GET", path)).text();
  expect(await rows("/queries/open_jobs.csv")).toBe("id,day\n0,2026-01-01\n2,2026-01-03\n4,2026-01-05\n");
  expect(await rows("/queries/open_jobs.csv?state=WI&since=2026-01-03&most=1")).toBe(
    "id,day\n3,2026-01-04\n",
  );
  expect(JSON.parse(await rows("/queries/open_jobs.json?state=it's"))).toEqual([]);
  for (const format of ["ndjson", "arrow", "parquet"])
    expect((await send("GET", `/queries/open_jobs.${format}`)).status).toBe(200);
});

test("the etag stands for the question and the versions that answer it", async () => {
  const ask = (path: string, known = "") => send("GET", path, undefined, { "if-none-match": known });
  const first = await ask("/queries/open_jobs.csv?state=WI");
  const etag = first.headers.get("etag") ?? "";
  expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
  expect((await ask("/queries/open_jobs.csv?state=WI", etag)).status).toBe(304);
  expect((await ask("/queries/open_jobs.csv?state=IL", etag)).status).toBe(200);
  expect((await ask("/queries/open_jobs.json?state=WI", etag)).status).toBe(200);
  await stack.dataset("others", "SELECT 1 AS id");
  expect((await ask("/queries/open_jobs.csv?state=WI", etag)).status).toBe(304);
  await stack.dataset("jobs", "SELECT 7::BIGINT AS id, 'WI' AS state, DATE '2026-02-01' AS day");
  expect((await ask("/queries/open_jobs.csv?state=WI", etag)).status).toBe(200);
  await send("PUT", "/queries/by_chance", { sql: "SELECT random() AS r FROM jobs" });
  expect((await ask("/queries/by_chance.csv")).headers.get("etag")).toBeNull();
});

test("versions stay to be read, the same text makes none, and a condition holds a change to one", async () => {
  const put = (sql: string, condition?: string) =>
    send("PUT", "/queries/versioned", { sql }, condition === undefined ? {} : { "if-match": condition });
  const version = async (response: Promise<Response>) =>
    ((await (await response).json()) as { version: number }).version;
  expect(await version(put("SELECT 1 AS a"))).toBe(1);
  expect(await version(put("SELECT 1 AS a"))).toBe(1);
  expect(await version(put("SELECT 2 AS a", '"1"'))).toBe(2);
  // The answer may have been lost: the same again is the same.
  expect(await version(put("SELECT 2 AS a", '"1"'))).toBe(2);
  const late = await put("SELECT 3 AS a", '"1"');
  expect([late.status, await late.text()]).toEqual([412, expect.stringContaining('its ETag is \\"2\\"')]);
  expect(await (await send("GET", "/queries/versioned.json?version=1")).json()).toEqual([{ a: 1 }]);
  expect(await version(send("GET", "/queries/versioned?version=1"))).toBe(1);
  expect((await send("GET", "/queries/versioned", undefined, { "if-none-match": '"2"' })).status).toBe(304);
  expect((await send("DELETE", "/queries/versioned", undefined, { "if-match": '"1"' })).status).toBe(412);
  expect((await send("DELETE", "/queries/versioned")).status).toBe(200);
  expect((await send("GET", "/queries/versioned.json")).status).toBe(404);
  expect(await version(put("SELECT 4 AS a"))).toBe(4);
  const list = (await (await send("GET", "/queries?page_size=2")).json()) as { queries: { name: string }[] };
  expect(list.queries.map(({ name }) => name)).toEqual(["by_chance", "open_jobs"]);
});

describe("what is no saved query", () => {
  test.each([
    ["bad-name", { sql: "SELECT 1" }, 400, "name"],
    ["q", { sql: "SELECT 1; SELECT 2" }, 400, "one statement"],
    ["q", { sql: "DROP TABLE jobs" }, 403, "DROP"],
    ["q", { sql: "SELECT * FROM read_csv('/etc/passwd')" }, 403, "read_csv"],
    ["q", { sql: "SELECT * FROM nope" }, 400, "there is no dataset 'nope'"],
    ["q", { sql: "SELECT gone FROM jobs" }, 400, "gone"],
    ["q", { sql: "SELECT $1" }, 400, "have names"],
    ["q", { sql: "SELECT $state" }, 400, "expected its type"],
    ["q", { sql: "SELECT 1", parameters: { state: { type: "text" } } }, 400, "has no $state"],
    ["q", { sql: "SELECT $version", parameters: { version: { type: "text" } } }, 400, "its own use"],
    ["q", { sql: "SELECT $n", parameters: { n: { type: "integer", default: "x" } } }, 400, "whole number"],
    ["q", { sql: "SELECT $n", parameters: { n: { type: "date", default: "2026-02-30" } } }, 400, "a day"],
    ["q", { sql: "SELECT $n", parameters: { n: { type: "money" } } }, 400, "parameters"],
    ["q", { sql: "SELECT 1", stray: 1 }, 400, "stray"],
    ["q", {}, 400, "sql"],
  ])("PUT %s %j is refused", async (name, body, status, says) => {
    const response = await send("PUT", `/queries/${name}`, body);
    expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(says)]);
  });

  test.each([
    ["/queries/open_jobs.csv?most=ten", 400, "most: expected a whole number"],
    ["/queries/open_jobs.csv?since=2026-13-01", 400, "since: expected a day"],
    ["/queries/open_jobs.csv?stat=IL", 400, "unknown query parameter 'stat'"],
    ["/queries/open_jobs.csv?state=IL&state=WI", 400, "state: given more than once"],
    ["/queries/open_jobs.csv?state=%00", 400, "state"],
    ["/queries/open_jobs.csv?version=9", 404, "version 9"],
    ["/queries/open_jobs.xlsx", 404, "formats are csv"],
    ["/queries/open_job.csv", 404, "did you mean open_jobs"],
    ["/queries/open_jobs?state=IL", 400, "open_jobs.csv"],
  ])("GET %s is refused", async (path, status, says) => {
    const response = await send("GET", path);
    expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(says)]);
  });
});
