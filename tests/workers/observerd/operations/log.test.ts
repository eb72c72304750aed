/** The log in its files: what is counted is counted once, whatever a crash or a bad disk leaves. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { defaults } from "../../../../runtime/config/loading.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import {
  type Line,
  segmentName,
  segmentNumbers,
  segmentPath,
} from "../../../../workers/observerd/operations/line.ts";
import { type OperationsLog, openOperationsLog } from "../../../../workers/observerd/operations/log.ts";
import { createState, type State } from "../../../../workers/observerd/operations/state.ts";
import { keptIn, takeAsTheyAre } from "../../../support/durability/marked.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const home = temporaryDirectory("operations-log");
afterAll(home.remove);
let directories = 0;
const fresh = () => {
  const path = join(home.path, `${++directories}`);
  mkdirSync(path);
  return path;
};

interface Opened {
  log: OperationsLog;
  state: State;
  logged: Record<string, unknown>[];
  applied: Line[];
}
interface Limits {
  segmentBytes?: number;
  retainedBytes?: number;
  ringOperations?: number;
}

async function opened(directory: string, limits: Limits = {}): Promise<Opened> {
  const { segmentBytes = 1000, retainedBytes = 1e9, ringOperations = 2000 } = limits;
  const state = createState({ ...defaults().observerd, ring_operations: ringOperations });
  const logged: Record<string, unknown>[] = [];
  const applied: Line[] = [];
  const log = await openOperationsLog({
    directory,
    kept: await keptIn(directory),
    state,
    segmentBytes,
    retainedBytes,
    ringOperations,
    log: createLog("test", "debug", (line) => logged.push(JSON.parse(line))),
    onApplied: (line) => applied.push(line),
  });
  return { log, state, logged, applied };
}

let ids = 0;
const operation = (more: object = {}): Line => ({
  operation: {
    id: `id-${++ids}`,
    timestamp: "2026-01-01T00:00:00.000Z",
    source: "mcp",
    endpoint: "/v1/sql",
    success: ids % 4 !== 0,
    duration_ms: 1,
    ...more,
  },
});
const operations = (count: number) => Array.from({ length: count }, () => operation());
const seen = ({ state, log }: Opened) => ({
  stats: state.stats.read(),
  ring: state.ring.operations().map(({ id }) => id),
  clusters: state.clusters.checkpoint(),
  marks: state.marks(),
  problems: log.problems(),
});

/** A closed log of several files. */
async function filled(
  count: number,
  limits?: Limits,
): Promise<{ directory: string; before: ReturnType<typeof seen> }> {
  const directory = fresh();
  const made = await opened(directory, limits);
  for (let left = count; left > 0; left -= 5) await made.log.append(operations(Math.min(5, left)));
  await made.log.close();
  return { directory, before: seen(made) };
}
const total = ({ state }: Opened) => state.stats.read().total;

describe("files", () => {
  test("follow each other, and a start finds all as it was: totals, ring, clusters, in order", async () => {
    const { directory, before } = await filled(100);
    expect((await segmentNumbers(directory)).length).toBeGreaterThan(8);
    const again = await opened(directory);
    expect(seen(again)).toEqual(before);
    expect(before.ring.length).toBe(100);
    await again.log.close();
  });

  test("the oldest go when there are too many bytes, and the totals stay", async () => {
    const limits = { retainedBytes: 12_000, ringOperations: 10 };
    const { directory, before } = await filled(300, limits);
    const numbers = await segmentNumbers(directory);
    const bytes = numbers.map((number) => statSync(segmentPath(directory, number)).size);
    expect(numbers[0]).toBeGreaterThan(1);
    // What is written to the file at hand comes on top.
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(12_000 + 3000);
    const again = await opened(directory, limits);
    expect(seen(again)).toEqual(before);
    expect(total(again)).toBe(300);
    await again.log.close();
  });

  test("appends that come together while a file is begun are in order and all there", async () => {
    const made = await opened(fresh());
    const first = ids;
    const lines = operations(200);
    await Promise.all(lines.map((line) => made.log.append([line])));
    const order = made.applied.map(({ operation: one }) => Number(one?.id.slice(3)));
    expect(order).toEqual(Array.from({ length: 200 }, (_, at) => first + 1 + at));
    const read: string[] = [];
    for await (const { operation: one } of made.log.lines()) if (one) read.push(one.id);
    expect(read).toEqual(lines.map(({ operation: one }) => one?.id ?? ""));
    await made.log.close();
  });

  test("a file that cannot be begun leaves the one at hand in use, and is tried again", async () => {
    const directory = fresh();
    const made = await opened(directory);
    mkdirSync(segmentPath(directory, 2));
    for (let n = 0; n < 6; n++) await made.log.append(operations(5));
    expect(total(made)).toBe(30);
    expect(made.logged.some(({ msg }) => msg === "the log cannot go on in a new file")).toBe(true);
    rmSync(segmentPath(directory, 2), { recursive: true });
    await made.log.append(operations(1));
    await made.log.close();
    expect(await segmentNumbers(directory)).toEqual([1, 2]);
    const again = await opened(directory);
    expect(total(again)).toBe(31);
    await again.log.close();
  });
});

