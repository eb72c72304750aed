/** What storaged refuses, and how: one row a mistake. Every row also shows that nothing was stored. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { storaged } from "../../../workers/storaged/contract.ts";
import { createStoraged } from "../../../workers/storaged/service.ts";
import { type ApiCase, runCases } from "../../support/clients/api-case.ts";
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
const badKey = { type: "invalid_key" } as const;
const lacks = [directory.path];

const keys: ApiCase[] = [
  { name: "PUT without a key", ...put(""), ...badKey, contains: ["got none"] },
  { name: "PUT with an empty segment", ...put("a//b"), ...badKey, contains: ["empty segment"] },
  { name: "PUT with a leading slash", ...put("/a"), ...badKey, contains: ["leading"] },
  { name: "PUT with an encoded leading slash", ...put("%2Fetc/passwd"), ...badKey, contains: ["leading"] },
  { name: "PUT with a trailing slash", ...put("a/"), ...badKey, contains: ["trailing"] },
  { name: "PUT with encoded dots", ...put("a%2F..%2F..%2Fb"), ...badKey, contains: ["'..'"] },
  { name: "PUT with '..' at the end", ...put("a%2F.."), ...badKey, contains: ["'..'"] },
  { name: "PUT with '.'", ...put("a%2F.%2Fb"), ...badKey, contains: ["'.'"] },
  { name: "PUT with NUL", ...put("a%00b"), ...badKey, contains: ["NUL"] },
  { name: "PUT with a newline", ...put("a%0Ab"), ...badKey, contains: ["control"] },
  { name: "PUT with DEL", ...put("a%7Fb"), ...badKey, contains: ["control"] },
  { name: "PUT with 1025 bytes of key", ...put("k".repeat(1025)), ...badKey, contains: ["got 1025"] },
  {
    name: "PUT with 1026 bytes in 342 characters",
    ...put("%E6%96%87".repeat(342)),
    ...badKey,
    contains: ["got 1026"],
  },
  {
    name: "PUT with a segment no disk takes",
    ...put("s".repeat(256)),
    ...badKey,
    contains: ["at most 255 bytes"],
  },
  { name: "PUT under the reserved prefix", ...put(".lakehouse/meta/x"), ...badKey, contains: ["reserved"] },
  {
    name: "GET under the reserved prefix",
    ...get(".lakehouse/format.json"),
    ...badKey,
    contains: ["reserved"],
  },
  { name: "DELETE of the reserved folder", ...remove(".lakehouse"), ...badKey, contains: ["reserved"] },
  { name: "a key that is not UTF-8", ...put("a%FFb"), type: "bad_request", contains: ["percent-encoded"] },
  { name: "half a percent code", ...put("a%4"), type: "bad_request", contains: ["percent-encoded"] },
  {
    name: "an address and another bucket",
    ...get("cold://a?bucket=primary"),
    ...badKey,
    contains: ["give one"],
  },
  { name: "an address without a key", ...get("cold://"), ...badKey },
  { name: "an address that climbs", ...get("cold://..%2F..%2Fx"), ...badKey },
];

const buckets: ApiCase[] = [
  {
    name: "an unknown bucket",
    ...put("a?bucket=warm"),
    type: "not_found",
    contains: ["no bucket 'warm'", "primary, cold"],
  },
  { name: "an unknown bucket in an address", ...get("warm://a"), type: "not_found", contains: ["'warm'"] },
  { name: "an empty bucket name", ...put("a?bucket="), type: "invalid_field", contains: ["bucket"] },
  {
    name: "two bucket names",
    ...put("a?bucket=cold&bucket=primary"),
    type: "invalid_field",
    contains: ["more than once"],
  },
  {
    name: "an unknown query parameter",
    ...put("a?overwrite=yes"),
    type: "unknown_field",
    contains: ["'overwrite'", "bucket"],
  },
  {
    name: "an object of another bucket",
    ...get("kept?bucket=cold"),
    type: "not_found",
    contains: ["'kept' in bucket 'cold'"],
  },
];

const bodies: ApiCase[] = [
  {
    name: "a body over max_put_bytes",
    ...put("big", { body: "x".repeat(limit + 1) }),
    type: "too_large",
    contains: [`at most ${limit}`],
  },
  {
    name: "a chunked body over max_put_bytes",
    ...put("big", { body: chunked(limit + 1) }),
    type: "too_large",
    contains: [`at most ${limit}`],
  },
  {
    name: "a body over its prefix's larger limit",
    ...put("vectors/x", { body: "x".repeat(2001) }),
    type: "too_large",
    contains: ["at most 2000"],
  },
  {
    name: "a body over its prefix's smaller limit",
    ...put("vectors/small/x", { body: "x".repeat(11) }),
    type: "too_large",
    contains: ["at most 10"],
  },
  {
    name: "a part of an object",
    ...put("part", { headers: { "content-range": "bytes 0-3/10" } }),
    type: "bad_request",
    contains: ["Content-Range"],
  },
  {
    name: "an overlong media type",
    ...put("typed", { headers: { "content-type": `text/${"x".repeat(300)}` } }),
    type: "bad_request",
    contains: ["Content-Type"],
  },
];

const conditions: ApiCase[] = [
  {
    name: "If-None-Match: * on an object",
    ...put("kept", { headers: { "if-none-match": "*" } }),
    type: "precondition_failed",
    contains: ["there is an object 'kept'"],
  },
  {
    name: "If-None-Match with an etag on a write",
    ...put("new", { headers: { "if-none-match": '"a"' } }),
    type: "bad_request",
    contains: ["If-None-Match", '\\"*\\"'],
  },
  {
    name: "a stale If-Match",
    ...put("kept", { headers: { "if-match": '"0000"' } }),
    type: "precondition_failed",
    contains: ["its etag is"],
  },
  {
    name: "If-Match on nothing",
    ...put("new", { headers: { "if-match": "*" } }),
    type: "precondition_failed",
    contains: ["there is no such object"],
  },
  {
    name: "a weak If-Match on a write",
    ...put("kept", { headers: { "if-match": 'W/"0000"' } }),
    type: "bad_request",
    contains: ["strong"],
  },
  {
    name: "several If-Match on a write",
    ...put("kept", { headers: { "if-match": '"a", "b"' } }),
    type: "bad_request",
    contains: ["one strong"],
  },
  {
    name: "a stale If-Match on a read",
    ...get("kept", { headers: { "if-match": '"0000"' } }),
    type: "precondition_failed",
  },
  {
    name: "a garbled If-None-Match on a read",
    ...get("kept", { headers: { "if-none-match": '"a' } }),
    type: "bad_request",
    contains: ["If-None-Match"],
  },
  {
    name: "a stale If-Match on a delete",
    ...remove("kept", { headers: { "if-match": '"0000"' } }),
    type: "precondition_failed",
  },
  {
    name: "an Idempotency-Key of control characters",
    ...put("new", { headers: { "idempotency-key": "a b" } }),
    type: "bad_request",
    contains: ["Idempotency-Key"],
  },
];

const objects: ApiCase[] = [
  {
    name: "GET of nothing",
    ...get("nothing"),
    type: "not_found",
    contains: ["no object 'nothing' in bucket 'primary'"],
  },
  { name: "GET of a folder", ...get("folder"), type: "not_found" },
  { name: "GET below an object", ...get("kept/below"), type: "not_found" },
  { name: "DELETE of nothing", ...remove("nothing"), type: "not_found" },
  { name: "DELETE of a folder", ...remove("folder"), type: "not_found" },
  {
    name: "PUT below an object",
    ...put("kept/below"),
    type: "conflict",
    contains: ["'kept/below' and 'kept'"],
  },
  { name: "PUT over a folder", ...put("folder"), type: "conflict", contains: ["'folder/…'"] },
  {
    name: "a range behind the end",
    ...get("kept", { headers: { range: "bytes=10-" } }),
    type: "range_not_satisfiable",
    contains: ["10 bytes"],
    expectHeaders: { "content-range": "bytes */10" },
  },
  {
    name: "a range of no bytes",
    ...get("kept", { headers: { range: "bytes=-0" } }),
    type: "range_not_satisfiable",
  },
  {
    name: "POST to an object",
    method: "POST",
    path: "/storage/put/a",
    body: "x",
    type: "method_not_allowed",
    contains: ["PUT"],
  },
];

