/** Every door that takes JSON refuses a number that would be kept as another; what is kept comes back as it came. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as arrow from "apache-arrow";
import { mounted } from "../../../api/gateway/mounted.ts";
import type { Endpoint } from "../../../runtime/contract/endpoints.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

let product: Product;
beforeAll(async () => {
  product = await startProduct();
  const made = await post("/vectors/index", '{"name":"x","dimension":1,"metric":"l2"}');
  expect(made.status).toBe(201);
});
afterAll(() => product.end());

const call = async (method: string, path: string, body: BodyInit, type = "application/json") => {
  const response = await fetch(`${product.url}/v1${path}`, {
    method,
    headers: { "content-type": type },
    body,
  });
  const text = await response.text();
  return { status: response.status, text, error: JSON.parse(text).error };
};
const post = (path: string, body: BodyInit, type?: string) => call("POST", path, body, type);

/** Documents of their own kind, whose integers have a form of their own. */
const others = new Set(["traces", "logs", "metrics"].map((signal) => `/observer/otlp/v1/${signal}`));
const takesJson = (endpoint: Endpoint): boolean =>
  endpoint.kind === "raw" ? "application/json" in (endpoint.consumes ?? {}) : "body" in endpoint;
const doors = Object.values(mounted)
  .flatMap(({ endpoints }) => Object.values(endpoints) as Endpoint[])
  .flatMap((endpoint) =>
    endpoint.kind !== "internal" && takesJson(endpoint) && !others.has(endpoint.path)
      ? (endpoint.kind === "raw" ? endpoint.methods : [endpoint.method]).map((method) => ({
          method,
          path: endpoint.path.replace(/:\w+/g, "x"),
        }))
      : [],
  );

describe("numbers that cannot be kept", () => {
  test("there are as many doors as there were", () => expect(doors.length).toBeGreaterThan(25));

  for (const { method, path } of doors)
    test(`${method} ${path}`, async () => {
      for (const literal of ["9007199254740993", "1e400", "1e-400"]) {
        const { status, error } = await call(method, path, `{"kept":{"deep":[0,${literal}]}}`);
        expect([status, error.type, error.code]).toEqual([
          400,
          ...(error.code === "invalid_value"
            ? ["invalid_request_error", "invalid_value"]
            : ["invalid_field", 400]),
        ]);
        expect(error.message).toStartWith(`kept.deep.1: ${literal} cannot be kept exactly`);
        expect(error.details).toEqual({ field: "kept.deep.1" });
      }
    });

  test("a filter in the query, and metadata as JSON inside Arrow", async () => {
    const filter = encodeURIComponent('{"n":9007199254740993}');
    const floats = new Uint8Array(Float32Array.of(1).buffer);
    const search = await post(`/vectors/index/x/search?filter=${filter}`, floats, "application/octet-stream");
    expect([search.status, search.error.message]).toEqual([400, expect.stringContaining("filter: n: 9007")]);
    const table = new arrow.Table({
      id: arrow.vectorFromArray(["a"]),
      vector: arrow.vectorFromArray([[1]], new arrow.List(new arrow.Field("v", new arrow.Float32()))),
      metadata: arrow.vectorFromArray(['{"n":[1e400]}'], new arrow.Utf8()),
    } as never);
    const added = await post(
      "/vectors/index/x/add",
      arrow.tableToIPC(table, "stream") as Uint8Array<ArrayBuffer>,
      "application/vnd.apache.arrow.stream",
    );
    expect([added.status, added.error.message]).toEqual([
      400,
      expect.stringContaining("item 0 ('a'): n.0: 1e400 cannot"),
    ]);
  });
});

test("numbers that can be kept come back as they came", async () => {
  const metadata = '{"a":9007199254740992,"b":1e+23,"c":0.1,"d":-1.5e-7,"e":5e-324,"f":3.3333333333333335}';
  const body = `{"items":[{"id":"k","vector":[1],"metadata":${metadata}}]}`;
  expect((await post("/vectors/index/x/add", body)).status).toBe(200);
  const item = await fetch(`${product.url}/v1/vectors/index/x/items/k`);
  expect(await item.text()).toContain(metadata);
});
