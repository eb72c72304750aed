/** Pipelined requests of the whole product, at the gateway and at a service's own port. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { answersOf, rawConnection } from "../../support/clients/raw-http.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";

const MiB = 1024 * 1024;
const large = new Uint8Array(20 * MiB).map((_, at) => (at * 31 + (at >> 12)) & 255);
const sha1 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha1").update(bytes).digest("hex");

let product: Product;
beforeAll(async () => {
  product = await startProduct({ flags: ["--only", "storaged,catalogd,queryd,ingestd,gateway"] });
  const put = (key: string, body: BodyInit) =>
    fetch(`${product.url}/v1/storage/put/${key}`, { method: "PUT", body });
  for (const [key, body] of [
    ["a", "first"],
    ["b", "second"],
    ["large", large],
  ] as const)
    expect((await put(key, body)).status).toBe(201);
  expect((await ingest(product.url, "name=people", "id,name\n1,Ann\n")).status).toBe(200);
});
afterAll(() => product.end());

const head = (method: string, path: string, ...headers: string[]) =>
  `${[`${method} ${path} HTTP/1.1`, "Host: localhost", ...headers].join("\r\n")}\r\n\r\n`;
const ask = async (url: string | undefined, methods: string[], ...parts: (string | Uint8Array)[]) => {
  const { hostname, port } = new URL(url ?? "");
  const { write, ended } = rawConnection(hostname, Number(port));
  for (const part of parts) write(part);
  return answersOf(await ended, methods);
};

describe.each([
  ["the gateway", () => product.url, "/v1/storage"],
  ["the service", () => product.addresses.storaged, "/storage"],
])("%s", (_, url, base) => {
  const last = head("GET", `${base}/get/b`, "Connection: close");
  test("answers two reads in one packet", async () => {
    const answers = await ask(url(), ["GET", "GET"], head("GET", `${base}/get/a`) + last);
    expect(answers.map(({ status, body }) => [status, String(body)])).toEqual([
      [200, "first"],
      [200, "second"],
    ]);
  });
  test("does what is sent one after the other, and mixes no body with the next request", async () => {
    const put = (body: string) => head("PUT", `${base}/put/turns`, `Content-Length: ${body.length}`) + body;
    const get = head("GET", `${base}/get/turns`);
    const answers = await ask(
      url(),
      ["PUT", "GET", "PUT", "HEAD", "GET", "DELETE", "GET", "GET"],
      put("one") + get + put(get),
      head("HEAD", `${base}/get/turns`) + get + head("DELETE", `${base}/delete/turns`) + get + last,
    );
    const statuses = answers.map(({ status }) => status);
    expect([201, 200]).toContain(statuses[2] as number);
    expect(statuses.toSpliced(2, 1)).toEqual([201, 200, 200, 200, 204, 404, 200]);
    expect([1, 4, 7].map((at) => String(answers[at]?.body))).toEqual(["one", get, "second"]);
  });
  test("reads and writes large objects between small requests", async () => {
    const answers = await ask(
      url(),
      ["GET", "GET", "PUT", "GET"],
      head("GET", `${base}/get/large`) + head("GET", `${base}/get/a`),
      head("PUT", `${base}/put/copy`, `Content-Length: ${large.length}`),
      large,
      last,
    );
    expect(answers.map(({ status }) => status < 300)).toEqual([true, true, true, true]);
    expect([sha1(answers[0]?.body ?? large), String(answers[1]?.body)]).toEqual([sha1(large), "first"]);
    const copy = await fetch(`${url()}${base}/get/copy`);
    expect(sha1(await copy.bytes())).toBe(sha1(large));
  });
  test("refuses what is no request in the form of all errors, and has answered what was before it", async () => {
    for (const wrong of [
      "FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
      head("GET", "/", ...Array.from({ length: 300 }, (_, at) => `X-${at}: 1`)),
    ]) {
      const [first, refused, ...more] = await ask(
        url(),
        ["GET", "GET"],
        head("GET", `${base}/get/a`) + wrong + last,
      );
      expect([String(first?.body), more]).toEqual(["first", []]);
      expect(String(refused?.body)).toMatch(/"type":"(bad_request|headers_too_large)".*"request_id":"/);
    }
  });
});

test("fifty calls of all kinds in one packet, at the gateway", async () => {
  const statement = JSON.stringify({ sql: "SELECT count(*) AS n FROM people" });
  const sql = `${head("POST", "/v1/sql", "Content-Type: application/json", `Content-Length: ${statement.length}`)}${statement}`;
  const kinds = [
    ["GET", head("GET", "/v1/catalog/manifest/people"), '"name":"people"'],
    ["POST", sql, '[{"n":1}]'],
    ["GET", head("GET", "/v1/storage/get/a"), "first"],
    ["GET", head("GET", "/v1/catalog/manifest/nobody"), '"type":"not_found"'],
    ["GET", head("GET", "/health"), '"service":"gateway"'],
  ] as const;
  const sent = Array.from({ length: 10 }, () => kinds).flat();
  const answers = await ask(
    product.url,
    [...sent.map(([method]) => method), "GET"],
    sent.map(([, text]) => text).join("") + head("GET", "/health", "Connection: close"),
  );
  expect(answers.length).toBe(51);
  for (const [at, [, , right]] of sent.entries()) expect(String(answers[at]?.body)).toContain(right);
});
