/** How alike texts are spelled, and the sentences that are looked at one by one. */
import { describe, expect, test } from "bun:test";
import { charactersRead, spelledAlike } from "../../../runtime/ranking/spelling.ts";
import { sentencesOf } from "../../../workers/matrixd/ranking/sentences.ts";

describe("spelling", () => {
  const others = ["payroll clerk", "tax accountant", "pastry cook"];
  test.each([
    ["an inflection", "electricians", "electrician of a shipyard"],
    ["a slip of the pen", "registred nurse", "registered nurse"],
    ["a part of a word", "wallpaperer", "hangs wallpaper"],
    ["accents and case", "ZÜRICH", "a bank in Zürich"],
    ["signs that belong to a name", "c++ developer", "knows C++"],
  ])("%s is found", (_, query, right) => {
    const [found = 0, ...rest] = spelledAlike(query, [right, ...others]);
    expect(found).toBeGreaterThan(0.1);
    for (const other of rest) expect(found).toBeGreaterThan(other + 0.1);
  });

  test("is 1 for the same text, whatever the others, and 0 for nothing in common", () => {
    expect(spelledAlike("night shift", ["night shift", "day"])[0]).toBeCloseTo(1, 6);
    expect(spelledAlike("night shift", ["zebra", "", "!!!"])).toEqual([0, 0, 0]);
    expect(spelledAlike("!!!", ["night"])).toEqual([0]);
    expect(spelledAlike("night", [])).toEqual([]);
  });

  test("counts what few texts have more than what all have", () => {
    const texts = ["certified welder", "certified nurse", "certified clerk", "certified cook"];
    const [welder = 0, nurse = 1] = spelledAlike("certified welder", texts);
    expect(welder).toBeGreaterThan(nurse + 0.3);
  });

  test("looks at the first page alone, so that a search over long texts stays quick", () => {
    const far = `${"word ".repeat(charactersRead)} forklift`;
    expect(spelledAlike("forklift", [far])).toEqual([0]);
  });
});

describe("sentences", () => {
  test.each<[string, string, string[]]>([
    ["of prose", "Hangs wallpaper. Skills: paint, glue!", ["Hangs wallpaper.", "Skills:", "paint, glue!"]],
    ["of lines", "one\ntwo\n\n--\nthree", ["one", "two", "three"]],
    ["but not the whole again", "only one, which is the text.", []],
    ["of nothing", "", []],
  ])("%s", (_, text, sentences) => expect(sentencesOf(text)).toEqual(sentences));

  test("are at most twelve", () => expect(sentencesOf("One. ".repeat(50))).toHaveLength(12));
});
