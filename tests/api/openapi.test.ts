import { describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import { gateway } from "../../api/gateway/contract.ts";
import { docsPage } from "../../api/gateway/docs-page.ts";
import { openApi } from "../../api/gateway/openapi.ts";
import { mounted } from "../../api/gateway/service.ts";
import type { Contract } from "../../runtime/contract.ts";

const document = openApi([
  gateway,
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
  test("the page shows every operation and escapes what it shows", () => {
    const page = docsPage(document);
    for (const { path } of operations) expect(page).toContain(path);
    const hostile = { ...document, info: { ...document.info, title: "<script>alert(1)</script>" } };
    expect(docsPage(hostile)).not.toContain("<script>");
  });
});
