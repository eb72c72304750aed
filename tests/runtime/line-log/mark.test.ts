/** A log that lacks what was acknowledged, or is another one, is refused; what a kill leaves never is. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { openLineLog } from "../../../runtime/line-log/line-log.ts";
import { logDamageOf, type MarkKeeping } from "../../../runtime/line-log/mark.ts";
import { losses } from "../../support/durability/losses.ts";
import { keptIn } from "../../support/durability/marked.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("log-mark");
afterAll(home.remove);
let places = 0;
const fresh = () => join(home.path, `${++places}`);
const pathIn = (dataDir: string) => join(dataDir, "service", "test.log");

async function open(dataDir: string, kept?: MarkKeeping) {
  const path = pathIn(dataDir);
  mkdirSync(dirname(path), { recursive: true });
  const seen: number[] = [];
  const log = await openLineLog<{ n: number }>({
    path,
    format: "lakehouse.test",
    version: 1,
    kept: kept ?? (await keptIn(dirname(path))),
    replay: ({ n }) => seen.push(n),
  });
  return { log, seen };
}
type Opened = Awaited<ReturnType<typeof open>>;

/** The numbers that a start finds, as the log is now. */
async function found(dataDir: string, kept?: MarkKeeping): Promise<number[]> {
  const { log, seen } = await open(dataDir, kept);
  await log.close();
  return seen;
}

/** With the numbers 0 … 9 acknowledged; `older` is how it was when it had half of them. */
async function filled(change: (opened: Opened) => Promise<void> = async () => {}) {
  const dataDir = fresh();
  const opened = await open(dataDir);
  for (let n = 0; n < 5; n++) await opened.log.append({ n });
  const older = readFileSync(pathIn(dataDir));
  await change(opened);
  for (let n = 5; n < 10; n++) await opened.log.append({ n });
  await opened.log.close();
  return { dataDir, older };
}
const ten = Array.from({ length: 10 }, (_, n) => n);
const rewritten = (opened: Opened) => opened.log.rewrite(Array.from({ length: 100 }, (_, n) => ({ n })));

describe.each(losses)("a log $name", ({ name, inflict }) => {
  test("is refused by name, and stays as it is", async () => {
    const { dataDir, older } = await filled();
    const path = pathIn(dataDir);
    inflict(path, older);
    const left = existsSync(path) ? readFileSync(path) : undefined;
    for (let start = 0; start < 2; start++) {
      const refused = await open(dataDir).catch((cause) => cause);
      expect(logDamageOf(refused)).toEqual({
        place: "service/test.log",
        problem: expect.stringMatching(/acknowledged/),
      });
      expect(refused.message).toContain("--adopt=service/test.log");
      expect(existsSync(path) ? readFileSync(path) : undefined).toEqual(left);
    }
  });

  test("is taken as it stands when that is accepted, with a copy set aside, and then goes on", async () => {
    const { dataDir, older } = await filled();
    const path = pathIn(dataDir);
    inflict(path, older);
    const left = existsSync(path) ? readFileSync(path) : undefined;
    mkdirSync(dirname(path), { recursive: true });
    const kept = await keptIn(dirname(path), (place) => place === "service/test.log");
    const { log, seen } = await open(dataDir, kept);
    const whole = name.startsWith("cut")
      ? ten.slice(0, -1)
      : name === "swapped with an older copy"
        ? ten.slice(0, 5)
        : [];
    expect(seen).toEqual(whole);
    await log.append({ n: 77 });
    await log.close();
    expect(await found(dataDir)).toEqual([...whole, 77]);
    const copies = readdirSync(dirname(path)).filter((each) => each.startsWith("test.log.adopted-"));
    expect(copies.map((each) => readFileSync(join(dirname(path), each)))).toEqual(left ? [left] : []);
  });
});

