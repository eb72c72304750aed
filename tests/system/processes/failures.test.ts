/** What a client sees when a query fails in its middle, and what one process costs when a service is alone in it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { topology } from "../../../runtime/topology.ts";
import { ownAddress } from "../../support/product/addresses.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

let product: Product;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(() => product.end());

const formats = [
  "application/json",
  "application/x-ndjson",
  "text/csv",
  "application/vnd.apache.arrow.stream",
  "application/vnd.apache.parquet",
];
const failsLate =
  "SELECT i, CAST(CASE WHEN i = 5000000 THEN 'abc' ELSE '1' END AS INTEGER) AS x FROM range(10000000) t(i)";

for (const accept of formats) {
  test(`a query that fails at its 5-millionth row is an error as ${accept}`, async () => {
    // curl, because it says whether the connection or the chunked body ended as it should.
    const curl = Bun.spawn(
      [
        "curl",
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        `${product.url}/v1/sql`,
        "-H",
        `accept: ${accept}`,
        "-H",
        "content-type: application/json",
        "-d",
        JSON.stringify({ sql: failsLate }),
      ],
      { stdout: "pipe", stderr: "ignore" },
    );
    const status = await new Response(curl.stdout).text();
    const code = await curl.exited;
    expect(status === "400" || (status === "200" && code !== 0)).toBe(true);
  });
}

test("the service goes on after failures", async () => {
  expect(await sql(product.url, "SELECT 42 AS answer")).toEqual([{ answer: 42 }]);
});

test("over max_ingest_bytes: 413, nothing registered, nothing left behind", async () => {
  const home = temporaryDirectory("limit");
  const small = await startProduct({ dataDir: home.path, flags: ["--ingestd.max_ingest_bytes=1000"] });
  const response = await ingest(small.url, "name=big", `a,b\n${"1,2\n".repeat(1000)}`);
  expect(response.status).toBe(413);
  const chunked = new ReadableStream({
    start: (controller) => {
      controller.enqueue(new TextEncoder().encode(`a,b\n${"1,2\n".repeat(1000)}`));
      controller.close();
    },
  });
  const streamed = await fetch(`${small.url}/v1/ingest?name=big&format=csv`, {
    method: "POST",
    body: chunked,
    duplex: "half",
  } as RequestInit);
  expect(streamed.status).toBe(413);
  const { datasets } = (await (await fetch(`${small.url}/v1/catalog/list`)).json()) as {
    datasets: unknown[];
  };
  expect(datasets).toEqual([]);
  const { objects } = (await (await fetch(`${small.url}/v1/storage/list?prefix=datasets/`)).json()) as {
    objects: unknown[];
  };
  expect(objects).toEqual([]);
  await small.end();
  home.remove();
});

test("services in processes of their own work over HTTP with the token", async () => {
  const home = temporaryDirectory("apart");
  const behind = Object.keys(topology).filter((name) => name !== "gateway");
  const env = {
    AUTH_TOKEN: "t0ken",
    ...Object.fromEntries(behind.map((name) => [`LH_${name.toUpperCase()}_BIND`, ownAddress()])),
  };
  const data = await startProduct({ dataDir: home.path, env, flags: ["--only", "storaged,catalogd"] });
  const work = await startProduct({
    dataDir: home.path,
    env,
    flags: ["--only", behind.filter((name) => name !== "storaged" && name !== "catalogd").join(",")],
  });
  const front = await startProduct({ dataDir: home.path, env, flags: ["--only", "gateway"] });
  const auth = { authorization: "Bearer t0ken" };
  expect((await fetch(`${front.url}/v1/system`)).status).toBe(401);
  const form = new FormData();
  form.set("file", new Blob(["id,zip\n1,02134\n"]), "a.csv");
  const answer = await fetch(`${front.url}/v1/ingest?name=apart`, {
    method: "POST",
    body: form,
    headers: auth,
  });
  expect(`${answer.status} ${await answer.text()}`).toStartWith("200 ");
  const rows = await fetch(`${front.url}/v1/sql`, {
    method: "POST",
    body: '{"sql":"SELECT * FROM apart"}',
    headers: { ...auth, "content-type": "application/json" },
  });
  expect(await rows.json()).toEqual([{ id: 1, zip: "02134" }]);
  const index = { name: "apart", dimension: 2 };
  const made = await fetch(`${front.url}/v1/vectors/index`, {
    method: "POST",
    body: JSON.stringify(index),
    headers: { ...auth, "content-type": "application/json" },
  });
  expect(made.status).toBe(201);
  const system = (await (await fetch(`${front.url}/v1/system`, { headers: auth })).json()) as {
    ready: boolean;
    services: { name: string }[];
  };
  expect(system.ready).toBe(true);
  expect(system.services.map(({ name }) => name).sort()).toEqual(Object.keys(topology).sort());

  await work.end();
  const gone = await fetch(`${front.url}/v1/sql`, {
    method: "POST",
    body: '{"sql":"SELECT 1"}',
    headers: { ...auth, "content-type": "application/json" },
  });
  expect([gone.status, ((await gone.json()) as { error: { message: string } }).error.message]).toEqual([
    503,
    "queryd cannot be reached",
  ]);
  expect((await fetch(`${front.url}/v1/catalog/list`, { headers: auth })).status).toBe(200);
  await front.end();
  await data.end();
  home.remove();
});

test("HEAD tells an object's length over a socket, directly and through the gateway", async () => {
  const bytes = 3_000_000;
  await fetch(`${product.url}/v1/storage/put/head/one`, { method: "PUT", body: new Uint8Array(bytes) });
  for (const url of [
    `${product.addresses.storaged}/storage/get/head/one`,
    `${product.url}/v1/storage/get/head/one`,
  ]) {
    const response = await fetch(url, { method: "HEAD" });
    expect([response.status, response.headers.get("content-length")]).toEqual([200, String(bytes)]);
  }
});
