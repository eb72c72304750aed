/** What storaged refuses, and how: one row a mistake. Every row also shows that nothing was stored. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { storaged } from "../../../workers/storaged/contract.ts";
import { createStoraged } from "../../../workers/storaged/service.ts";
import { type ApiCase, refused, runCases } from "../../support/clients/api-case.ts";
import {
  configWith,
  type InProcess,
  startInProcess,
  temporaryDirectory,
} from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("storaged");
const limit = 1000;
let service: InProcess<typeof storaged>;

beforeAll(async () => {
  const config = configWith({
    data_dir: directory.path,
    storaged: { max_put_bytes: limit, max_put_bytes_by_prefix: { "vectors/": 2000, "vectors/small/": 10 } },
    buckets: { primary: { kind: "local" }, cold: { kind: "local" } },
  });
  service = await startInProcess({ contract: storaged, create: createStoraged }, { config, peers: {} });
  for (const key of ["kept", "folder/inner"]) {
    await service.peer.verbs.write({ key, bytes: new TextEncoder().encode("0123456789") });
  }
});
afterAll(async () => {
  await service.stop();
  directory.remove();
});

const put = (key: string, more: Partial<ApiCase> = {}): Omit<ApiCase, "name" | "status"> => ({
  method: "PUT",
  path: `/storage/put/${key}`,
  body: "body",
  ...more,
});
const get = (key: string, more: Partial<ApiCase> = {}): Omit<ApiCase, "name" | "status"> => ({
  path: `/storage/get/${key}`,
  ...more,
});
const remove = (key: string, more: Partial<ApiCase> = {}): Omit<ApiCase, "name" | "status"> => ({
  method: "DELETE",
  path: `/storage/delete/${key}`,
  ...more,
});
const chunked = (bytes: number) =>
  new ReadableStream({
    start: (controller) => {
      controller.enqueue(new Uint8Array(bytes));
      controller.close();
    },
  });
const lacks = [directory.path];

const keys: ApiCase[] = [
  refused("PUT without a key", put(""), "invalid_key", "got none"),
  refused("PUT with an empty segment", put("a//b"), "invalid_key", "empty segment"),
  refused("PUT with a leading slash", put("/a"), "invalid_key", "leading"),
  refused("PUT with an encoded leading slash", put("%2Fetc/passwd"), "invalid_key", "leading"),
  refused("PUT with a trailing slash", put("a/"), "invalid_key", "trailing"),
  refused("PUT with encoded dots", put("a%2F..%2F..%2Fb"), "invalid_key", "'..'"),
  refused("PUT with '..' at the end", put("a%2F.."), "invalid_key", "'..'"),
  refused("PUT with '.'", put("a%2F.%2Fb"), "invalid_key", "'.'"),
  refused("PUT with NUL", put("a%00b"), "invalid_key", "NUL"),
  refused("PUT with a newline", put("a%0Ab"), "invalid_key", "control"),
  refused("PUT with DEL", put("a%7Fb"), "invalid_key", "control"),
  refused("PUT with 1025 bytes of key", put("k".repeat(1025)), "invalid_key", "got 1025"),
  refused("PUT with 1026 bytes in 342 characters", put("%E6%96%87".repeat(342)), "invalid_key", "got 1026"),
  refused("PUT with a segment no disk takes", put("s".repeat(256)), "invalid_key", "at most 255 bytes"),
  refused("PUT under the reserved prefix", put(".lakehouse/meta/x"), "invalid_key", "reserved"),
  refused("GET under the reserved prefix", get(".lakehouse/format.json"), "invalid_key", "reserved"),
  refused("DELETE of the reserved folder", remove(".lakehouse"), "invalid_key", "reserved"),
  refused("a key that is not UTF-8", put("a%FFb"), "bad_request", "percent-encoded"),
  refused("half a percent code", put("a%4"), "bad_request", "percent-encoded"),
  refused("an address and another bucket", get("cold://a?bucket=primary"), "invalid_key", "give one"),
  refused("an address without a key", get("cold://"), "invalid_key"),
  refused("an address that climbs", get("cold://..%2F..%2Fx"), "invalid_key"),
];

const buckets: ApiCase[] = [
  refused("an unknown bucket", put("a?bucket=warm"), "not_found", "no bucket 'warm'", "primary, cold"),
  refused("an unknown bucket in an address", get("warm://a"), "not_found", "'warm'"),
  refused("an empty bucket name", put("a?bucket="), "invalid_field", "bucket"),
  refused("two bucket names", put("a?bucket=cold&bucket=primary"), "invalid_field", "more than once"),
  refused("an unknown query parameter", put("a?overwrite=yes"), "unknown_field", "'overwrite'", "bucket"),
  refused("an object of another bucket", get("kept?bucket=cold"), "not_found", "'kept' in bucket 'cold'"),
];

const bodies: ApiCase[] = [
  refused(
    "a body over max_put_bytes",
    put("big", { body: "x".repeat(limit + 1) }),
    "too_large",
    `at most ${limit}`,
  ),
  refused(
    "a chunked body over max_put_bytes",
    put("big", { body: chunked(limit + 1) }),
    "too_large",
    `at most ${limit}`,
  ),
  refused(
    "a body over its prefix's larger limit",
    put("vectors/x", { body: "x".repeat(2001) }),
    "too_large",
    "at most 2000",
  ),
  refused(
    "a body over its prefix's smaller limit",
    put("vectors/small/x", { body: "x".repeat(11) }),
    "too_large",
    "at most 10",
  ),
  refused(
    "a part of an object",
    put("part", { headers: { "content-range": "bytes 0-3/10" } }),
    "bad_request",
    "Content-Range",
  ),
  refused(
    "an overlong media type",
    put("typed", { headers: { "content-type": `text/${"x".repeat(300)}` } }),
    "bad_request",
    "Content-Type",
  ),
];

const conditions: ApiCase[] = [
  refused(
    "If-None-Match: * on an object",
    put("kept", { headers: { "if-none-match": "*" } }),
    "precondition_failed",
    "there is an object 'kept'",
  ),
  refused(
    "If-None-Match with an etag on a write",
    put("new", { headers: { "if-none-match": '"a"' } }),
    "bad_request",
    "If-None-Match",
    '\\"*\\"',
  ),
  refused(
    "a stale If-Match",
    put("kept", { headers: { "if-match": '"0000"' } }),
    "precondition_failed",
    "its etag is",
  ),
  refused(
    "If-Match on nothing",
    put("new", { headers: { "if-match": "*" } }),
    "precondition_failed",
    "there is no such object",
  ),
  refused(
    "a weak If-Match on a write",
    put("kept", { headers: { "if-match": 'W/"0000"' } }),
    "bad_request",
    "strong",
  ),
  refused(
    "several If-Match on a write",
    put("kept", { headers: { "if-match": '"a", "b"' } }),
    "bad_request",
    "one strong",
  ),
  refused(
    "a stale If-Match on a read",
    get("kept", { headers: { "if-match": '"0000"' } }),
    "precondition_failed",
  ),
  refused(
    "a garbled If-None-Match on a read",
    get("kept", { headers: { "if-none-match": '"a' } }),
    "bad_request",
    "If-None-Match",
  ),
  refused(
    "a stale If-Match on a delete",
    remove("kept", { headers: { "if-match": '"0000"' } }),
    "precondition_failed",
  ),
  refused(
    "an Idempotency-Key of control characters",
    put("new", { headers: { "idempotency-key": "a b" } }),
    "bad_request",
    "Idempotency-Key",
  ),
];

const objects: ApiCase[] = [
  refused("GET of nothing", get("nothing"), "not_found", "no object 'nothing' in bucket 'primary'"),
  refused("GET of a folder", get("folder"), "not_found"),
  refused("GET below an object", get("kept/below"), "not_found"),
  refused("DELETE of nothing", remove("nothing"), "not_found"),
  refused("DELETE of a folder", remove("folder"), "not_found"),
  refused("PUT below an object", put("kept/below"), "conflict", "'kept/below' and 'kept'"),
  refused("PUT over a folder", put("folder"), "conflict", "'folder/…'"),
  {
    name: "a range behind the end",
    ...get("kept", { headers: { range: "bytes=10-" } }),
    type: "range_not_satisfiable",
    contains: ["10 bytes"],
    expectHeaders: { "content-range": "bytes */10" },
  },
  refused("a range of no bytes", get("kept", { headers: { range: "bytes=-0" } }), "range_not_satisfiable"),
  refused(
    "POST to an object",
    { method: "POST", path: "/storage/put/a", body: "x" },
    "method_not_allowed",
    "PUT",
  ),
];

