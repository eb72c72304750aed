/** Hostile files end nothing but their own reading, within bounds. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../../runtime/telemetry/metrics.ts";
import { openExtraction } from "../../../../workers/ingestd/extraction/extraction.ts";
import { zipOf } from "../../../support/files/zip.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const place = temporaryDirectory("extraction");
const division = { size: 1000, overlap: 0 };
const signal = new AbortController().signal;
const MB = 1_000_000;
let opened: ReturnType<typeof openExtraction>[] = [];
const open = (timeoutMs: number, memoryBytesMax = 400 * MB) => {
  const extraction = openExtraction({
    workDirectory: place.path,
    directory: join(place.path, "children"),
    memoryBytesMax,
    fileBytesMax: 10 * MB,
    timeoutMs,
    longestMs: 2 * timeoutMs,
    clock: systemClock,
    log: createLog("ingestd", "error", () => undefined),
    metrics: createMetrics(),
  });
  opened.push(extraction);
  return extraction;
};
const file = (name: string, bytes: Uint8Array | string) => {
  const path = join(place.path, name);
  writeFileSync(path, bytes);
  return { path, name, mediaType: "" };
};
let usual: ReturnType<typeof openExtraction>;
beforeAll(() => {
  usual = open(600_000);
});
afterAll(async () => {
  await Promise.all(opened.map((each) => each.stop()));
  opened = [];
  place.remove();
});

const typeOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (cause) => `${cause.type}: ${cause.message}`,
  );

test("one that takes too long is killed, and others go on beside it", async () => {
  const short = open(3000, 4000 * MB);
  // More seconds of work for Markdown's reader than it has, and less memory than there is.
  const long = file("long.md", "**a *".repeat(4_000_000));
  const late = typeOf(short.extract(long, division, signal));
  const beside = await usual.extract(file("good.txt", "a welder"), division, signal);
  expect(beside.chunks[0]?.text).toBe("a welder");
  expect(await late).toMatch(/^timeout: .*3000 ms/);
  // Another process is in its place, which has time enough as soon as the machine gives it some.
  const next = file("next.txt", "a nurse");
  const again = (): Promise<{ characters: number }> => short.extract(next, division, signal).catch(again);
  expect((await again()).characters).toBe(7);
});

test("one that needs too much memory is killed", async () => {
  const small = open(600_000, 30 * MB);
  const many = file("many.html", "<p>a</p>".repeat(1_200_000));
  expect(await typeOf(small.extract(many, division, signal))).toMatch(/^resource_exhausted: /);
});

test("archives: bombs, too many files, cut off, and names that lead out of them", async () => {
  const into = (name: string) => {
    const folder = join(place.path, name);
    mkdirSync(folder);
    return { folder, filesMax: 5, bytesMax: 20 * MB };
  };
  const tar = (await new Bun.Archive({ "../up.txt": "a", "b.txt": "b" } as never).bytes()) as Uint8Array;
  const unpacked = await usual.unpack(file("ok.tar", tar), into("ok"), signal);
  expect(unpacked?.files.every(({ path }) => path?.startsWith(join(place.path, "ok")))).toBe(true);
  const bomb = gzipSync(Buffer.alloc(64 * MB));
  const rows: [string, Uint8Array | string, RegExp][] = [
    ["bomb.tar.gz", bomb, /^(too_large|unprocessable): /],
    ["cut.tar.gz", gzipSync(tar).subarray(0, 40), /^unprocessable: the tar is malformed or cut off/],
    ["plain.gz", gzipSync("text"), /^unsupported_media_type: .*tar\.gz/],
    ["bad.zip", "PK\u0003\u0004 and nothing more", /^unprocessable: the zip is malformed/],
  ];
  for (const [name, bytes, says] of rows)
    expect(await typeOf(usual.unpack(file(name, bytes), into(`${name}-out`), signal))).toMatch(says);
  const six = (await new Bun.Archive(
    Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [`${n}.txt`, "x"])) as never,
  ).bytes()) as Uint8Array;
  expect(await typeOf(usual.unpack(file("six.tar", six), into("six"), signal))).toMatch(
    /^too_large: .*5 files/,
  );
  const zipped = zipOf(Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [`${n}.txt`, "x"])));
  const unread = into("six-zipped");
  expect(await typeOf(usual.unpack(file("six.zip", zipped), unread, signal))).toMatch(
    /^too_large: .*5 files/,
  );
  expect(readdirSync(unread.folder)).toEqual([]);
  expect(await usual.unpack(file("no.txt", "no archive"), into("no"), signal)).toBeNull();
});