/** What the files are now was never more: as a crash leaves them, or a restore. */
const asTheyAre = async (directory: string) =>
  takeAsTheyAre(directory, (await segmentNumbers(directory)).map(segmentName));

describe("a crash", () => {
  test("at any byte of the newest file loses no whole line and counts none twice", async () => {
    const { directory } = await filled(23);
    const newest = (await segmentNumbers(directory)).at(-1) ?? 0;
    const whole = readFileSync(segmentPath(directory, newest));
    const older = (await segmentNumbers(directory)).length - 1;
    // What the files before it hold.
    let counted = 0;
    for (let number = 1; number <= older; number++)
      counted += readFileSync(segmentPath(directory, number), "utf8").split('"operation":').length - 1;
    for (let cut = 0; cut <= whole.length; cut += 9) {
      const copy = fresh();
      cpSync(directory, copy, { recursive: true });
      truncateSync(segmentPath(copy, newest), cut);
      await asTheyAre(copy);
      const again = await opened(copy);
      const own = whole.subarray(0, cut).toString().split("\n").slice(0, -1);
      const lines = own.filter((line) => line.includes('"operation":')).length;
      expect(total(again)).toBe(counted + lines);
      expect(again.state.ring.operations().length).toBe(counted + lines);
      expect(again.log.problems()).toEqual([]);
      await again.log.append(operations(1));
      await again.log.close();
      const third = await opened(copy);
      expect(total(third)).toBe(counted + lines + 1);
      await third.log.close();
    }
  });

  test("between a new file and its checkpoint changes nothing, however often", async () => {
    const { directory, before } = await filled(23);
    for (let crash = 0; crash < 3; crash++) {
      const newest = (await segmentNumbers(directory)).at(-1) ?? 0;
      const head = readFileSync(segmentPath(directory, 1), "utf8").split("\n")[0];
      writeFileSync(segmentPath(directory, newest + 1), `${head}\n`);
      await asTheyAre(directory);
      const again = await opened(directory);
      expect(seen(again)).toEqual(before);
      await again.log.close();
    }
  });

  test("before the oldest file was removed changes nothing", async () => {
    const limits = { retainedBytes: 8000, ringOperations: 5 };
    const { directory, before } = await filled(200, limits);
    const [oldest = 0] = await segmentNumbers(directory);
    cpSync(segmentPath(directory, oldest), segmentPath(directory, oldest - 1));
    const again = await opened(directory, limits);
    expect(seen(again)).toEqual(before);
    await again.log.close();
  });
});

