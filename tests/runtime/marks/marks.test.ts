import { afterAll, expect, test } from "bun:test";
import { appendFileSync, cpSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Mark, markRestored, openMarks, restored } from "../../../runtime/marks/marks.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("marks");
afterAll(directory.remove);
let places = 0;
const freshPlace = () => join(directory.path, `${++places}`);

const logged: string[] = [];
const log = createLog("marks", "debug", (line) => logged.push(line));
const open = (dataDir: string, clock: Pick<typeof systemClock, "after"> = systemClock) =>
  openMarks({ dataDir, service: "pathwayd", clock, log });
const fileOf = (dataDir: string) => join(dataDir, "marks", "pathwayd.log");
/** A clock that never comes to it: nothing is synced but by `settle`. */
const still = { after: () => () => {} };

/** The marks as a process that is killed now leaves them. */
async function atKill(dataDir: string): Promise<Map<string, Mark>> {
  const copy = freshPlace();
  cpSync(join(dataDir, "marks"), join(copy, "marks"), { recursive: true });
  const marks = await open(copy, still);
  await marks.close();
  return new Map(marks.entries());
}

test("the newest mark of each name counts, over a close as over a kill", async () => {
  const place = freshPlace();
  const marks = await open(place, still);
  for (let n = 0; n <= 20; n++) marks.set("traces.log", { bytes: n });
  marks.set("gone", { n: 1 });
  marks.remove("gone");
  marks.remove("never");
  // Nothing was synced or closed: what a killed process leaves.
  expect([...(await atKill(place))]).toEqual([["traces.log", { bytes: 20 }]]);
  await marks.close();
  const afterClose = await open(place);
  expect(afterClose.get("traces.log")).toEqual({ bytes: 20 });
  expect(afterClose.get("gone")).toBeUndefined();
  await afterClose.close();
});

test("a file cut anywhere or with any bit flipped gives earlier marks, and says so", async () => {
  const place = freshPlace();
  const marks = await open(place);
  for (let n = 1; n <= 3; n++) marks.set("a", { n });
  await marks.close();
  const whole = readFileSync(fileOf(place));
  const headEnd = whole.indexOf(10) + 1;
  const damaged = [
    ...Array.from({ length: whole.length }, (_, cut) => whole.subarray(0, cut)),
    ...Array.from({ length: whole.length - headEnd }, (_, at) => {
      const bytes = Buffer.from(whole);
      bytes[headEnd + at] = (bytes[headEnd + at] as number) ^ (1 << (at % 8));
      return bytes;
    }),
  ];
  for (const bytes of damaged) {
    writeFileSync(fileOf(place), bytes);
    logged.length = 0;
    const opened = await open(place, still);
    const { n = 0 } = (opened.get("a") ?? {}) as { n?: number };
    const lines = bytes.toString("latin1").split("\n").length - 1;
    expect(n).toBeGreaterThanOrEqual(Math.min(2, Math.max(0, lines - 2)));
    if (bytes.length === whole.length || bytes.at(-1) !== 10)
      expect(logged.length).toBe(bytes.length ? 1 : 0);
    opened.set("a", { n: 4 });
    await opened.close();
    const again = await open(place, still);
    expect(again.get("a")).toEqual({ n: 4 });
    await again.close();
  }
});

test("a file that has grown is written anew, and no mark is missing meanwhile", async () => {
  const place = freshPlace();
  const marks = await open(place, still);
  marks.set("other", { kept: true });
  const text = "x".repeat(1000);
  for (let n = 0; n < 3000; n++) marks.set("a", { n, text });
  expect(statSync(fileOf(place)).size).toBeGreaterThan(3_000_000);
  const settled = marks.settle();
  for (let n = 3000; n < 3500; n++) {
    marks.set("a", { n, text });
    if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    if (n % 100 !== 0) continue;
    const left = await atKill(place);
    expect(left.get("a")?.n).toBe(n);
    expect(left.get("other")).toEqual({ kept: true });
  }
  await settled;
  await marks.settle();
  marks.set("a", { n: 3500 });
  expect((await atKill(place)).get("a")).toEqual({ n: 3500 });
  expect(statSync(fileOf(place)).size).toBeLessThan(1_500_000);
  await marks.close();
});

test("marks are synced a moment after they were set, once for many", async () => {
  const due: (() => void)[] = [];
  const clock = {
    after: (_ms: number, work: () => void) => {
      due.push(work);
      return () => {};
    },
  };
  const marks = await open(freshPlace(), clock);
  for (let n = 0; n < 100; n++) marks.set("a", { n });
  expect(due.length).toBe(1);
  due.shift()?.();
  await marks.settle();
  expect(due.length).toBe(0);
  marks.set("a", { n: 100 });
  expect(due.length).toBe(1);
  await marks.close();
});

test("a newer version is refused by name", async () => {
  const place = freshPlace();
  const marks = await open(place);
  await marks.close();
  const text = readFileSync(fileOf(place), "utf8");
  const record = text.slice(text.indexOf('{"format"'), -2).replace('"version":1', '"version":2');
  const crc32 = Bun.hash.crc32(record).toString(16).padStart(8, "0");
  writeFileSync(fileOf(place), `{"crc32":"${crc32}","record":${record}}\n`);
  expect(open(place)).rejects.toThrow(/marks\/pathwayd\.log was written by a newer version \(2\)/);
});

test("a restore begins the marks of what it has put back", async () => {
  const place = freshPlace();
  const before = await open(place);
  before.set("traces.log", { bytes: 9 });
  before.set("other.log", { bytes: 9 });
  await before.close();
  await markRestored(place, "pathwayd", ["traces.log"]);
  const marks = await open(place);
  expect([...marks.entries()]).toEqual([["traces.log", restored]]);
  await marks.close();
});

test("a line that was never finished is no obstacle to those after it", async () => {
  const place = freshPlace();
  const marks = await open(place);
  marks.set("a", { n: 1 });
  await marks.close();
  appendFileSync(fileOf(place), '{"crc32":"0000');
  const again = await open(place, still);
  again.set("a", { n: 2 });
  expect((await atKill(place)).get("a")).toEqual({ n: 2 });
  await again.close();
});