describe("a log", () => {
  test("of before it was written anew is another one, longer or shorter", async () => {
    const { dataDir, older } = await filled(rewritten);
    writeFileSync(pathIn(dataDir), older);
    await expect(open(dataDir)).rejects.toThrow("it is another log than the one that was acknowledged");
    const long = await filled(async ({ log }) => {
      for (let n = 0; n < 1000; n++) await log.append({ n });
    });
    const longer = readFileSync(pathIn(long.dataDir));
    const again = await open(long.dataDir);
    await again.log.rewrite([{ n: 1 }]);
    await again.log.close();
    expect(await found(long.dataDir)).toEqual([1]);
    writeFileSync(pathIn(long.dataDir), longer);
    await expect(open(long.dataDir)).rejects.toThrow("it is another log");
  });

  test("that went on elsewhere is known by its lines", async () => {
    const { dataDir } = await filled();
    const elsewhere = fresh();
    cpSync(dataDir, elsewhere, { recursive: true });
    for (const [place, n] of [
      [dataDir, 10],
      [elsewhere, 20],
    ] as const) {
      const { log } = await open(place);
      await log.append({ n });
      await log.close();
    }
    cpSync(pathIn(elsewhere), pathIn(dataDir));
    await expect(open(dataDir)).rejects.toThrow("are other lines than those that were acknowledged");
  });

  test("whose mark is gone is refused: nothing says how long it was", async () => {
    const { dataDir } = await filled();
    rmSync(join(dataDir, "marks"), { recursive: true });
    await expect(open(dataDir)).rejects.toThrow("its mark is gone");
  });

  test("of before there were marks is taken over, and marked from then on", async () => {
    const dataDir = fresh();
    mkdirSync(dirname(pathIn(dataDir)), { recursive: true });
    const lines = [{ format: "lakehouse.test", version: 1 }, { n: 0 }, { n: 1 }].map((record) => {
      const text = JSON.stringify(record);
      return `{"crc32":"${Bun.hash.crc32(text).toString(16).padStart(8, "0")}","record":${text}}\n`;
    });
    writeFileSync(pathIn(dataDir), lines.join(""));
    expect(await found(dataDir)).toEqual([0, 1]);
    writeFileSync(pathIn(dataDir), lines.slice(0, -1).join(""));
    await expect(open(dataDir)).rejects.toThrow("were acknowledged");
    writeFileSync(pathIn(dataDir), lines.join(""));
    const { log } = await open(dataDir);
    await log.rewrite([{ n: 2 }]);
    await log.close();
    expect(readFileSync(pathIn(dataDir), "utf8").split("\n")[0]).toContain('"log_id"');
  });

  test("with a flipped bit anywhere loses a line at most, and tells it", async () => {
    const { dataDir } = await filled();
    const whole = readFileSync(pathIn(dataDir));
    for (let at = whole.indexOf(10); at < whole.length; at += 3) {
      const copy = fresh();
      cpSync(dataDir, copy, { recursive: true });
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ 1;
      writeFileSync(pathIn(copy), bytes);
      const { log, seen } = await open(copy);
      expect(log.report.damagedCount).toBeGreaterThan(0);
      expect(seen.length).toBeGreaterThanOrEqual(8);
      await log.append({ n: 99 });
      await log.close();
      expect((await found(copy)).at(-1)).toBe(99);
    }
  });

  test("whose last line end was flipped keeps its bytes, tells the line and goes on behind it", async () => {
    const { dataDir } = await filled();
    const bytes = readFileSync(pathIn(dataDir));
    bytes[bytes.length - 1] = 11;
    writeFileSync(pathIn(dataDir), bytes);
    const { log, seen } = await open(dataDir);
    expect(seen).toEqual(ten.slice(0, -1));
    expect(log.report).toMatchObject({ damagedCount: 1, damaged: [{ line: 11, reason: "form" }] });
    expect(log.report.torn).toBeUndefined();
    await log.append({ n: 99 });
    await log.close();
    expect(readFileSync(pathIn(dataDir)).subarray(0, bytes.length)).toEqual(bytes);
    expect(await found(dataDir)).toEqual([...ten.slice(0, -1), 99]);
  });
});

describe("a kill", () => {
  test("between any two steps of opening, appending and writing anew raises no alarm and loses nothing", async () => {
    const dataDir = fresh();
    mkdirSync(dirname(pathIn(dataDir)), { recursive: true });
    const { marks } = await keptIn(dirname(pathIn(dataDir)));
    let acknowledged: number[] = [];
    const instants: { copy: string; least: number[] }[] = [];
    const instant = () => {
      const copy = fresh();
      cpSync(dataDir, copy, { recursive: true });
      instants.push({ copy, least: acknowledged });
    };
    const watched = {
      ...marks,
      set: (...mark: Parameters<typeof marks.set>) => {
        instant();
        marks.set(...mark);
        instant();
      },
      settle: async () => {
        await marks.settle();
        instant();
      },
    };
    const { log } = await open(dataDir, { marks: watched, adopted: () => false });
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 3; n++) {
        await log.append({ n });
        acknowledged = [...acknowledged, n];
        instant();
      }
      const kept = acknowledged.slice(-2);
      const anew = log.rewrite(kept.map((n) => ({ n })));
      // What stood before and what stands after are both all that there is.
      acknowledged = kept;
      await anew;
      instant();
    }
    await log.close();
    expect(instants.length).toBeGreaterThan(30);
    for (const { copy, least } of instants) {
      const seen = await found(copy);
      for (const n of least) expect(seen).toContain(n);
    }
  });

  test("leaves an unfinished line that nobody was told of: it goes", async () => {
    const { dataDir } = await filled();
    appendFileSync(pathIn(dataDir), '{"crc32":"0000');
    const { log, seen } = await open(dataDir);
    expect(seen).toEqual(ten);
    expect(log.report.torn?.bytes).toBe(14);
    await log.close();
  });

  test("before the mark of the last line leaves more than the mark knows: all of it counts", async () => {
    const { dataDir } = await filled();
    const marks = readFileSync(join(dataDir, "marks", "service.log"));
    const { log } = await open(dataDir);
    await log.append({ n: 10 });
    await log.close();
    writeFileSync(join(dataDir, "marks", "service.log"), marks);
    expect(await found(dataDir)).toEqual([...ten, 10]);
  });
});
