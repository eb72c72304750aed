/** Idempotency keys: over kills, damage, full disks, clocks that are set, files that are full. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fail } from "../../../runtime/errors/errors.ts";
import {
  type Idempotency,
  type Operation,
  openIdempotency,
} from "../../../runtime/idempotency/idempotency.ts";
import { openKeyLog } from "../../../runtime/idempotency/key-log.ts";
import { type Clock, systemClock } from "../../../runtime/scheduling/clock.ts";
import { keptIn } from "../../support/durability/marked.ts";
import { makeSmallDisk, mountable } from "../../support/faults/small-disk.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const hour = 3_600_000;
/** Marks are closed before what they are in goes. */
const leaving: (() => void)[] = [];
afterAll(() => {
  for (const leave of leaving) leave();
});
const keptOf = (path: string) => keptIn(join(path, "service"));
const open = async (
  path: string,
  clock: Pick<Clock, "now" | "elapsed">,
  log?: { warn: (msg: string) => void; error: () => void },
) => openIdempotency(path, clock, { kept: await keptOf(path), ...(log && { log }) });

async function withKeys(
  work: (keys: { now: () => Idempotency; reopen: () => Promise<void>; path: string }) => Promise<void>,
): Promise<void> {
  const home = temporaryDirectory("idempotency");
  let keys = await open(home.path, systemClock);
  const reopen = async () => {
    await keys.close();
    keys = await open(home.path, systemClock);
  };
  try {
    await work({ now: () => keys, reopen, path: home.path });
  } finally {
    await keys.close();
    leaving.push(home.remove);
  }
}

const first = (path: string) => join(path, "idempotency-1.log");

describe("a start after a run whose end nobody saw", () => {
  const cut = async () => {
    throw fail("internal", "killed");
  };
  test("work that can be resumed runs again, under the same name and told so", () =>
    withKeys(async ({ now, reopen }) => {
      const seen: Operation[] = [];
      const work = async (operation: Operation) => seen.push({ ...operation });
      const killed = now().once("a", "f", (operation) => work(operation).then(cut), { resumable: true });
      await expect(killed).rejects.toMatchObject({ type: "internal" });
      await reopen();
      expect(now().isOpen(seen[0]?.id ?? "")).toBe(true);
      await now().once("a", "f", work, { resumable: true });
      expect(seen).toMatchObject([{ again: false }, { id: seen[0]?.id, again: true }]);
      expect(await now().once("a", "f", work, { resumable: true })).toBe(2);
      expect(seen).toHaveLength(2);
      await now().settled();
      expect(now().isOpen(seen[0]?.id ?? "")).toBe(false);
    }));
  test("work that cannot find out is not done again", () =>
    withKeys(async ({ now, reopen }) => {
      let runs = 0;
      const work = async () => ++runs;
      await expect(now().once("a", "f", () => work().then(cut))).rejects.toMatchObject({ type: "internal" });
      await reopen();
      await expect(now().once("a", "f", work)).rejects.toMatchObject({
        type: "outcome_unknown",
        status: 502,
      });
      await expect(now().once("a", "other", work)).rejects.toMatchObject({ type: "idempotency_conflict" });
      expect(runs).toBe(1);
    }));
});

describe("a failure", () => {
  for (const type of ["conflict", "unavailable", "too_many_requests", "storage_full"] as const)
    test(`${type}: nothing was done, and it is tried again`, () =>
      withKeys(async ({ now, reopen }) => {
        let runs = 0;
        const work = async (operation: Operation) => {
          runs += 1;
          if (runs === 1) throw fail(type, "no");
          return operation.again;
        };
        await expect(now().once("a", "f", work)).rejects.toMatchObject({ type });
        await reopen();
        expect(await now().once("a", "f", work)).toBe(false);
      }));
  for (const type of [
    "outcome_unknown",
    "internal",
    "deadline_exceeded",
    "client_closed",
    "timeout",
  ] as const)
    test(`${type}: it may have been done, and only who can find out runs again`, () =>
      withKeys(async ({ now }) => {
        const broken = async () => {
          throw fail(type, "who knows");
        };
        await expect(now().once("a", "f", broken)).rejects.toMatchObject({ type });
        await expect(now().once("a", "f", async () => 1)).rejects.toMatchObject({ type: "outcome_unknown" });
        const resumed = now().once("a", "f", async ({ again }) => again, { resumable: true });
        expect(await resumed).toBe(true);
      }));
});

