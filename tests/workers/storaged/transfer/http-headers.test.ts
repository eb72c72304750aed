import { describe, expect, test } from "bun:test";
import { parseRange, resolveRange } from "../../../../workers/storaged/bucket/bucket.ts";
import {
  rangeApplies,
  readVerdict,
  writeConditions,
} from "../../../../workers/storaged/transfer/preconditions.ts";
import { putBytesMax } from "../../../../workers/storaged/transfer/put.ts";

describe("Range", () => {
  const rows: [header: string | null, range: ReturnType<typeof parseRange>][] = [
    [null, undefined],
    ["bytes=0-9", { first: 0, last: 9 }],
    ["Bytes=5-", { first: 5 }],
    ["bytes=-7", { suffix: 7 }],
    ["bytes=9-5", undefined],
    ["bytes=-", undefined],
    ["bytes=a-b", undefined],
    ["bytes=0-1,3-4", undefined],
    ["lines=0-1", undefined],
    ["bytes=0-99999999999999999999", undefined],
  ];
  test.each(rows)("%p", (header, range) => expect(parseRange(header)).toEqual(range));

  test("is cut to the object", () => {
    expect(resolveRange({ first: 2, last: 100 }, 10)).toEqual({ first: 2, last: 9 });
    expect(resolveRange({ suffix: 100 }, 10)).toEqual({ first: 0, last: 9 });
    expect(() => resolveRange({ first: 10 }, 10)).toThrow("has 10 bytes");
    expect(() => resolveRange({ suffix: 0 }, 10)).toThrow("outside");
    expect(() => resolveRange({ first: 0 }, 0)).toThrow("has 0 bytes");
  });
});

describe("conditions of a read", () => {
  const rows: [headers: Record<string, string>, verdict: ReturnType<typeof readVerdict>][] = [
    [{}, "send"],
    [{ "if-none-match": '"e"' }, "not_modified"],
    [{ "if-none-match": 'W/"e"' }, "not_modified"],
    [{ "if-none-match": '"x", "e"' }, "not_modified"],
    [{ "if-none-match": "*" }, "not_modified"],
    [{ "if-none-match": "e" }, "not_modified"],
    [{ "if-none-match": '"x"' }, "send"],
    [{ "if-match": '"e"' }, "send"],
    [{ "if-match": "*" }, "send"],
    [{ "if-match": 'W/"e"' }, "precondition_failed"],
    [{ "if-match": '"x"', "if-none-match": '"e"' }, "precondition_failed"],
    [{ "if-match": '"e"', "if-none-match": '"e"' }, "not_modified"],
  ];
  test.each(rows)("%p", (headers, verdict) => expect(readVerdict(new Headers(headers), "e")).toBe(verdict));

  test("If-Range sends a part of the same object only", () => {
    expect(rangeApplies(new Headers(), "e")).toBe(true);
    expect(rangeApplies(new Headers({ "if-range": '"e"' }), "e")).toBe(true);
    expect(rangeApplies(new Headers({ "if-range": 'W/"e"' }), "e")).toBe(false);
    expect(rangeApplies(new Headers({ "if-range": "Sat, 21 Nov 2026 09:24:35 GMT" }), "e")).toBe(false);
  });
});

describe("conditions of a write", () => {
  test("are read", () => {
    expect(writeConditions(new Headers())).toEqual({});
    expect(writeConditions(new Headers({ "if-match": '"e"' }))).toEqual({ ifMatch: "e" });
    expect(writeConditions(new Headers({ "if-match": "e" }))).toEqual({ ifMatch: "e" });
    expect(writeConditions(new Headers({ "if-match": "*" }))).toEqual({ ifMatch: "*" });
    expect(writeConditions(new Headers({ "if-none-match": "*" }))).toEqual({ ifNoneMatch: "*" });
  });

  test.each([
    { "if-match": '"a", "b"' },
    { "if-match": 'W/"a"' },
    { "if-match": "" },
    { "if-match": '"a' },
    { "if-none-match": '"a"' },
    { "if-none-match": "" },
  ] as Record<string, string>[])("are refused when they cannot be kept: %p", (headers) => {
    expect(() => writeConditions(new Headers(headers))).toThrow("expected");
  });
});

test("the longest prefix gives a key its limit", () => {
  const limits = { max_put_bytes: 10, max_put_bytes_by_prefix: { "v/": 20, "v/small/": 5 } };
  expect(["a", "v", "v/x", "v/small/x", "w/v/x"].map((key) => putBytesMax(key, limits))).toEqual([
    10, 10, 20, 5, 10,
  ]);
});
