import { afterAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type LineLog, openLineLog } from "../../../runtime/line-log/line-log.ts";
import { keptIn, takeAsTheyAre } from "../../support/durability/marked.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

interface Entry {
  n: number;
  text?: string;
}
const directory = temporaryDirectory("line-log");
afterAll(directory.remove);
let files = 0;
const freshPath = () => {
  const service = join(directory.path, `${++files}`, "service");
  mkdirSync(service, { recursive: true });
  return join(service, "test.log");
};
/** Writes a log that no mark speaks of yet. */
async function place(path: string, bytes: Uint8Array): Promise<void> {
  writeFileSync(path, bytes);
  await takeAsTheyAre(dirname(path), [basename(path)]);
}

async function opened(path: string, version = 1): Promise<{ log: LineLog<Entry>; seen: Entry[] }> {
  const seen: Entry[] = [];
  const log = await openLineLog<Entry>({
    path,
    format: "lakehouse.test",
    version,
    kept: await keptIn(dirname(path)),
    replay: (entry) => {
      if (entry.n < 0) throw new Error("no such entry");
      seen.push(entry);
    },
  });
  return { log, seen };
}

/** A log with the entries 0 … count-1, closed. */
async function filled(count: number): Promise<string> {
  const path = freshPath();
  const { log } = await opened(path);
  await Promise.all(Array.from({ length: count }, (_, n) => log.append({ n, text: `line ${n}\n"é"` })));
  await log.close();
  return path;
}
const numbers = (entries: Entry[]) => entries.map(({ n }) => n);

test("what was acknowledged is replayed in the order of the calls", async () => {
  const path = await filled(500);
  const { log, seen } = await opened(path);
  expect(numbers(seen)).toEqual(Array.from({ length: 500 }, (_, n) => n));
  expect(seen[7]).toEqual({ n: 7, text: 'line 7\n"é"' });
  expect(log.report).toMatchObject({ records: 500, damagedCount: 0, damaged: [] });
  expect(log.bytes()).toBe(readFileSync(path).length);
  await log.close();
  for (const line of readFileSync(path, "utf8").trim().split("\n")) JSON.parse(line);
});

test("a log cut anywhere keeps every whole line, and goes on", async () => {
  const whole = readFileSync(await filled(3));
  for (let cut = 0; cut <= whole.length; cut++) {
    const path = freshPath();
    await place(path, whole.subarray(0, cut));
    const { log, seen } = await opened(path);
    const lines = whole.subarray(0, cut).toString("latin1").split("\n").length - 1;
    expect(numbers(seen)).toEqual([0, 1, 2].slice(0, Math.max(0, lines - 1)));
    const end = whole.subarray(0, cut).lastIndexOf(10) + 1;
    expect(log.report.torn).toEqual(end < cut ? { offset: end, bytes: cut - end } : undefined);
    await log.append({ n: 9 });
    await log.close();
    const again = await opened(path);
    expect(numbers(again.seen)).toEqual([...numbers(seen), 9]);
    expect(again.log.report.torn).toBeUndefined();
    expect(again.log.report.damagedCount).toBe(0);
    await again.log.close();
  }
});

test("any flipped bit costs its line alone, and is told with its place", async () => {
  const whole = readFileSync(await filled(3));
  const starts = [0];
  for (let at = 0; at < whole.length; at++) if (whole[at] === 10) starts.push(at + 1);
  const lineAt = (at: number) => starts.findLastIndex((start) => start <= at);
  for (let at = starts[1] as number; at < whole.length; at++) {
    if (whole[at] === 10) continue;
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] as number) ^ (1 << (at % 8));
    if (bytes[at] === 10) continue;
    const path = freshPath();
    await place(path, bytes);
    const { log, seen } = await opened(path);
    const line = lineAt(at);
    expect(numbers(seen)).toEqual([0, 1, 2].filter((n) => n !== line - 1));
    expect(log.report.damaged).toEqual([
      {
        line: line + 1,
        offset: starts[line] as number,
        bytes: (starts[line + 1] as number) - (starts[line] as number),
        reason: expect.any(String) as never,
      },
    ]);
    await log.close();
  }
});

test("rewriting replaces the records, keeps what comes meanwhile, and sets damaged lines aside", async () => {
  const path = await filled(100);
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('"n":50') + 4] = 0x39;
  writeFileSync(path, bytes);
  const { log, seen } = await opened(path);
  expect(seen.length).toBe(99);
  const before = log.bytes();
  const rewriting = log.rewrite(seen.filter(({ n }) => n % 2 === 0));
  await Promise.all([rewriting, log.append({ n: 1000 })]);
  expect(log.bytes()).toBeLessThan(before);
  await log.close();
  expect(readFileSync(`${path}.damaged`, "utf8")).toContain('"n":90');
  const again = await opened(path);
  const even = Array.from({ length: 50 }, (_, at) => at * 2).filter((n) => n !== 50);
  expect(numbers(again.seen)).toEqual([...even, 1000]);
  expect(again.log.report.damagedCount).toBe(0);
  await again.log.close();
});

test("a record the reader refuses counts as damaged", async () => {
  const path = freshPath();
  const { log } = await opened(path);
  await log.append({ n: 1 });
  await log.append({ n: -1 });
  await log.close();
  const again = await opened(path);
  expect(numbers(again.seen)).toEqual([1]);
  expect(again.log.report.damaged).toMatchObject([{ line: 3, reason: "form" }]);
  await again.log.close();
});

test("another format and a newer version are refused, and nothing is changed", async () => {
  const path = await filled(1);
  const bytes = readFileSync(path);
  const kept = await keptIn(dirname(path));
  await expect(
    openLineLog({ path, format: "lakehouse.other", version: 1, kept, replay: () => {} }),
  ).rejects.toThrow("is no lakehouse.other log");
  await expect(opened(path, 0)).rejects.toThrow("newer version (1) than this one reads (0)");
  expect(readFileSync(path)).toEqual(bytes);
});

test("appends that come together share their fsyncs", async () => {
  const path = freshPath();
  const { log } = await opened(path);
  const order: number[] = [];
  await Promise.all(Array.from({ length: 200 }, (_, n) => log.append({ n }).then(() => void order.push(n))));
  expect(order).toEqual(Array.from({ length: 200 }, (_, n) => n));
  await log.close();
});