const lists: ApiCase[] = [
  {
    name: "a page of none",
    path: "/storage/list?page_size=0",
    type: "invalid_field",
    contains: ["page_size"],
  },
  {
    name: "a page over the limit",
    path: "/storage/list?page_size=10001",
    type: "invalid_field",
    contains: ["page_size"],
  },
  {
    name: "a page size in words",
    path: "/storage/list?page_size=many",
    type: "invalid_field",
    contains: ["page_size"],
  },
  {
    name: "a made-up page token",
    path: "/storage/list?page_token=abc",
    type: "invalid_field",
    contains: ["page_token"],
  },
  {
    name: "another delimiter",
    path: "/storage/list?delimiter=-",
    type: "invalid_field",
    contains: ["delimiter"],
  },
  { name: "a prefix that climbs", path: "/storage/list?prefix=../", type: "invalid_key", contains: ["'..'"] },
  { name: "a prefix with a leading slash", path: "/storage/list?prefix=/a", type: "invalid_key" },
  {
    name: "a prefix of storaged's own",
    path: "/storage/list?prefix=.lakehouse/",
    type: "invalid_key",
    contains: ["reserved"],
  },
  { name: "a list of an unknown bucket", path: "/storage/list?bucket=warm", type: "not_found" },
  {
    name: "a made-up token for the journal",
    path: "/storage/errors?page_token=abc",
    type: "invalid_field",
    contains: ["page_token"],
  },
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
