import { expect, test } from "bun:test";
import { encodePath, encodeQuery, sign } from "../../../../workers/storaged/s3-client/connection.ts";
import { elements, keyOf, textOf } from "../../../../workers/storaged/s3-client/xml.ts";

/** The examples of Amazon's "Signature Calculations for the Authorization Header" page. */
const signer = {
  keys: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
  region: "us-east-1",
  at: Date.UTC(2013, 4, 24),
};
const url = (path: string) => new URL(`https://examplebucket.s3.amazonaws.com${path}`);
const none = new Uint8Array();

test.each([
  {
    request: { method: "GET", url: url("/test.txt"), headers: { range: "bytes=0-9" }, body: none },
    signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  },
  {
    request: {
      method: "PUT",
      url: url(`/${encodePath("test$file.text")}`),
      headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      body: new TextEncoder().encode("Welcome to Amazon S3."),
    },
    signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  },
  {
    request: { method: "GET", url: url("/?lifecycle="), headers: {}, body: none },
    signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  },
  {
    request: {
      method: "GET",
      url: url(`/?${encodeQuery({ prefix: "J", "max-keys": "2" })}`),
      headers: {},
      body: none,
    },
    signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  },
])("signs as Amazon does: $signature", ({ request, signature }) => {
  expect(sign(request, signer).authorization).toEndWith(`Signature=${signature}`);
});

test("a session token is sent and signed", () => {
  const keys = { ...signer.keys, sessionToken: "token" };
  const headers = sign({ method: "GET", url: url("/a"), headers: {}, body: none }, { ...signer, keys });
  expect(headers["x-amz-security-token"]).toBe("token");
  expect(headers.authorization).toContain("x-amz-security-token");
});

test("keys are encoded as RFC 3986 says", () => {
  expect(encodePath("a b/ü+&?#%(!*')~-_.")).toBe("a%20b/%C3%BC%2B%26%3F%23%25%28%21%2A%27%29~-_.");
});

test("listings are read with their entities and codes", () => {
  const xml =
    "<A><Contents><Key>a%2Fb+c%2B&apos;&#252;</Key></Contents><Contents><Key>d</Key></Contents></A>";
  expect(elements(xml, "Contents")).toHaveLength(2);
  expect(keyOf(elements(xml, "Key")[0] ?? "")).toBe("a/b c+'ü");
  expect(textOf(xml, "Missing")).toBeUndefined();
});