test("a run that comes after one whose end nobody saw frees nothing, whatever it says", () =>
  withKeys(async ({ now }) => {
    const broken = async () => {
      throw fail("internal", "who knows");
    };
    const starting = async () => {
      throw fail("unavailable", "the log is being read");
    };
    await expect(now().once("a", "f", broken, { resumable: true })).rejects.toMatchObject({
      type: "internal",
    });
    await expect(now().once("a", "f", starting, { resumable: true })).rejects.toMatchObject({
      type: "unavailable",
    });
    expect(await now().once("a", "f", async ({ again }) => again, { resumable: true })).toBe(true);
  }));

test("what a start found of an operation, and what was before it, is there for the next run, over starts too", () =>
  withKeys(async ({ now, reopen }) => {
    let id = "";
    const broken = async (operation: Operation) => {
      id = operation.id;
      throw fail("internal", "who knows");
    };
    const rules = { resumable: true as const, before: async () => ({ n: 7 }) };
    await expect(now().once("a", "f", broken, rules)).rejects.toMatchObject({ type: "internal" });
    await reopen();
    now().found(id, () => ({ uid: "x" }));
    now().found("another", () => expect.unreachable("nobody asks for it"));
    await now().settled();
    await reopen();
    const run = now().once("a", "f", async (operation) => operation, rules);
    expect(await run).toEqual({ id, again: true, before: { n: 7 }, found: { uid: "x" } });
  }));

test.each([undefined, "again"] as const)(
  "an answer that only its line can tell again is on the disk before it is given, resumable: %p",
  (resumable) =>
    withKeys(async ({ now, path }) => {
      // One line may be there in time by chance.
      for (let at = 0; at < 20; at++) {
        await now().once(`key ${at}`, "f", async () => `answer ${at}`, { resumable });
        expect(readFileSync(first(path), "utf8")).toContain(`"answer ${at}"`);
      }
    }),
);

test("equal requests at once share one run, another one is a conflict", () =>
  withKeys(async ({ now }) => {
    let runs = 0;
    const begun = Promise.withResolvers<void>();
    const work = async () => {
      await begun.promise;
      return ++runs;
    };
    const all = [1, 2, 3].map(() => now().once("a", "f", work));
    await expect(now().once("a", "other", work)).rejects.toMatchObject({ type: "idempotency_conflict" });
    begun.resolve();
    expect(await Promise.all(all)).toEqual([1, 1, 1]);
  }));

test("a bound key is bound over starts", () =>
  withKeys(async ({ now, reopen }) => {
    await Promise.all([now().bind("a", "x"), now().bind("a", "x")]);
    await now().bind("a", "x");
    await expect(now().bind("a", "y")).rejects.toMatchObject({ type: "idempotency_conflict" });
    await reopen();
    await now().bind("a", "x");
    await expect(now().bind("a", "y")).rejects.toMatchObject({ type: "idempotency_conflict" });
  }));

test("files that are full are followed by new ones, two are kept, and what is reserved goes on with them", async () => {
  const home = temporaryDirectory("idempotency");
  const options = { directory: home.path, clock: systemClock, fileBytesMax: 4000 };
  let keys = await openKeyLog({ ...options, kept: await keptOf(home.path) });
  const entry = (key: string, state: "reserved" | "done") => ({
    key,
    fingerprint: "f",
    operation: `o-${key}`,
    state,
    ...(state === "done" && { answer: "x".repeat(200) }),
  });
  await keys.write(entry("open", "reserved"));
  await Promise.all(Array.from({ length: 60 }, (_, n) => keys.write(entry(`k${n}`, "done"))));
  for (let n = 60; n < 120; n++) await keys.write(entry(`k${n}`, "done"));
  const check = async () => {
    expect(readdirSync(home.path).filter((name) => name.endsWith(".log"))).toHaveLength(2);
    expect(await keys.find("open")).toMatchObject({ state: "reserved", operation: "o-open" });
    expect(keys.keyOf("o-open")).toBe("open");
    expect(await keys.find("k0")).toBeUndefined();
    expect(await keys.find("k119")).toMatchObject({ state: "done", answer: "x".repeat(200) });
  };
  await check();
  await keys.close();
  keys = await openKeyLog({ ...options, kept: await keptOf(home.path) });
  await check();
  await keys.close();
  leaving.push(home.remove);
});

