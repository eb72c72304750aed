/** The console where services are away, and who is let in: the gateway alone, which asks for a token. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { topology } from "../../../runtime/topology.ts";
import { ownAddress } from "../../support/product/addresses.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

let product: Product;
beforeAll(async () => {
  const away = Object.keys(topology).flatMap((name) =>
    name === "gateway" ? [] : [[`LH_${name.toUpperCase()}_BIND`, ownAddress()]],
  );
  const env = { ...Object.fromEntries(away), LH_AUTH_TOKEN: "let-me-in" };
  product = await startProduct({ env, flags: ["--only", "gateway"] });
});
afterAll(() => product.end());

const ask = async (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) => {
  const response = await fetch(product.url + path, { redirect: "manual", ...init, headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
};
const signIn = (token: string, headers: Record<string, string> = {}) =>
  ask(
    "/console/session",
    { "content-type": "application/x-www-form-urlencoded", ...headers },
    { method: "POST", body: new URLSearchParams({ token }) },
  );
const signedIn = { cookie: "lakehouse_token=let-me-in", "sec-fetch-site": "same-origin" };

describe("who is let in", () => {
  test.each([
    { name: "nobody without a token", headers: {}, status: 401 },
    { name: "a page of this address with the cookie", headers: signedIn, status: 200 },
    { name: "an address that was typed", headers: { ...signedIn, "sec-fetch-site": "none" }, status: 200 },
    {
      name: "no page of another site",
      headers: { ...signedIn, "sec-fetch-site": "cross-site" },
      status: 401,
    },
    { name: "no page of a neighbour", headers: { ...signedIn, "sec-fetch-site": "same-site" }, status: 401 },
    { name: "no program that says nothing of it", headers: { cookie: signedIn.cookie }, status: 401 },
    { name: "another token", headers: { ...signedIn, cookie: "lakehouse_token=wrong" }, status: 401 },
  ])("$name: $status", async ({ headers, status }) => {
    const answer = await ask("/sql", headers as Record<string, string>);
    expect(answer.status).toBe(status);
    if (status === 401) expect(answer.text).toContain('<input type="password" name="token"');
  });

  test("a token that is sent becomes a cookie which scripts do not see", async () => {
    const { status, headers } = await signIn("let-me-in", { "sec-fetch-site": "same-origin" });
    expect([status, headers.get("location")]).toEqual([303, "/"]);
    expect(headers.get("set-cookie")).toBe("lakehouse_token=let-me-in; Path=/; HttpOnly; SameSite=Strict");
    const out = await ask("/console/sign-out");
    expect(out.headers.get("set-cookie")).toContain("lakehouse_token=; ");
  });

  test.each([
    {
      name: "another site",
      token: "let-me-in",
      headers: { "sec-fetch-site": "cross-site" },
      says: "from a page of this address",
    },
    { name: "what no cookie holds", token: "a;b", headers: {}, says: "expected a token" },
    { name: "nothing", token: "", headers: {}, says: "expected a token" },
    { name: "too much", token: "x".repeat(9000), headers: {}, says: "at most" },
  ])("$name signs nobody in", async ({ token, headers, says }) => {
    const answer = await signIn(token, headers as Record<string, string>);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.text).toContain(says);
    expect(answer.headers.get("set-cookie")).toBeNull();
  });
});

describe("services are away", () => {
  test.each([
    "/",
    "/datasets",
    "/datasets/workers",
    "/search",
    "/chat",
    "/copilot",
    "/memory",
    "/memory/note",
    "/operations",
    "/system",
  ])("%s says so in the API's words, with the request", async (path) => {
    const { text, headers } = await ask(path, { ...signedIn, "x-request-id": "asked-1" });
    expect(text).toMatch(/role="alert"|class="failure"/);
    expect(text).toContain("unavailable");
    expect(text).toContain("asked-1");
    expect(text.match(/<main/g)).toHaveLength(1);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test("an asset is there without a token, and no other", async () => {
    const asset = await ask("/console/assets/page.js");
    expect([asset.status, asset.headers.get("content-type")]).toEqual([
      200,
      "text/javascript; charset=utf-8",
    ]);
    expect((await ask("/console/assets/..%2fconsole.ts")).status).toBe(404);
  });
});
