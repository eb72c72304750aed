/** Chunks are their document's text, in order, within their size, by characters as SQL counts them. */
import { expect, test } from "bun:test";
import type { Block } from "../../../../workers/ingestd/document-formats/content.ts";
import { chunksOf, textOf } from "../../../../workers/ingestd/extraction/chunks.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";

const words = [
  "welder",
  "ship",
  "🌳",
  "yard.",
  "Gdańsk",
  "x".repeat(90),
  "and",
  "pipe;",
  "\u{1F469}\u200d\u{1F527}",
  "—",
];

function randomBlocks(random: () => number): Block[] {
  return Array.from({ length: 1 + Math.floor(random() * 12) }, (_, at) => {
    const isHeading = random() < 0.3;
    const length = isHeading ? 3 : 1 + Math.floor(random() ** 3 * 400);
    const text = Array.from({ length }, () => words[Math.floor(random() * words.length)]).join(
      random() < 0.2 && !isHeading ? "\n" : " ",
    );
    return {
      kind: isHeading ? ("heading" as const) : ("paragraph" as const),
      text: random() < 0.1 ? text.replaceAll(" ", "") : text,
      ...(isHeading && { level: 1 + Math.floor(random() * 3) }),
      page: 1 + Math.floor(at / 4),
    };
  });
}

test("300 documents come back from their chunks", () => {
  const random = seeded(3);
  for (let round = 0; round < 300; round++) {
    const blocks = randomBlocks(random);
    const text = textOf(blocks);
    const all = [...text];
    const division = { size: 100 + Math.floor(random() * 500), overlap: Math.floor(random() * 50) };
    const { chunks, characters } = chunksOf(blocks, division);
    expect(characters).toBe(all.length);
    let place = 0;
    for (const { start, end, text: own } of chunks) {
      expect(own).toBe(all.slice(start, end).join(""));
      expect(own.length).toBeLessThanOrEqual(division.size + division.overlap);
      expect(start > place ? all.slice(place, start).join("") : "\n\n").toBe("\n\n");
      expect(end).toBeGreaterThan(place);
      place = end;
    }
    expect(place).toBe(all.length);
  }
});

test("headings are a path, pages begin chunks, what goes on overlaps by whole words", () => {
  const long = "one two three four five six seven eight nine ten. ".repeat(8).trim();
  const { chunks } = chunksOf(
    [
      { kind: "heading", level: 1, text: "Jane", page: 1 },
      { kind: "heading", level: 2, text: "Work", page: 1 },
      { kind: "paragraph", text: long, page: 1 },
      { kind: "heading", level: 2, text: "School", page: 2 },
      { kind: "paragraph", text: "Gdańsk", page: 2 },
    ],
    { size: 200, overlap: 30 },
  );
  expect(chunks.map(({ headings, page }) => [headings.join(" > "), page])).toEqual([
    ["Jane", 1],
    ["Jane > Work", 1],
    ["Jane > Work", 1],
    ["Jane > School", 2],
  ]);
  const [, first, second] = chunks;
  expect(second?.start).toBeLessThan(first?.end ?? 0);
  expect(first?.text.endsWith("ten. ")).toBe(true);
  expect(second?.text).toStartWith("six seven eight nine ten. one two");
});