describe("damage", () => {
  const flip = (path: string, at: number) => {
    const bytes = readFileSync(path);
    bytes[at] = (bytes[at] as number) ^ 4;
    writeFileSync(path, bytes);
  };

  test("of a line in the newest file costs that line alone, and is reported with its place", async () => {
    const { directory } = await filled(23);
    const newest = (await segmentNumbers(directory)).at(-1) ?? 0;
    const path = segmentPath(directory, newest);
    const text = readFileSync(path, "utf8");
    flip(path, text.lastIndexOf('"endpoint"') + 12);
    const again = await opened(directory);
    expect(total(again)).toBe(22);
    expect(again.log.problems()).toEqual([
      `operations-0000000${newest}.log: line ${text.split("\n").length - 1} is damaged and was left out`,
    ]);
    await again.log.close();
  });

  test("of the newest checkpoint costs nothing: the file before it is read to its end", async () => {
    const { directory, before } = await filled(23);
    const newest = (await segmentNumbers(directory)).at(-1) ?? 0;
    const path = segmentPath(directory, newest);
    flip(path, readFileSync(path).indexOf('"total"') + 2);
    const again = await opened(directory);
    const { problems, ...rest } = seen(again);
    expect(rest).toEqual({ ...before, problems: undefined } as never);
    expect(problems).toEqual([`operations-0000000${newest}.log: line 2 is damaged and was left out`]);
    await again.log.close();
    const third = await opened(directory);
    expect(total(third)).toBe(23);
    await third.log.close();
  });

  test("of an old file is reported when it is read, and the totals stay", async () => {
    const { directory, before } = await filled(50);
    flip(segmentPath(directory, 2), readFileSync(segmentPath(directory, 2)).lastIndexOf('"mcp"') + 1);
    const again = await opened(directory, { ringOperations: 5 });
    expect(again.state.stats.read()).toEqual(before.stats);
    let read = 0;
    for await (const { operation: one } of again.log.lines()) if (one) read += 1;
    expect(read).toBe(49);
    expect(again.log.problems()).toEqual([
      expect.stringMatching(/^operations-00000002\.log: line \d+ is damaged/),
      "operations before operations-00000003.log: 1 cannot be read",
    ]);
    await again.log.close();
  });

  test("a line that is missing from an old file is reported, though no checksum misses it", async () => {
    const { directory, before } = await filled(50);
    const path = segmentPath(directory, 2);
    const lines = readFileSync(path, "utf8").split("\n");
    writeFileSync(path, [...lines.slice(0, -3), ""].join("\n"));
    await asTheyAre(directory);
    const again = await opened(directory, { ringOperations: 5 });
    expect(again.state.stats.read()).toEqual(before.stats);
    for await (const _ of again.log.lines());
    expect(again.log.problems()).toEqual(["operations before operations-00000003.log: 2 cannot be read"]);
    await again.log.close();
  });

  test("of every checkpoint there is leaves what the files hold, and is reported", async () => {
    const limits = { retainedBytes: 8000, ringOperations: 5 };
    const { directory } = await filled(200, limits);
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      flip(path, readFileSync(path).indexOf('"total"') + 2);
    }
    const again = await opened(directory, limits);
    expect(total(again)).toBeGreaterThan(5);
    expect(again.log.problems()[0]).toBe(
      "operations: no checkpoint is whole, totals begin with the oldest file",
    );
    await again.log.close();
  });

  test("a file of a newer program stops the start", async () => {
    const { directory } = await filled(3);
    const path = segmentPath(directory, 1);
    const record = '{"format":"lakehouse.operations","version":2}';
    const [, ...rest] = readFileSync(path, "utf8").split("\n");
    const crc = Bun.hash.crc32(record).toString(16).padStart(8, "0");
    writeFileSync(path, [`{"crc32":"${crc}","record":${record}}`, ...rest].join("\n"));
    await expect(opened(directory)).rejects.toThrow("newer version (2)");
  });
});

test("a mark stands or falls with its operation", async () => {
  const { directory } = await filled(3);
  const made = await opened(directory, { segmentBytes: 1e6 });
  const chat = (sequence: number) => ({ chat: [{ life: "a", sequence }] });
  await made.log.append([1, 2, 3].map((sequence) => ({ ...operation(), marks: chat(sequence) })));
  await made.log.close();
  const path = segmentPath(directory, (await segmentNumbers(directory)).at(-1) ?? 0);
  const { size } = statSync(path);
  truncateSync(path, size - 5);
  await asTheyAre(directory);
  const again = await opened(directory);
  expect(total(again)).toBe(5);
  expect(again.state.marks()).toEqual(chat(2));
  await again.log.close();
});
