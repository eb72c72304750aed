/** A snapshot of spend.json has all that was counted, and damage is found and goes with the next call. */
import { afterEach, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { openSpendBook } from "../../../../workers/chatd/budget/spend-book.ts";
import { findingsOf, flipIn, restoreSnapshot } from "../../../support/durability/durable.ts";
import { keptIn } from "../../../support/durability/marked.ts";
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

const log = createLog("chatd", "info", () => {});
/** Nothing is written by the clock. */
const clock = { now: () => Date.UTC(2026, 0, 1, 12), after: () => () => {} };

test("a snapshot has what was counted, written or not, and stays what it was", async () => {
  const directory = fresh();
  const book = await openSpendBook(directory, { clock, log, ...(await keptIn(directory)) });
  const copies: string[] = [];
  const snapshots = [];
  for (let call = 1; call <= 20; call++) {
    book.add("a", { usd: 0.25, tokens: call });
    snapshots.push(await book.durable.snapshot());
  }
  for (const snapshot of snapshots) {
    const copy = fresh();
    expect(await restoreSnapshot(snapshot, copy)).toEqual(["spend.json"]);
    copies.push(copy);
  }
  for (const [at, copy] of copies.entries()) {
    const restored = await openSpendBook(copy, { clock, log, ...(await keptIn(copy)) });
    expect(restored.spent("a")).toEqual({ usd: 0.25 * (at + 1), tokens: ((at + 1) * (at + 2)) / 2 });
    expect(await findingsOf(restored.durable)).toEqual([]);
    await restored.close();
  }
  await book.close();
});

test("nothing was counted yet: nothing to keep, and nothing is wrong", async () => {
  const directory = fresh();
  const book = await openSpendBook(directory, { clock, log, ...(await keptIn(directory)) });
  expect(await restoreSnapshot(await book.durable.snapshot(), fresh())).toEqual([]);
  expect(await findingsOf(book.durable)).toEqual([]);
});

test("damage is found, and the next counted call mends it", async () => {
  const directory = fresh();
  const path = join(directory, "spend.json");
  const book = await openSpendBook(directory, { clock, log, ...(await keptIn(directory)) });
  book.add("a", { usd: 1, tokens: 10 });
  await (await book.durable.snapshot()).end();
  flipIn(path, "tokens");
  const [finding] = await findingsOf(book.durable);
  expect(finding).toMatchObject({ severity: "damage", place: "chatd/spend.json" });
  book.add("a", { usd: 1, tokens: 10 });
  await (await book.durable.snapshot()).end();
  expect(await findingsOf(book.durable)).toEqual([]);
  expect(book.spent("a")).toEqual({ usd: 2, tokens: 20 });
});

test("a file of a newer format is told", async () => {
  const directory = fresh();
  const book = await openSpendBook(directory, { clock, log, ...(await keptIn(directory)) });
  const body = JSON.stringify({ version: 99, day: "2026-01-01", spent: {} });
  writeFileSync(join(directory, "spend.json"), JSON.stringify({ crc32: Bun.hash.crc32(body), body }));
  expect((await findingsOf(book.durable)).map(({ problem }) => problem).join()).toContain("format 99");
});
