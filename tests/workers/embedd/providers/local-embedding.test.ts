/** The model by meaning: what it finds alike, its tokens against the reference's, and numbers that never change. */
import { expect, test } from "bun:test";
import { createLocalSketch, localDimension } from "../../../../workers/embedd/providers/local-embedding.ts";
import { readStaticVectors } from "../../../../workers/embedd/providers/static-vectors.ts";
import { piecesOf, wordsOfRun } from "../../../../workers/embedd/providers/word-pieces.ts";

const vectors = await readStaticVectors();
const sketches = {
  "local-3": createLocalSketch(vectors),
  "local-2": createLocalSketch(await readStaticVectors("earlier")),
};
function vectorOf(text: string, version: keyof typeof sketches = "local-3"): Float32Array {
  const sketch = sketches[version];
  for (const _ of sketch.read(text));
  const vector = new Float32Array(localDimension);
  sketch.finish(vector);
  return vector;
}
const likeness = (a: string, b: string) => {
  const other = vectorOf(b);
  return vectorOf(a).reduce((sum, value, at) => sum + value * (other[at] ?? 0), 0);
};

test.each([
  ["lawyer", "attorney at law", "welder in a shipyard"],
  ["physician", "doctor in a hospital", "driver of a delivery van"],
  ["car mechanic", "automobile repairer", "pastry cook"],
  ["fork lift driver", "forklift operator", "tax accountant"],
  ["registred nurse", "registered nurse", "payroll clerk"],
])("%s is nearer to %s than to %s", (query, right, wrong) => {
  expect(likeness(query, right)).toBeGreaterThan(likeness(query, wrong) + 0.1);
});

/** Token numbers as the `tokenizers` library 0.22 gives them for all-MiniLM-L6-v2's tokenizer.json. */
const reference: [text: string, tokens: number[]][] = [
  ["registered nurse", [5068, 6821]],
  ["C++ developer, 5+ yrs.", [1039, 1009, 1009, 9722, 1010, 1019, 1009, 1061, 2869, 1012]],
  ["\u00dcn\u00efc\u00f8d\u00e9 Stra\u00dfe", [4895, 2594, 16415, 3207, 2358, 27807]],
  ["\u65e5\u672c\u8a9e\u306e\u6587\u7ae0", [1864, 1876, 1950, 1671, 1861, 1932]],
  ["don't stop", [2123, 1005, 1056, 2644]],
  ["veterinary bacteriologist", [15651, 8670, 21162, 20282, 22522]],
  ["foo\u200bbar na\u00efve", [29379, 8237, 15743]],
  [
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    [100],
  ],
  ["$100 & <tag> ~x~ `y`", [1002, 2531, 1004, 1026, 6415, 1028, 1066, 1060, 1066, 1036, 1061, 1036]],
  ["\u0130stanbul e\u0301", [9960, 1041]],
  ["\ufb01nance \u2116 5", [1984, 7229, 3401, 1578, 1019]],
  ["tab\there\u00a0nbsp", [21628, 2182, 1050, 5910, 2361]],
  ["\ud83d\udc69\u200d\ud83c\udfed tool", [100, 6994]],
  ["x\ufffdy \u00ad z", [1060, 2100, 1062]],
];

test.each(reference)("cuts %j as the reference does", (text, tokens) => {
  const found = (text.match(/\S+/gu) ?? []).flatMap(wordsOfRun).flatMap((word) => {
    const pieces: number[] = [];
    return piecesOf(word, vectors.vocabulary, pieces) ? pieces : [100];
  });
  expect(found).toEqual(tokens);
});

/** SHA-256 of the vector's little-endian bytes: other numbers are another model, and get another version. */
test.each<[keyof typeof sketches, string, string]>([
  ["local-2", "welder", "7230b8884a019da4549f11108fbc0704"],
  ["local-2", "registered nurse, night shift", "52054edbfb9c31f0c6610ca9b1900203"],
  ["local-2", "C++ developer", "f04364ed6b965977502628cb70927715"],
  ["local-2", "Ünïcødé Straße", "441b9af5a919637053e3d551f76b4c74"],
  ["local-2", "日本語の文章", "dd1e33ab379d03e11738f4660cb3a6b7"],
  ["local-2", "!!!", "b2e24b6aaa41f2df63435199f561e012"],
  ["local-3", "welder", "4c2a6825aa79fc9a0db48c7f72410694"],
  ["local-3", "registered nurse, night shift", "aeac82c14c8317c30f2ef2340f467312"],
  ["local-3", "C++ developer", "a8f90194e780b9f88a16890e9606ab14"],
  ["local-3", "Ünïcødé Straße", "42cbf3a11e6a4e6e8f88cf9aec0567e1"],
  ["local-3", "日本語の文章", "dd1e33ab379d03e11738f4660cb3a6b7"],
  ["local-3", "!!!", "e3149b9c22e1915f76283c0038805b22"],
])("%s: the vector of %j is the one that was stored", (version, text, digest) => {
  const bytes = new Uint8Array(vectorOf(text, version).buffer);
  expect(new Bun.CryptoHasher("sha256").update(bytes).digest("hex").slice(0, 32)).toBe(digest);
});

test("a text without a known piece is its spelling, of length 1", () => {
  for (const text of ["👩‍🏭🔧", "\u{1d173}", "ᚠᚢᚦ"]) {
    const vector = vectorOf(text);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
  }
});
