/** Files that are fetched: from hosts and buckets that the operator named, and from nowhere else. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { typeOf } from "../../../../workers/ingestd/databases/columns.ts";
import { readSources } from "../../../../workers/ingestd/databases/settings.ts";
import { configWith } from "../../../support/stacks/in-process.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
const asked: string[] = [];
const files = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request) => {
    const { pathname, search } = new URL(request.url);
    asked.push(`${request.headers.get("host")} ${pathname}${search}`);
    const csv = "id,name\n1,a\n2,b\n";
    if (pathname === "/people.csv") return new Response(csv);
    if (pathname === "/packed")
      return new Response(Bun.gzipSync(csv), {
        headers: { "content-encoding": "gzip", "content-type": "text/csv" },
      });
    if (pathname === "/lines.ndjson.gz") return new Response(Bun.gzipSync('{"id":1}\n{"id":2}\n'));
    if (pathname === "/near") return Response.redirect("/people.csv", 302);
    if (pathname === "/round") return Response.redirect("/round", 302);
    if (pathname === "/far") return Response.redirect("http://127.0.0.1:1/people.csv", 302);
    if (pathname === "/large") return new Response("id\n".padEnd(100_000, "1\n"));
    if (pathname === "/form")
      return new Response("id,x\n1,y\n", { headers: { "content-type": "multipart/form-data; boundary=a" } });
    return new Response("no", { status: 404 });
  },
});
const at = `http://127.0.0.1:${files.port}`;
beforeAll(async () => {
  const url_hosts = [`127.0.0.1:${files.port}`, `localhost:${files.port}`, "127.0.0.1:1"];
  const sources = { away: { url: "postgres://reader@127.0.0.1:1/hr" } };
  stack = await startIngestStack({ url_hosts, max_ingest_bytes: 50_000, sources });
});
afterAll(async () => {
  await stack.stop();
  await files.stop(true);
});

let loads = 0;
const load = (url: string, body: BodyInit = "") =>
  stack.post(`/ingest?name=fetched_${loads++}&url=${encodeURIComponent(url)}`, body);

test.each([
  [`${at}/people.csv`, 2],
  [`${at}/people.csv?token=a&b=c`, 2],
  [`${at}/packed`, 2],
  [`${at}/lines.ndjson.gz`, 2],
  [`${at}/near`, 2],
  [`${at}/form`, 1],
])("%s is loaded as if it had been sent", async (url, rows) => {
  const { status, answer } = await load(url);
  expect([status, answer.rows_loaded]).toEqual([200, rows]);
  expect(asked.at(-1)).toStartWith(`127.0.0.1:${files.port} /`);
});

test("an object of a bucket", async () => {
  await stack.peers.storaged.fetch("/storage/put/in/box.csv", { method: "PUT", body: "id\n1\n2\n3\n" });
  expect((await load("s3://primary/in/box.csv")).answer.rows_loaded).toBe(3);
  const looked = await stack.post("/ingest/preview?url=s3://primary/in/box.csv", "");
  expect(looked.answer).toMatchObject({ format: "csv", rows_seen: 3 });
});

describe("what is not fetched", () => {
  test.each([
    ["file:///etc/passwd", 400, "expected https://"],
    ["not an address", 400, "expected https://"],
    ["ftp://127.0.0.1/x", 400, "expected https://"],
    ["http://example.com/x.csv", 400, "hosts that the operator named"],
    ["http://127.0.0.1/people.csv", 400, "hosts that the operator named"],
    [`http://me:secret@127.0.0.1:${files.port}/people.csv`, 400, "without a name and password"],
    // What a name leads to is looked at, though the name was written down.
    [`http://localhost:${files.port}/people.csv`, 400, "address of this machine"],
    ["http://127.0.0.1:1/people.csv", 503, "does not answer"],
    [`${at}/none.csv`, 422, "answered 404"],
    [`${at}/far`, 422, "another host"],
    [`${at}/round`, 422, "redirects"],
    [`${at}/large`, 413, "larger than"],
    ["s3://primary", 400, "s3://bucket/key"],
    ["s3://primary/none.csv", 422, "none.csv"],
    ["s3://nobody/x.csv", 422, "nobody"],
  ])("%s: %i", async (url, status, says) => {
    const { status: given, error } = await load(url);
    expect([given, error.message]).toEqual([status, expect.stringContaining(says)]);
    expect(error.message).not.toContain("secret");
  });
  test("a body beside it", async () => {
    const { status, error } = await load(`${at}/people.csv`, "id\n1\n");
    expect([status, error.message]).toEqual([400, expect.stringContaining("no meaning with a body")]);
  });
});

/** What PostgreSQL itself answers is tried by `bun run engines postgres-source`. */
describe("rows of a database that are not read", () => {
  test.each([
    ["source=awai&table=hr.jobs", 400, "did you mean 'away'?"],
    ["source=away", 400, "table: expected with source"],
    ["source=away&table=hr.jobs&query=SELECT 1", 400, "not both"],
    ["source=away&table=hr.jobs&delimiter=;", 400, "delimiter: no meaning with source"],
    ["source=away&table=hr.jobs&url=http://x/y", 400, "url: no meaning with source"],
    ["query=SELECT 1", 400, "query: no meaning without source"],
    ["source=away&table=hr.jobs", 503, "source 'away' does not answer"],
  ])("%s: %i", async (query, status, says) => {
    const { status: given, error } = await stack.post(`/ingest?name=fetched_${loads++}&${query}`, "");
    expect([given, error.message]).toEqual([status, expect.stringContaining(says)]);
    expect(error.message).not.toContain("127.0.0.1");
  });
  test("a body beside it", async () => {
    const { status, error } = await stack.post("/ingest?name=x&source=away&table=a.b", "id\n1\n");
    expect([status, error.message]).toEqual([400, expect.stringContaining("no meaning with a body")]);
  });
  test.each([
    [{ hr: { url: "mysql://a@b/c" } }, "[ingestd.sources.hr] url"],
    [{ hr: { url: "postgres://a:secret@b/c" } }, "it holds a password"],
    [{ Hr: { url: "postgres://a@b/c" } }, "expected a name"],
    [{ hr: { url: "postgres://a@b/c", table: "t" } }, "unknown field 'table'"],
  ])("settings that are wrong: %j", (sources, says) => {
    const read = () => readSources(configWith({ ingestd: { sources } }), { provider: () => undefined });
    expect(read).toThrow(says);
    expect(read).not.toThrow("secret@");
  });
  test.each([
    ["integer", "INTEGER"],
    ["numeric(10,2)", "DECIMAL(10,2)"],
    ["numeric(40,2)", undefined],
    ["numeric", undefined],
    ["numeric[]", "VARCHAR"],
    ["timestamp(3) without time zone", "TIMESTAMP"],
    ["timestamp with time zone", "TIMESTAMPTZ"],
    ["time with time zone", "VARCHAR"],
    ["bytea", "VARCHAR"],
    ["constructor", "VARCHAR"],
  ])("%s is %s", (type, expected) => expect(typeOf(type)).toBe(expected));
});
