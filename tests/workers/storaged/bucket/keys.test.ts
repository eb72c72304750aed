import { describe, expect, test } from "bun:test";
import type { ServiceError } from "../../../../runtime/errors/errors.ts";
import {
  checkKey,
  checkPrefix,
  compareKeys,
  parseAddress,
} from "../../../../workers/storaged/bucket/keys.ts";

const refused = (work: () => unknown): ServiceError => {
  try {
    work();
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error("it was expected to be refused");
};

describe("keys", () => {
  const bad: [name: string, key: string, text: string][] = [
    ["nothing", "", "got none"],
    ["a leading slash", "/a", "leading"],
    ["a trailing slash", "a/", "empty segment"],
    ["an empty segment", "a//b", "empty segment"],
    ["..", "..", "'..'"],
    [".. inside", "a/../b", "'..'"],
    [".. at the end", "a/..", "'..'"],
    [".", "./a", "'.'"],
    ["NUL", "a\u0000b", "control"],
    ["a newline", "a\nb", "control"],
    ["DEL", "a\u007fb", "control"],
    ["a C1 control", "a\u0085b", "control"],
    ["half a surrogate pair", "a\ud800b", "surrogate"],
    ["1025 bytes", "k".repeat(1025), "got 1025"],
    ["1028 bytes in 344 characters", `${"文".repeat(341)}ab文`, "got 1028"],
    ["the reserved prefix", ".lakehouse/x", "reserved"],
    ["the reserved name", ".lakehouse", "reserved"],
  ];
  test.each(bad)("refuses %s", (_, key, text) => {
    const error = refused(() => checkKey(key));
    expect(error.type).toBe("invalid_key");
    expect(error.message).toContain(text);
  });

  test.each([
    "a",
    "a/b",
    "k".repeat(1024),
    "..a",
    "a..",
    "...",
    ".hidden",
    "ü/文/🏗",
    "a b+c%2F&",
    "\\",
    ".lakehouse2/x",
  ])("takes %p", (key) => expect(checkKey(key)).toBe(key));

  test("prefixes may be empty and end anywhere", () => {
    for (const prefix of ["", "a", "a/", "a/b", ".", "..", ".hid"]) expect(checkPrefix(prefix)).toBe(prefix);
    for (const prefix of ["/", "a//", "../", "a/../", ".lakehouse/", "a\u0001"]) {
      expect(refused(() => checkPrefix(prefix)).type).toBe("invalid_key");
    }
  });

  test("an address names its bucket", () => {
    expect(parseAddress("a/b")).toEqual({ bucket: "primary", key: "a/b" });
    expect(parseAddress("a/b", "cold")).toEqual({ bucket: "cold", key: "a/b" });
    expect(parseAddress("cold://a/b")).toEqual({ bucket: "cold", key: "a/b" });
    expect(parseAddress("cold://a/b", "cold")).toEqual({ bucket: "cold", key: "a/b" });
    expect(refused(() => parseAddress("cold://a/b", "warm")).message).toContain("give one");
    expect(refused(() => parseAddress("cold://../b")).type).toBe("invalid_key");
    expect(refused(() => parseAddress("cold://")).type).toBe("invalid_key");
  });

  test("order is that of the UTF-8 bytes", () => {
    const keys = [
      "",
      "a",
      "a/",
      "a-",
      "a0",
      "A",
      "é",
      "퟿",
      "\ue000",
      "￿",
      "\u{10000}",
      "\u{10ffff}",
      "z🏗a",
      "z🏗b",
    ];
    for (const a of keys) {
      for (const b of keys) {
        expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }
    }
  });
});