test("files that go while they are inspected are no damage", async () => {
  const home = temporaryDirectory("idempotency");
  const kept = await keptOf(home.path);
  const keys = await openKeyLog({ directory: home.path, clock: systemClock, fileBytesMax: 4000, kept });
  const fill = async () => {
    for (let n = 0; n < 60; n++)
      await keys.write({
        key: `${n}`,
        fingerprint: "f",
        operation: `o-${n}`,
        state: "done",
        answer: "x".repeat(200),
      });
  };
  await fill();
  const found: unknown[] = [];
  let steps = 0;
  for await (const step of keys.inspect("embedd", new AbortController().signal)) {
    if (steps++ === 0) await fill();
    if ("finding" in step) found.push(step.finding);
  }
  expect([steps > 0, found]).toEqual([true, []]);
  await keys.close();
  leaving.push(home.remove);
});

test("a damaged line is told, set aside and named until its file is deleted", async () => {
  const home = temporaryDirectory("idempotency");
  const warnings: string[] = [];
  const log = { warn: (msg: string) => void warnings.push(msg), error: () => {} };
  let keys = await open(home.path, systemClock, log);
  for (const key of ["a", "b", "c"]) await keys.once(key, "f", async () => key);
  await keys.close();
  const path = first(home.path);
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('"key":"b"') + 7] = 0x78;
  writeFileSync(path, bytes);
  keys = await open(home.path, systemClock, log);
  expect(warnings).toEqual([expect.stringContaining("were damaged")]);
  expect(keys.problems()).toEqual([expect.stringContaining("idempotency-1.log.damaged")]);
  for (const key of ["a", "c"]) expect(await keys.once(key, "f", async () => "again")).toBe(key);
  await keys.close();
  keys = await open(home.path, systemClock, log);
  expect(keys.problems()).toHaveLength(1);
  rmSync(`${path}.damaged`);
  expect(keys.problems()).toEqual([]);
  await keys.close();
  leaving.push(home.remove);
});

for (const [damage, hurt] of [
  ["cut at a line's end", (path: string) => truncateSync(path, readFileSync(path).lastIndexOf(0x0a, -2) + 1)],
  ["gone", (path: string) => rmSync(path)],
] as const)
  test(`a file that is ${damage} closes the keys, by name, and nothing runs twice`, async () => {
    const home = temporaryDirectory("idempotency");
    let keys = await open(home.path, systemClock);
    for (const key of ["a", "b"]) await keys.once(key, "f", async () => key);
    await keys.close();
    hurt(first(home.path));
    keys = await open(home.path, systemClock);
    await expect(keys.once("b", "f", async () => "again")).rejects.toMatchObject({ type: "corrupt" });
    expect(keys.problems()).toEqual([expect.stringContaining("idempotency-1.log")]);
    await keys.close();
    leaving.push(home.remove);
  });

test("a file of a newer version closes the keys, and nothing else", async () => {
  const home = temporaryDirectory("idempotency");
  const record = JSON.stringify({ format: "lakehouse.idempotency", version: 99 });
  const crc32 = Bun.hash.crc32(record).toString(16).padStart(8, "0");
  writeFileSync(first(home.path), `{"crc32":"${crc32}","record":${record}}\n`);
  const keys = await open(home.path, systemClock);
  await expect(keys.once("a", "f", async () => 1)).rejects.toMatchObject({ type: "corrupt" });
  expect(keys.problems()).toEqual([expect.stringContaining("newer version (99)")]);
  const found = await Array.fromAsync(keys.durable("pathwayd").inspect(new AbortController().signal));
  expect(found).toEqual([{ finding: expect.objectContaining({ severity: "damage", place: "pathwayd/" }) }]);
  await keys.close();
  leaving.push(home.remove);
});

