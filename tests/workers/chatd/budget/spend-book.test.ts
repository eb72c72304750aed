/** What providers took today: kept over restarts, gone with the day, never wrong by a damaged file. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { openSpendBook } from "../../../../workers/chatd/budget/spend-book.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import { losses } from "../../../support/durability/losses.ts";
import { keptIn } from "../../../support/durability/marked.ts";
import { makeSmallDisk, mountable } from "../../../support/faults/small-disk.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const directories: { remove: () => void }[] = [];
const fresh = (): string => {
  const directory = temporaryDirectory("spend");
  directories.push(directory);
  const path = join(directory.path, "chatd");
  mkdirSync(path);
  return path;
};
afterEach(() => {
  for (const { remove } of directories.splice(0)) remove();
});

const lines: string[] = [];
const log = createLog("chatd", "info", (line) => lines.push(line));
const noon = Date.UTC(2026, 0, 1, 12);
const at = (now: { ms: number }) => ({ now: () => now.ms, after: () => () => {} });

test("sums outlive the process and end with the day", async () => {
  const directory = fresh();
  const now = { ms: noon };
  const first = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
  first.add("a", { usd: 1.5, tokens: 10 });
  first.add("a", { usd: 0.5, tokens: 5 });
  await first.close();
  const second = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
  expect(second.spent("a")).toEqual({ usd: 2, tokens: 15 });
  expect(second.spent("b")).toEqual({ usd: 0, tokens: 0 });
  now.ms += 12 * 60 * 60 * 1000;
  expect(second.spent("a")).toEqual({ usd: 0, tokens: 0 });
  await second.close();
  const third = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
  expect(third.spent("a")).toEqual({ usd: 0, tokens: 0 });
});

test("every damaged file is told and counted anew", async () => {
  const directory = fresh();
  const path = join(directory, "spend.json");
  const book = await openSpendBook(directory, { clock: at({ ms: noon }), log, ...(await keptIn(directory)) });
  book.add("a", { usd: 1, tokens: 10 });
  await book.close();
  const whole = readFileSync(path);
  for (let place = 0; place < whole.length; place++) {
    for (const bytes of [
      whole.subarray(0, place),
      Buffer.from(whole).fill((whole[place] ?? 0) ^ 1, place, place + 1),
    ]) {
      writeFileSync(path, bytes);
      lines.length = 0;
      const opened = await openSpendBook(directory, {
        clock: at({ ms: noon }),
        log,
        ...(await keptIn(directory)),
      });
      const told = lines.some((line) => line.includes("damaged"));
      expect([place, told, opened.spent("a").usd]).toEqual([place, true, 0]);
    }
  }
});

test("a newer format is refused by name", async () => {
  const directory = fresh();
  const body = JSON.stringify({ version: 2, day: "2026-01-01", spent: {} });
  writeFileSync(join(directory, "spend.json"), JSON.stringify({ crc32: Bun.hash.crc32(body), body }));
  await expect(
    openSpendBook(directory, { clock: at({ ms: noon }), log, ...(await keptIn(directory)) }),
  ).rejects.toThrow("format 2");
});

test("a clock that is set back and forward spends no day's budget twice, over a restart as well", async () => {
  const directory = fresh();
  const now = { ms: noon };
  const dayMs = 24 * 60 * 60 * 1000;
  const book = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
  book.add("a", { usd: 1, tokens: 1 });
  now.ms = noon - dayMs;
  expect(book.spent("a").usd).toBe(0);
  book.add("a", { usd: 2, tokens: 2 });
  now.ms = noon + 365 * dayMs;
  expect(book.spent("a").usd).toBe(0);
  await book.close();
  const again = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
  now.ms = noon;
  expect(again.spent("a").usd).toBe(1);
  now.ms = noon - dayMs;
  expect(again.spent("a").usd).toBe(2);
});

test.skipIf(!mountable.includes("tmpfs"))(
  "what a full disk refused is written when there is room",
  async () => {
    const disk = makeSmallDisk("tmpfs", 1024 * 1024);
    try {
      const timers: (() => void)[] = [];
      const clock = {
        now: () => noon,
        after: (_: number, work: () => void) => {
          timers.push(work);
          return () => {};
        },
      };
      const place = join(disk.path, "chatd");
      mkdirSync(place);
      const book = await openSpendBook(place, { clock, log, ...(await keptIn(place)) });
      disk.fill();
      book.add("a", { usd: 1, tokens: 1 });
      timers.shift()?.();
      while (timers.length === 0) await Bun.sleep(1);
      disk.empty();
      timers.shift()?.();
      await book.close();
      const again = await openSpendBook(place, { clock, log, ...(await keptIn(place)) });
      expect(again.spent("a").usd).toBe(1);
    } finally {
      disk.remove();
    }
  },
);

describe.each(losses.filter(({ name }) => !name.includes("record")))("spend.json $name", ({ inflict }) => {
  test("is named for the rest of that day, over starts, and then no more", async () => {
    const directory = fresh();
    const path = join(directory, "spend.json");
    const now = { ms: noon };
    const first = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
    first.add("a", { usd: 1, tokens: 10 });
    await (await first.durable.snapshot()).end();
    const older = readFileSync(path);
    first.add("a", { usd: 1, tokens: 10 });
    await first.close();
    inflict(path, older);
    mkdirSync(directory, { recursive: true });
    for (let start = 0; start < 2; start++) {
      const again = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
      expect(again.problems()).toEqual([
        expect.stringMatching(/^chatd\/spend\.json: .*--adopt=chatd\/spend/),
      ]);
      expect((await findingsOf(again.durable)).map(({ place }) => place)).toEqual(["chatd/spend.json"]);
      again.add("b", { usd: 1, tokens: 10 });
      await again.close();
    }
    const kept = await keptIn(directory, (place) => place === "chatd/spend.json");
    const accepted = await openSpendBook(directory, { clock: at(now), log, ...kept });
    expect(accepted.problems()).toEqual([]);
    await accepted.close();
    const next = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
    expect(next.problems()).toEqual([]);
    await next.close();
    now.ms += 24 * 60 * 60 * 1000;
    const later = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
    expect(later.problems()).toEqual([]);
    later.add("b", { usd: 1, tokens: 10 });
    await later.close();
    const last = await openSpendBook(directory, { clock: at(now), log, ...(await keptIn(directory)) });
    expect([last.problems(), await findingsOf(last.durable)]).toEqual([[], []]);
    await last.close();
  });
});
