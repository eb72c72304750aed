/**
 * A snapshot is what all buckets held at one moment, while writers go on. The suite runs a short slice; a campaign is
 * `LAKEHOUSE_POINTS=300 LAKEHOUSE_SEED=7 bun test tests/workers/storaged/backup/snapshot.test.ts`.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Inspected, Snapshot, SnapshotFile } from "../../../../runtime/durable/inspection.ts";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { inspectBucket } from "../../../../workers/storaged/backup/inspection.ts";
import { objectSnapshot } from "../../../../workers/storaged/backup/snapshot.ts";
import type { Bucket } from "../../../../workers/storaged/bucket/bucket.ts";
import { openLocalBucket } from "../../../../workers/storaged/local/local.ts";
import type { BucketRegistry } from "../../../../workers/storaged/registry/configured.ts";
import {
  createWriteBarrier,
  type WriteBarrier,
  withWriteBarrier,
} from "../../../../workers/storaged/registry/write-barrier.ts";
import { refusal, store } from "../../../conformance/bucket.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const rounds = Number(process.env.LAKEHOUSE_POINTS ?? 3);
const seed = Number(process.env.LAKEHOUSE_SEED ?? 1);
const newId = () => crypto.randomUUID();
const { signal } = new AbortController();

interface Store {
  path: string;
  buckets: Bucket[];
  barrier: WriteBarrier;
  take: () => Snapshot;
  remove: () => void;
}

/** Two local buckets behind a barrier. `asIf` changes what the buckets can do. */
async function openStore(asIf: (bucket: Bucket) => Bucket = (bucket) => bucket): Promise<Store> {
  const { path, remove } = temporaryDirectory("point");
  const opened = await Promise.all(
    ["one", "two"].map(async (name) =>
      asIf(await openLocalBucket({ name, root: join(path, name), newId, clock: systemClock })),
    ),
  );
  const barrier = createWriteBarrier();
  const registry = { all: () => opened, stop: async () => {} } as unknown as BucketRegistry;
  const buckets = withWriteBarrier(registry, barrier).all();
  const directory = join(path, "scratch");
  return {
    path,
    buckets,
    barrier,
    take: () => objectSnapshot({ buckets, barrier, directory, newId }),
    remove,
  };
}

/** All files of a snapshot with their content. */
async function contentOf(snapshot: Snapshot): Promise<Map<string, string>> {
  const files: SnapshotFile[] = [];
  for await (const file of snapshot.files()) files.push(file);
  const content = new Map<string, string>();
  for (const { path, bytes, sha256 } of files) {
    expect(content.has(path)).toBe(false);
    const text = await new Response(await snapshot.open(path)).text();
    expect(text.length).toBe(bytes);
    if (sha256 !== undefined) expect(new Bun.CryptoHasher("sha256").update(text).digest("hex")).toBe(sha256);
    content.set(path, text);
  }
  return content;
}

/** What writers did: for each object every text it was given, with the steps at which that began and was answered. */
interface TrackedWrite {
  text: string | undefined;
  began: number;
  done: number;
}

/** Everything answered before the snapshot is in it, nothing that began after; each object is one of the two around it. */
function check(
  history: Map<string, TrackedWrite[]>,
  content: Map<string, string>,
  from: number,
  to: number,
): void {
  for (const [path, trackedWrites] of history) {
    const possible = new Set<string | undefined>();
    for (const [at, { text, began }] of trackedWrites.entries()) {
      const replaced = trackedWrites[at + 1];
      if (began < to && !(replaced && replaced.done < from)) possible.add(text);
    }
    if (!possible.has(content.get(path)))
      throw new Error(`${path} is '${content.get(path)}', expected one of ${[...possible].join(" | ")}`);
  }
  for (const path of content.keys()) expect(history.has(path)).toBe(true);
}

const keys = [
  "a",
  "b/c",
  "b/d",
  "b/e/f",
  "m",
  "z/1",
  "z/2",
  "zz",
  ...Array.from({ length: 270 }, (_, at) => `n/${at}`),
];

async function campaign({ buckets, take }: Store, random: () => number): Promise<number> {
  let step = 0;
  let over = false;
  const history = new Map<string, TrackedWrite[]>();
  const write = async (bucket: Bucket, key: string) => {
    const path = `objects/${bucket.describe().name}/${key}`;
    const trackedWrites = history.get(path) ?? [{ text: undefined, began: -1, done: -1 }];
    history.set(path, trackedWrites);
    const text = random() < 0.35 ? undefined : `${path} ${step} ${"x".repeat(random() * 200)}`;
    const tracked = { text, began: step++, done: Number.POSITIVE_INFINITY };
    trackedWrites.push(tracked);
    if (text === undefined) await bucket.remove(key, {}, signal);
    else await store(bucket, key, text);
    tracked.done = step++;
  };
  // One writer for each share of the keys: what an object is given comes in a known order.
  const writer = async (share: number) => {
    const own = keys.filter((_, at) => at % 6 === share);
    for (const bucket of buckets) for (const key of own) if (random() < 0.7) await write(bucket, key);
    while (!over) {
      const bucket = buckets[random() < 0.5 ? 0 : 1] as Bucket;
      await write(bucket, own[Math.floor(random() * own.length)] as string);
    }
  };
  const writers = [0, 1, 2, 3, 4, 5].map(writer);
  let objects = 0;
  for (let round = 0; round < rounds; round++) {
    const until = step + 40 + random() * 300;
    while (step < until) await new Promise((resolve) => setImmediate(resolve));
    const from = step;
    const snapshots = random() < 0.3 ? [take(), take()] : [take()];
    const to = step;
    for (const snapshot of snapshots) {
      const content = await contentOf(snapshot);
      check(history, content, from, to);
      objects += content.size;
    }
    for (const snapshot of snapshots) await snapshot.end();
  }
  over = true;
  await Promise.all(writers);
  return objects;
}