test("answers of earlier versions are taken over, and their file goes", async () => {
  const home = temporaryDirectory("idempotency");
  const lineOf = (entry: object) => {
    const json = JSON.stringify(entry);
    return `${Bun.hash.xxHash64(json).toString(16).padStart(16, "0")} ${json}\n`;
  };
  const at = Date.now();
  const former = join(home.path, "idempotency.log");
  appendFileSync(former, lineOf({ key: "new", fingerprint: "f", at, answer: { n: 1 } }));
  appendFileSync(former, lineOf({ key: "old", fingerprint: "f", at: at - 25 * hour, answer: { n: 2 } }));
  appendFileSync(former, "0000000000000000 {");
  const keys = await open(home.path, systemClock);
  const work = async () => ({ n: 3 });
  expect(await keys.once("new", "f", work)).toEqual({ n: 1 });
  expect(await keys.once("old", "f", work)).toEqual({ n: 3 });
  expect(existsSync(former)).toBe(false);
  await keys.close();
  leaving.push(home.remove);
});

test.skipIf(!mountable.includes("tmpfs"))(
  "on a full disk a key cannot be reserved and nothing is done; an end that cannot be written is remembered",
  async () => {
    const disk = makeSmallDisk("tmpfs", 256 * 1024);
    try {
      let keys = await open(disk.path, systemClock);
      let runs = 0;
      const fills = async () => {
        disk.fill();
        return { run: ++runs, text: "x".repeat(10_000) };
      };
      const work = async () => ({ run: ++runs, text: "" });
      expect((await keys.once("full", "f", fills)).run).toBe(1);
      expect((await keys.once("full", "f", work)).run).toBe(1);
      // Longer than what is left of a page.
      await expect(keys.once("more", "f".repeat(5000), work)).rejects.toMatchObject({ type: "storage_full" });
      await expect(keys.once("full", "other", work)).rejects.toMatchObject({ type: "idempotency_conflict" });
      disk.empty();
      expect((await keys.once("more", "f", work)).run).toBe(2);
      await keys.close();
      keys = await open(disk.path, systemClock);
      await expect(keys.once("full", "f", work)).rejects.toMatchObject({ type: "outcome_unknown" });
      expect((await keys.once("more", "f", work)).run).toBe(2);
      await keys.close();
    } finally {
      leaving.push(disk.remove);
    }
  },
);

test.skipIf(!mountable.includes("tmpfs"))("a torn file is opened on a full disk", async () => {
  const disk = makeSmallDisk("tmpfs", 256 * 1024);
  try {
    let keys = await open(disk.path, systemClock);
    await keys.once("a", "f", async () => "first");
    await keys.close();
    const whole = readFileSync(first(disk.path));
    appendFileSync(first(disk.path), '{"crc32":"0');
    disk.fill();
    keys = await open(disk.path, systemClock);
    expect(await keys.once("a", "f", async () => "second")).toBe("first");
    await keys.close();
    expect(readFileSync(first(disk.path))).toEqual(whole);
  } finally {
    // Marks are closed on a disk that takes them.
    disk.empty();
    leaving.push(disk.remove);
  }
});

test("no key ends early by a clock that is set back or forward, over starts as well, and each ends at last", async () => {
  const home = temporaryDirectory("idempotency");
  let wall = 1000 * hour;
  let elapsed = 0;
  const clock = { ...systemClock, now: () => wall, elapsed: () => elapsed };
  let runs = 0;
  const work = async () => ++runs;
  let keys = await open(home.path, clock);
  const reopen = async () => {
    await keys.close();
    keys = await open(home.path, clock);
  };
  await keys.once("a", "f", work);
  wall -= 48 * hour;
  await keys.once("behind", "f", work);
  wall += 1048 * hour;
  expect(await keys.once("a", "f", work)).toBe(1);
  await keys.once("ahead", "f", work);
  wall -= 1024 * hour;
  await reopen();
  wall += 24 * hour;
  await reopen();
  for (const [at, key] of ["a", "behind", "ahead"].entries())
    expect(await keys.once(key, "f", work)).toBe(at + 1);
  elapsed += 25 * hour;
  for (const [at, key] of ["a", "behind", "ahead"].entries())
    expect(await keys.once(key, "f", work)).toBe(at + 4);
  wall += 1048 * hour;
  await reopen();
  expect(await keys.once("ahead", "f", work)).toBe(7);
  await keys.close();
  leaving.push(home.remove);
});