const lists: ApiCase[] = [
  refused("a page of none", { path: "/storage/list?page_size=0" }, "invalid_field", "page_size"),
  refused("a page over the limit", { path: "/storage/list?page_size=10001" }, "invalid_field", "page_size"),
  refused("a page size in words", { path: "/storage/list?page_size=many" }, "invalid_field", "page_size"),
  refused("a made-up page token", { path: "/storage/list?page_token=abc" }, "invalid_field", "page_token"),
  refused("another delimiter", { path: "/storage/list?delimiter=-" }, "invalid_field", "delimiter"),
  refused("a prefix that climbs", { path: "/storage/list?prefix=../" }, "invalid_key", "'..'"),
  refused("a prefix with a leading slash", { path: "/storage/list?prefix=/a" }, "invalid_key"),
  refused(
    "a prefix of storaged's own",
    { path: "/storage/list?prefix=.lakehouse/" },
    "invalid_key",
    "reserved",
  ),
  refused("a list of an unknown bucket", { path: "/storage/list?bucket=warm" }, "not_found"),
  refused(
    "a made-up token for the journal",
    { path: "/storage/errors?page_token=abc" },
    "invalid_field",
    "page_token",
  ),
];

describe("storaged refuses", () => {
  for (const rows of [keys, buckets, bodies, conditions, objects, lists]) {
    runCases(
      rows.map((row) => ({ lacks, ...row })),
      () => service.send,
    );
  }

  test("and has stored nothing of it", async () => {
    const { objects } = await service.peer.verbs.list({});
    expect(objects.map(({ key, bytes }) => [key, bytes])).toEqual([
      ["folder/inner", 10],
      ["kept", 10],
    ]);
    const staging = new Bun.Glob("**/staging/**").scanSync({ cwd: directory.path, dot: true });
    expect([...staging]).toEqual([]);
  });

  test("and keeps each refusal in the journal", async () => {
    const { errors } = await service.peer.verbs.errors({ page_size: 1000 });
    const kinds = new Set(errors.map(({ operation, type }) => `${operation} ${type}`));
    for (const kind of [
      "put invalid_key",
      "put too_large",
      "get not_found",
      "get range_not_satisfiable",
      "delete not_found",
      "put conflict",
      "list invalid_key",
    ]) {
      expect(kinds).toContain(kind);
    }
    const cold = await service.peer.verbs.errors({ bucket: "cold" });
    expect(new Set(cold.errors.map(({ bucket }) => bucket))).toEqual(new Set(["cold"]));
  });
});
