/** Structures whose levels are counted in one pass: what stands in texts counts nothing, however long these are. */
import { expect, test } from "bun:test";
import { nestsTooDeep } from "../../../../workers/queryd/sandbox/json-guards.ts";

const deep = "[".repeat(1000);
test.each<[string, unknown, boolean]>([
  ["brackets", deep, true],
  ["brackets in a text", `"${deep}"`, false],
  ["brackets in a long text", `"${"a".repeat(2_000_000)}${deep}"`, false],
  ["brackets behind an escaped quote", `"\\"${deep}"`, false],
  ["brackets behind escaped quotes in a text that never ends", `"${'\\"'.repeat(200_000)}${deep}`, false],
  ["brackets behind an escaped backslash and the text's end", `"\\\\"${deep}`, true],
  ["pairs of brackets", "[]".repeat(1000), false],
  ["no text", null, true],
])("%s", (_, structure, isTooDeep) => {
  expect(nestsTooDeep(structure)).toBe(isTooDeep);
});
