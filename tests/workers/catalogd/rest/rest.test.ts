/** Iceberg's REST catalog: its answers and its refusals, as rows. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Catalog, startCatalog, twoColumns } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const directory = temporaryDirectory("rest");
let catalog: Catalog;
beforeAll(async () => {
  catalog = await startCatalog(directory.path);
  for (const name of ["a", "b", "c"])
    await catalog.verbs.register({
      name,
      columns: twoColumns,
      objects: [await catalog.object(`datasets/${name}/1`)],
    });
  const columns = [{ name: "n", type: "UBIGINT", nullable: true }];
  await catalog.verbs.register({ name: "unsigned", columns, objects: [] });
});
afterAll(async () => {
  await catalog.stop();
  directory.remove();
});

const send = async (method: string, path: string, headers: Record<string, string> = {}) => {
  const body = method === "POST" ? { body: "{}" } : {};
  const response = await catalog.send(
    new Request(`http://localhost/iceberg/v1${path}`, { method, headers, ...body }),
  );
  return { status: response.status, etag: response.headers.get("etag"), text: await response.text() };
};
const main = "/main/namespaces/main";

interface Row {
  asked: string;
  status: number;
  has: string[];
}
const answers: Row[] = [
  {
    asked: "GET /config",
    status: 200,
    has: ['"overrides":{"prefix":"main"}', '"GET /v1/{prefix}/namespaces/{namespace}/tables/{table}"'],
  },
  { asked: "GET /config?warehouse=lakehouse&unknown=1", status: 200, has: [] },
  { asked: "GET /main/namespaces", status: 200, has: ['{"namespaces":[["main"]],"next-page-token":null}'] },
  {
    asked: "GET /main/namespaces?parent=main",
    status: 200,
    has: ['{"namespaces":[],"next-page-token":null}'],
  },
  { asked: `GET ${main}`, status: 200, has: ['"namespace":["main"]'] },
  { asked: `HEAD ${main}`, status: 204, has: [] },
  {
    asked: `GET ${main}/tables`,
    status: 200,
    has: ['{"namespace":["main"],"name":"a"}', '"name":"unsigned"', '"next-page-token":null'],
  },
  {
    asked: `GET ${main}/tables?pageToken=&pageSize=2`,
    status: 200,
    has: ['"name":"b"', '"next-page-token":"b"'],
  },
  {
    asked: `GET ${main}/tables?pageToken=b&pageSize=2`,
    status: 200,
    has: ['"name":"c"', '"next-page-token":null'],
  },
  {
    asked: `GET ${main}/tables/a`,
    status: 200,
    has: ['"metadata-location":"file:///', '"format-version":2', '"config":{}'],
  },
  { asked: `HEAD ${main}/tables/a`, status: 204, has: [] },
  { asked: `POST ${main}/tables/a/metrics`, status: 204, has: [] },
];
const gone = "NoSuchTableException";
const noNamespace = "NoSuchNamespaceException";
const refusals: Row[] = [
  {
    asked: "GET /config?warehouse=other",
    status: 404,
    has: ["There is no warehouse 'other'", "NotFoundException"],
  },
  { asked: "GET /other/namespaces", status: 404, has: ["There is no prefix 'other': expected main"] },
  {
    asked: "GET /main/namespaces?parent=none",
    status: 404,
    has: [noNamespace, "Namespace does not exist: none"],
  },
  { asked: "GET /main/namespaces/none", status: 404, has: [noNamespace] },
  { asked: "GET /main/namespaces/main%1Fdeep/tables", status: 404, has: [noNamespace, "main.deep"] },
  { asked: "GET /main/namespaces/a+b%2B/tables", status: 404, has: ["Namespace does not exist: a b+"] },
  { asked: "GET /main/namespaces/%ff/tables", status: 400, has: ["BadRequestException", "percent-encoded"] },
  { asked: "HEAD /main/namespaces/none", status: 404, has: [] },
  { asked: `GET ${main}/tables/none`, status: 404, has: [gone, "Table does not exist: main.none"] },
  { asked: `GET ${main}/tables/A`, status: 404, has: [gone, "there is one named 'a'"] },
  { asked: `HEAD ${main}/tables/none`, status: 404, has: [] },
  { asked: `POST ${main}/tables/none/metrics`, status: 404, has: [gone] },
  {
    asked: `GET ${main}/tables/unsigned`,
    status: 422,
    has: ["no type for 'n' UBIGINT", "UnprocessableEntityException"],
  },
  { asked: `POST ${main}/tables`, status: 403, has: ["ForbiddenException", "published for reading"] },
  { asked: `POST ${main}/tables/a`, status: 403, has: ["The table main.a is published for reading"] },
  { asked: `DELETE ${main}/tables/a?purgeRequested=true`, status: 403, has: ["The table main.a"] },
  { asked: `POST ${main}/register`, status: 403, has: ["ForbiddenException"] },
  { asked: `DELETE ${main}`, status: 403, has: ["ForbiddenException"] },
  { asked: "POST /main/tables/rename", status: 400, has: ["BadRequestException", "Expected source"] },
  { asked: "POST /main/transactions/commit", status: 400, has: ["BadRequestException", "table-changes"] },
  { asked: "GET /main/views", status: 404, has: ["No route for GET", "NotFoundException"] },
  { asked: `DELETE ${main}/tables/a/metrics`, status: 404, has: ["expected POST"] },
  { asked: "GET /oauth/tokens", status: 404, has: ["No route"] },
];

describe("answers", () => {
  test.each(answers)("$asked", async ({ asked, status, has }) => {
    const [method = "", path = ""] = asked.split(" ");
    const answer = await send(method, path);
    expect(answer).toMatchObject({ status });
    for (const text of has) expect(answer.text).toContain(text);
  });

  test("304 to whoever has the table as it is; with its references alone it has another etag", async () => {
    const { etag } = await send("GET", `${main}/tables/a`);
    const again = (path: string) => send("GET", path, { "if-none-match": `"x", ${etag}` });
    expect(await again(`${main}/tables/a`)).toMatchObject({ status: 304, etag, text: "" });
    expect(await again(`${main}/tables/a?snapshots=refs`)).toMatchObject({ status: 200 });
    await catalog.verbs.register({
      name: "a",
      columns: twoColumns,
      objects: [await catalog.object("datasets/a/2")],
    });
    const short = await again(`${main}/tables/a?snapshots=refs`);
    expect(JSON.parse(short.text).metadata.snapshots).toHaveLength(1);
    const whole = await again(`${main}/tables/a`);
    expect(whole).toMatchObject({ status: 200 });
    expect(JSON.parse(whole.text).metadata.snapshots).toHaveLength(2);
  });
});

describe("refusals, in the protocol's form", () => {
  test.each(refusals)("$asked", async ({ asked, status, has }) => {
    const [method = "", path = ""] = asked.split(" ");
    const answer = await send(method, path);
    expect(answer).toMatchObject({ status });
    for (const text of has) expect(answer.text).toContain(text);
    if (method !== "HEAD") expect(JSON.parse(answer.text).error.code).toBe(status);
  });

  test("the datasets are as they were", async () => {
    expect((await catalog.verbs.list({})).datasets.map(({ name }) => name)).toEqual([
      "a",
      "b",
      "c",
      "unsigned",
    ]);
  });
});
