/**
 * The two files of an object on disk, each damaged in each way: never other bytes than were acknowledged, and the
 * object by name in lists, in readiness and in an inspection, after a restart as well as without one.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import type { Finding, SnapshotFile } from "../../../../runtime/durable/inspection.ts";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { inspectBucket } from "../../../../workers/storaged/backup/inspection.ts";
import { objectSnapshot } from "../../../../workers/storaged/backup/snapshot.ts";
import type { Bucket } from "../../../../workers/storaged/bucket/bucket.ts";
import { layoutOf } from "../../../../workers/storaged/local/layout.ts";
import { openLocalBucket } from "../../../../workers/storaged/local/local.ts";
import { createWriteBarrier } from "../../../../workers/storaged/registry/write-barrier.ts";
import { fetchText, refusal, store } from "../../../conformance/bucket.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const { signal } = new AbortController();
const key = "a/b/object";

let directory: ReturnType<typeof temporaryDirectory>;
let bucket: Bucket;
const open = () =>
  openLocalBucket({
    name: "disk",
    root: directory.path,
    newId: () => crypto.randomUUID(),
    clock: systemClock,
  });
beforeEach(async () => {
  directory = temporaryDirectory("damage");
  bucket = await open();
});
afterEach(async () => {
  await bucket.stop();
  directory.remove();
});

const flip = (path: string): void => {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
};
const cut = (path: string): void => truncateSync(path, readFileSync(path).length - 1);

/** The clock of the file system goes in steps: what is done now has another time than the file. */
const untilLaterThan = async (path: string): Promise<void> => {
  const probe = `${directory.path}-probe`;
  do {
    await Bun.sleep(1);
    writeFileSync(probe, "");
  } while (statSync(probe).ctimeMs <= statSync(path).ctimeMs);
  rmSync(probe);
};

/** What is done to a file; `old` is a copy of it from before the last write. */
const damages: [string, (path: string, old: string) => void][] = [
  ["a flipped bit", flip],
  ["cut by one byte", cut],
  ["emptied", (path) => truncateSync(path)],
  ["removed", (path) => rmSync(path)],
  ["an older copy", (path, old) => copyFileSync(old, path)],
];
const files = ["data", "record"] as const;
const cases = files.flatMap((file) =>
  damages.flatMap(([name, damage]) =>
    [false, true].map((restarts) => ({
      file,
      name,
      damage,
      restarts,
      when: restarts ? "a restart" : "no restart",
    })),
  ),
);

const inspected = async (): Promise<Finding[]> => {
  const findings: Finding[] = [];
  for await (const one of inspectBucket(bucket, { clock: systemClock, signal }))
    if ("finding" in one) findings.push(one.finding);
  return findings;
};

describe.each(cases)("$file $name, $when", ({ file, name, damage, restarts }) => {
  test("is named everywhere, and mended by the bytes that belong there", async () => {
    await store(bucket, "other", "whole");
    await store(bucket, key, "before");
    const path = layoutOf(directory.path)[file](key);
    const old = `${directory.path}-old`;
    copyFileSync(path, old);
    await store(bucket, key, "after!");
    await untilLaterThan(layoutOf(directory.path).record(key));
    damage(path, old);
    rmSync(old);
    if (restarts) {
      await bucket.stop();
      bucket = await open();
      if (name === "removed" || file === "data") {
        // Known to a start before anybody asks: by names, or by the times of files.
        while (bucket.notReady().length === 0) await Bun.sleep(1);
        expect(bucket.notReady()).toEqual([expect.stringContaining(`object '${key}' is corrupt`)]);
      }
    } else expect((await refusal(fetchText(bucket, key))).type).toBe("corrupt");

    expect(await inspected()).toEqual([
      {
        severity: "damage",
        place: `disk://${key}`,
        problem: expect.stringContaining(`object '${key}' in bucket 'disk' is corrupt`),
        remedy: expect.stringContaining("from a backup"),
      },
    ]);
    expect(bucket.notReady()).toEqual([expect.stringContaining(`object '${key}' is corrupt`)]);
    const page = await bucket.list({ prefix: "", pageSize: 10, signal });
    expect([page.corrupt, page.objects.map((object) => object.key)]).toEqual([[key], ["other"]]);
    for (const work of [
      () => bucket.head(key, signal),
      () => bucket.locate(key, signal),
      () => fetchText(bucket, key),
      () => fetchText(bucket, key, "bytes=0-1"),
    ])
      expect((await refusal(work())).type).toBe("corrupt");
    expect(await fetchText(bucket, "other")).toBe("whole");

    expect((await refusal(store(bucket, key, "x", { ifNoneMatch: "*" }))).type).toBe("precondition_failed");
    expect((await store(bucket, key, "after!")).created).toBe(false);
    expect(await fetchText(bucket, key)).toBe("after!");
    expect([bucket.notReady(), await inspected()]).toEqual([[], []]);
  });
});

test("a snapshot lists what is missing, before anybody else has noticed", async () => {
  await store(bucket, key, "x");
  rmSync(layoutOf(directory.path).data(key));
  const barrier = createWriteBarrier();
  const snapshot = objectSnapshot({
    ...{ buckets: [bucket], barrier, directory: directory.path, newId: () => crypto.randomUUID() },
  });
  const files: SnapshotFile[] = [];
  for await (const file of snapshot.files()) files.push(file);
  expect(files.map(({ path }) => path)).toEqual([`objects/disk/${key}`]);
  expect((await refusal(snapshot.open(`objects/disk/${key}`))).type).toBe("corrupt");
  await snapshot.end();
});

test("what is lost is in lists where it would be, page by page and under its prefix", async () => {
  const keys = ["a/1", "a/2", "b", "c/d/1", "c/e"];
  for (const each of keys) await store(bucket, each, "x");
  for (const each of ["a/1", "c/d/1"]) rmSync(layoutOf(directory.path).data(each));
  await bucket.findMissing?.(signal);
  const found: string[] = [];
  for (let pageToken: string | undefined, more = true; more; more = pageToken !== undefined) {
    const page = await bucket.list({ prefix: "", pageSize: 1, pageToken, signal });
    found.push(...page.corrupt.map((each) => `!${each}`), ...page.objects.map((object) => object.key));
    pageToken = page.nextPageToken;
  }
  expect(found).toEqual(["!a/1", "a/2", "b", "!c/d/1", "c/e"]);
  const below = await bucket.list({ prefix: "c/", delimiter: "/", pageSize: 10, signal });
  expect([below.prefixes, below.objects.map((object) => object.key)]).toEqual([["c/d/"], ["c/e"]]);
  expect(await bucket.remove("c/d/1", {}, signal)).toBe(true);
  expect((await bucket.list({ prefix: "c/", delimiter: "/", pageSize: 10, signal })).prefixes).toEqual([]);
});