describe(`snapshots while six writers write, seed ${seed}`, () => {
  const stores: [string, (bucket: Bucket) => Bucket][] = [
    ["of a disk", (bucket) => bucket],
    // As on S3: lists have no types, and what is about to go is fetched.
    ["of a store without second names", ({ keep: _, hashOf: __, ...rest }) => rest],
  ];
  for (const [name, asIf] of stores) {
    test(`${rounds} snapshots ${name} are each what was there at one moment, and leave nothing`, async () => {
      const store = await openStore(asIf);
      const objects = await campaign(store, seeded(seed));
      expect(objects).toBeGreaterThan(rounds * 30);
      for (const bucket of ["one", "two"])
        expect(await readdir(join(store.path, bucket, ".lakehouse/points"))).toEqual([]);
      const scratch = join(store.path, "scratch");
      expect(existsSync(scratch) ? await readdir(scratch) : []).toEqual([]);
      store.remove();
    });
  }
});

describe("a snapshot", () => {
  let at: Store;
  beforeAll(async () => {
    at = await openStore();
  });
  afterAll(() => at.remove());

  test("takes all buckets at the same moment", async () => {
    const [one, two] = at.buckets as [Bucket, Bucket];
    await store(one, "pair", "1");
    await store(two, "pair", "1");
    const snapshot = at.take();
    await store(one, "pair", "2");
    await two.remove("pair", {}, signal);
    await store(two, "new", "2");
    const content = await contentOf(snapshot);
    expect(content).toEqual(
      new Map([
        ["objects/one/pair", "1"],
        ["objects/two/pair", "1"],
      ]),
    );
    expect((await refusal(snapshot.open("objects/two/new"))).type).toBe("not_found");
    expect((await refusal(snapshot.open("objects/three/pair"))).type).toBe("not_found");
    await snapshot.end();
  });

  test("lists a corrupt object, and says why it cannot be read", async () => {
    const [one] = at.buckets as [Bucket];
    await store(one, "bad", "as it was");
    await writeFile(join(at.path, "one/bad"), "as it wAs");
    const snapshot = at.take();
    const files: SnapshotFile[] = [];
    for await (const file of snapshot.files()) files.push(file);
    expect(files.find(({ path }) => path === "objects/one/bad")).toBeDefined();
    const error = await refusal(snapshot.open("objects/one/bad"));
    expect(error.type).toBe("corrupt");
    expect(error.message).toContain("'bad'");
    await snapshot.end();
    await one.remove("bad", {}, signal);
  });

  test("is lost rather than a write refused when the old bytes cannot be kept", async () => {
    const [one] = at.buckets as [Bucket];
    await store(one, "kept", "1");
    const snapshot = at.take();
    await rm(join(at.path, "one/.lakehouse/points"), { recursive: true });
    await store(one, "kept", "2");
    const error = await refusal(contentOf(snapshot));
    expect(error.message).toContain("the snapshot is lost: 'kept' changed");
    await snapshot.end();
  });
});

describe("an inspection", () => {
  const found = async (bucket: Bucket) => {
    const findings: string[] = [];
    let last: Inspected | undefined;
    for await (const one of inspectBucket(bucket, { clock: { elapsed: () => performance.now() }, signal })) {
      if ("finding" in one) findings.push(`${one.finding.severity} ${one.finding.place}`);
      last = one;
    }
    return { findings, last };
  };

  test("reads every object, and finds nothing in a whole bucket", async () => {
    const at = await openStore();
    const [one] = at.buckets as [Bucket];
    for (const key of ["a", "b/c", "d"]) await store(one, key, key);
    const { findings, last } = await found(one);
    expect(findings).toEqual([]);
    expect(last).toEqual({ progress: { done: 3, total: 3, of: "objects of one" } });
    at.remove();
  });

  test("finds a flipped byte, a file without a sidecar and a sidecar without a file", async () => {
    const at = await openStore();
    const [one] = at.buckets as [Bucket];
    for (const key of ["a", "b/c", "gone"]) await store(one, key, key);
    await writeFile(join(at.path, "one/b/c"), "b/x");
    await writeFile(join(at.path, "one/strange"), "by hand");
    await rm(join(at.path, "one/gone"));
    const { findings } = await found(one);
    expect(findings).toEqual(["damage one://b/c", "damage one://gone", "damage one://strange"]);
    at.remove();
  });
});
