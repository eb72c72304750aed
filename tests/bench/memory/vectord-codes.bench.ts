/** Counting the bits in which codes differ: processor time of a row, as it is done and by 32-bit numbers in JavaScript. */
import { expect, test } from "bun:test";
import { blockRows, differing, nearestCodes } from "../../../workers/vectord/native/hamming.ts";
import { report } from "../../support/campaigns/measure.ts";
import { seeded } from "../../support/campaigns/seeded.ts";

const rows = Number(process.env.LAKEHOUSE_BENCH_ROWS ?? 200_000);
const words = Number(process.env.LAKEHOUSE_BENCH_DIMENSION ?? 768) / 32;
const random = seeded(1);
const numbers = (count: number) => Int32Array.from({ length: count }, () => random() * 2 ** 32);
const blocks = Array.from({ length: Math.ceil(rows / blockRows) }, () => numbers(blockRows * words));
const code = numbers(words);

/** Sums of bits side by side, as in Hacker's Delight, section 5-1. */
function bitsOf(block: Int32Array, at: number): number {
  let total = 0;
  for (let word = 0; word < words; word++) {
    let bits = (code[word] as number) ^ (block[at + word] as number);
    bits = (bits - ((bits >>> 1) & 0x55555555)) | 0;
    bits = ((bits & 0x33333333) + ((bits >>> 2) & 0x33333333)) | 0;
    total = (total + (Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24)) | 0;
  }
  return total;
}

function nanosecondsOfRow(work: () => void): string {
  for (let round = 0; round < 8; round++) work();
  const before = process.cpuUsage();
  for (let round = 0; round < 10; round++) work();
  const { user, system } = process.cpuUsage(before);
  return ((1000 * (user + system)) / 10 / rows).toFixed(1);
}

test("a row of codes", () => {
  const found = new Uint32Array(blockRows);
  const inScript = (block: Int32Array) => {
    for (let row = 0; row < blockRows; row++) found[row] = bitsOf(block, row * words);
  };
  for (const block of blocks.slice(0, 2)) {
    inScript(block);
    expect(differing(code, block, blockRows)).toEqual(found);
  }
  const half = new Uint32Array(Math.ceil(rows / 32)).fill(0x5555_5555);
  const search = { code, wanted: 384, among: undefined };
  report(`vectord: codes of ${rows} x ${words * 32}, ns of processor time a row`, {
    "bits in JavaScript": nanosecondsOfRow(() => blocks.forEach(inScript)),
    "bits in WebAssembly": nanosecondsOfRow(() => {
      for (const block of blocks) differing(code, block, blockRows);
    }),
    "whole scan": nanosecondsOfRow(() => nearestCodes(blocks, rows, search)),
    "scan under a filter": nanosecondsOfRow(() => nearestCodes(blocks, rows, { ...search, among: half })),
  });
});
