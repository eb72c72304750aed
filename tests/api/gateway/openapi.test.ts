import { describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { gateway } from "../../../api/gateway/contract.ts";
import { mounted } from "../../../api/gateway/mounted.ts";
import { openApi } from "../../../api/gateway/openapi/document.ts";
import { docsPage } from "../../../api/gateway/openapi/page.ts";
import type { Contract } from "../../../runtime/contract/endpoints.ts";
import { durable } from "../../../runtime/worker/durable-endpoints.ts";

const document = openApi([
  gateway,
  { contract: durable, prefix: "/v1" },
  ...Object.values(mounted).map((contract) => ({ contract, prefix: "/v1" })),
]);

describe("OpenAPI", () => {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

  test("names every public endpoint of every contract, and no internal one", () => {
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const contract of [gateway, ...Object.values(mounted)]) {
      for (const [name, endpoint] of Object.entries(contract.endpoints as Contract["endpoints"])) {
        expect(ids.includes(`${contract.name}.${name}`)).toBe(endpoint.kind !== "internal");
      }
    }
  });
  test("declares every path parameter, and serialises", () => {
    for (const { path, operation } of operations) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string).sort();
      const declared = operation.parameters
        .filter((parameter) => parameter.in === "path")
        .map(({ name }) => name)
        .sort();
      expect(declared).toEqual(named);
    }
    expect(JSON.parse(JSON.stringify(document)).openapi).toBe("3.1.0");
  });
  test("its schemas are the ones that are checked", () => {
    const body = document.paths["/v1/catalog/register"]?.post?.requestBody?.content["application/json"]
      ?.schema as never;
    expect(Value.Check(body, { name: "a", columns: [], objects: [] })).toBe(false);
  });
  test("errors have the form of their endpoint", () => {
    const formOf = (path: string, method: string) => {
      const { content } = document.paths[path]?.[method]?.responses["400"] ?? {};
      return content?.["application/json"]?.schema.$ref;
    };
    expect(formOf("/v1/sql", "post")).toBe("#/components/schemas/Error");
    expect(formOf("/v1/chat/completions", "post")).toBe("#/components/schemas/OpenAiError");
    expect(formOf("/iceberg/{key}", "get")).toBe("#/components/schemas/IcebergError");
    expect(formOf("/mcp", "post")).toBe("#/components/schemas/JsonRpcError");
  });
  test("the page shows every operation and escapes what it shows", () => {
    const page = docsPage(document);
    for (const { path } of operations) expect(page).toContain(path);
    const hostile = { ...document, info: { ...document.info, title: "<script>alert(1)</script>" } };
    expect(docsPage(hostile)).not.toContain("<script>");
  });

  /** A schema that says what comes: never `{}`, which a generator makes `unknown`. */
  const isTyped = (schema: Record<string, unknown>): boolean =>
    Array.isArray(schema.anyOf)
      ? schema.anyOf.every(isTyped)
      : typeof schema.type === "string" || typeof schema.$ref === "string";

  test("every body that goes in or comes out has a type", () => {
    const untyped = operations.flatMap(({ path, method, operation }) => {
      const where = `${method} ${path}`;
      const bodies = Object.entries(operation.requestBody?.content ?? {});
      const answers = Object.entries(operation.responses);
      const answered = answers.flatMap(([status, { content }]) =>
        Object.entries(content ?? {}).map(([type, { schema }]) => [`${status} ${type}`, schema] as const),
      );
      const parts = [...bodies.map(([type, { schema }]) => [type, schema] as const), ...answered];
      return parts.filter(([, schema]) => !isTyped(schema)).map(([part]) => `${where} ${part}`);
    });
    expect(untyped).toEqual([]);
  });
  test("every operation tells its answers, those without a body too, and its errors in their form", () => {
    for (const { path, method, operation } of operations) {
      const good = Object.entries(operation.responses).filter(([status]) => status < "400");
      expect([path, good.length > 0]).toEqual([path, true]);
      for (const [status, { content, headers, description }] of Object.entries(operation.responses)) {
        expect([path, status, description.length > 3]).toEqual([path, status, true]);
        expect(headers["x-request-id"]).toBeDefined();
        const isBare = status === "204" || status === "304" || (method === "head" && status < "400");
        expect([path, status, content === undefined]).toEqual([path, status, isBare]);
      }
      for (const status of ["400", "401", "403", "431", "500", "503", "504"])
        expect(operation.responses[status]?.content?.["application/json"]?.schema.$ref).toStartWith(
          "#/components/schemas/",
        );
    }
  });
  test("says which bodies are taken: JSON with null for what is left out, forms, bytes", () => {
    const sql = document.paths["/v1/sql"]?.post?.requestBody?.content["application/json"]?.schema as never;
    for (const body of [{ sql: "x" }, { sql: "x", limit: null }, { sql: "x", params: [1] }])
      expect(Value.Check(sql, body)).toBe(true);
    for (const body of [{}, { sql: null }, { sql: "x", nonsense: 1 }])
      expect(Value.Check(sql, body)).toBe(false);
    const content = (path: string, method = "post") =>
      Object.keys(document.paths[path]?.[method]?.requestBody?.content ?? {});
    expect(content("/v1/ingest")).toContain("multipart/form-data");
    expect(content("/v1/vectors/index/{name}/add")).toEqual([
      "application/json",
      "application/vnd.apache.arrow.stream",
    ]);
    expect(content("/v1/chat/completions")).toEqual(["application/json"]);
    expect(document.servers.map(({ url }) => url)).toEqual(["/", "http://127.0.0.1:3110"]);
  });
  test("a name that no path can hold has a place in the query", () => {
    const { parameters } = document.paths["/v1/vectors/index/{name}/items"]?.get ?? { parameters: [] };
    expect(parameters.map((parameter) => [parameter.in, parameter.name, parameter.required])).toEqual([
      ["path", "name", true],
      ["query", "id", true],
    ]);
  });
});
