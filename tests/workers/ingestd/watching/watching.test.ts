/** Places that are watched: each file once, after `kill -9` as well, and what is not taken is named. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../../../runtime/errors/errors.ts";
import { readWatches } from "../../../../workers/ingestd/watching/settings.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { killed } from "../../../support/durability/killed.ts";
import { configWith, temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

const kills = Number(process.env.WATCH_KILLS ?? 1);
const manyFiles = 8;
const own = temporaryDirectory("watch");
const incoming = temporaryDirectory("incoming");
const place = (name: string) => join(incoming.path, name);
const put = (file: string, text: string) => writeFileSync(place(file), text);

/** Looks at `slow` that may be made, and what wakes the one that waits. */
let looksLeft = 0;
let woken = Promise.withResolvers<void>();
const allowLooks = (more: number) => {
  looksLeft += more;
  woken.resolve();
  woken = Promise.withResolvers();
};
const lookOfSlow = async () => {
  while (looksLeft === 0) await woken.promise;
  looksLeft -= 1;
};
/** A commit that is made and not answered, once. */
let isUnanswered = true;

let stack: IngestStack;
beforeAll(async () => {
  for (const name of ["many", "slow", "bad", "latest", "names", "unsure"]) mkdirSync(place(name));
  for (let at = 0; at < manyFiles; at++) put(`many/${String(at).padStart(3, "0")}.csv`, `id\n${at}\n`);
  const random = seeded(5);
  const program = join(import.meta.dir, "../../../fixtures/ingestd/watch-loop.ts");
  for (let round = 0; round < kills; round++)
    await killed([program, own.path, place("many")], {
      lines: 1 + Math.floor(random() * 4),
      moreMs: random() * 100,
    });
  const watch = {
    many: { from: place("many"), mode: "append" },
    slow: { from: place("slow"), mode: "append" },
    bad: { from: place("bad"), files: "*.csv", mode: "append", types: "id:BIGINT" },
    latest: { from: place("latest"), mode: "replace" },
    names: { from: incoming.path, files: "names/**/*.csv", mode: "append", union_by_name: true },
    absent: { from: place("absent"), mode: "append" },
    unsure: { from: place("unsure"), mode: "append" },
    bucket: { from: "s3://primary/in", files: "*.{csv,ndjson}", dataset: "objects", mode: "append" },
  };
  stack = await startIngestStack(
    { watch, watch_interval_ms: 50 },
    {
      catalogd: (verbs) => ({
        ...verbs,
        admit: async (input, options) => {
          if (input.name === "slow__taken") await lookOfSlow();
          return verbs.admit(input, options);
        },
        commit: async (input, options) => {
          const made = await verbs.commit(input, options);
          if (input.registrations[0]?.name !== "unsure" || !isUnanswered) return made;
          isUnanswered = false;
          throw fail("outcome_unknown", "no answer came");
        },
      }),
    },
    {},
    own.path,
  );
});
afterAll(async () => {
  allowLooks(Number.POSITIVE_INFINITY);
  await stack.stop();
  own.remove();
  incoming.remove();
});

const watched = async (name: string) => {
  const found = (await stack.verbs.watches({})).watches.find((each) => each.name === name);
  if (!found) throw new Error(`no watch ${name}`);
  return found;
};
type Watched = Awaited<ReturnType<typeof watched>>;
/** Waits until the watch says so; the suite's own limit ends it. */
const until = async (name: string, holds: (facts: Watched) => boolean): Promise<Watched> => {
  for (;;) {
    const facts = await watched(name);
    if (holds(facts)) return facts;
    await Bun.sleep(20);
  }
};
const taken = (name: string, files: number) => until(name, (facts) => facts.taken === files);
const ids = async (name: string) =>
  (await stack.rows(`SELECT id FROM ${name} ORDER BY id`)).map(({ id }) => Number(id));
/** Refused files with their messages. */
const refusals = ({ refused }: Watched) =>
  Object.fromEntries(refused.map(({ file, error }) => [file, `${error.type}: ${error.message}`]));

test(`each file once, in the order of names, after ${kills} kills`, async () => {
  await taken("many", manyFiles);
  expect(await ids("many")).toEqual(Array.from({ length: manyFiles }, (_, at) => at));
  const rows = await stack.rows(
    "SELECT file, version, bytes, length(sha256) AS digits FROM many__taken ORDER BY version",
  );
  expect(rows.map(({ file }) => file)).toEqual(
    Array.from({ length: manyFiles }, (_, at) => `${String(at).padStart(3, "0")}.csv`),
  );
  expect(rows[0]).toEqual({ file: "000.csv", version: 1, bytes: 5, digits: 64 });
});

test("a file that grows is not taken until it stays as it is", async () => {
  put("slow/a.csv", "id\n1\n");
  allowLooks(1);
  await until("slow", ({ waiting }) => waiting === 1);
  put("slow/a.csv", "id\n1\n2\n");
  put("slow/b.csv", "id\n5\n");
  allowLooks(1);
  await until("slow", ({ waiting }) => waiting === 2);
  expect((await watched("slow")).taken).toBe(0);
  allowLooks(Number.POSITIVE_INFINITY);
  await taken("slow", 2);
  expect(await ids("slow")).toEqual([1, 2, 5]);
});

test("bad files are named, hold up no other, and are taken once they are mended", async () => {
  put("bad/a.csv", "id\nx\n");
  put("bad/b.csv", "id\n1\n");
  put("bad/c.csv", "");
  put("bad/d.txt", "no\n");
  const facts = await until("bad", ({ taken: files, refused }) => files === 1 && refused.length === 2);
  expect(refusals(facts)).toEqual({
    "a.csv": expect.stringMatching(/^rejected_rows: .*line 2, column 'id'/),
    "c.csv": expect.stringMatching(/empty/),
  });
  put("bad/a.csv", "id\n22\n");
  rmSync(place("bad/c.csv"));
  await until("bad", ({ taken: files, refused }) => files === 2 && refused.length === 0);
  expect(await ids("bad")).toEqual([1, 22]);
});

test("append: a file of before with other content is named, with the same it is left, and a row that goes lets it in", async () => {
  await until("bad", ({ taken: files }) => files === 2);
  utimesSync(place("bad/b.csv"), 1, 1);
  put("bad/a.csv", "id\n333\n");
  const facts = await until("bad", ({ refused, waiting }) => refused.length === 1 && waiting === 0);
  expect(refusals(facts)).toEqual({ "a.csv": expect.stringContaining("delete its row from bad__taken") });
  expect(await ids("bad")).toEqual([1, 22]);
  await stack.verbs.deleteRows({ name: "bad__taken", where: "file = 'a.csv'" });
  await until("bad", ({ refused, taken: files }) => refused.length === 0 && files === 2);
  expect(await ids("bad")).toEqual([1, 22, 333]);
});

test("replace: the last file is the dataset, and one that changes is taken again", async () => {
  put("latest/a.csv", "id\n1\n");
  put("latest/b.csv", "id\n2\n");
  await taken("latest", 2);
  expect(await ids("latest")).toEqual([2]);
  put("latest/a.csv", "id\n10\n20\n");
  while ((await ids("latest")).length !== 2) await Bun.sleep(20);
  expect(await ids("latest")).toEqual([10, 20]);
});

test("names: patterns reach into folders; hidden files and links are left alone", async () => {
  mkdirSync(place("names/deep/er"), { recursive: true });
  put("names/deep/er/a'b.csv", "id\n1\n");
  put("names/.hidden.csv", "id\n2\n");
  put("names/c.csv", "id\n3\n");
  symlinkSync(place("names/c.csv"), place("names/link.csv"));
  await taken("names", 2);
  expect(await stack.rows("SELECT file FROM names__taken ORDER BY version")).toEqual([
    { file: "names/c.csv" },
    { file: "names/deep/er/a'b.csv" },
  ]);
  expect(await ids("names")).toEqual([1, 3]);
});

test("a commit whose end was not known is looked up, not made again", async () => {
  put("unsure/a.csv", "id\n1\n");
  await taken("unsure", 1);
  expect([isUnanswered, await ids("unsure")]).toEqual([false, [1]]);
});

test("a directory that is not there is a problem until it is", async () => {
  expect((await until("absent", ({ problem }) => problem !== undefined)).problem).toContain("no directory");
  mkdirSync(place("absent"));
  put("absent/a.csv", "id\n1\n");
  expect((await taken("absent", 1)).problem).toBeUndefined();
});

test("objects of a bucket", async () => {
  for (const [key, body] of [
    ["in/a.csv", "id\n1\n"],
    ["in/b.ndjson", '{"id": 2}\n'],
    ["in/deep/c.csv", "id\n3\n"],
    ["other/d.csv", "id\n4\n"],
  ])
    await stack.peers.storaged.fetch(`/storage/put/${key}`, { method: "PUT", body: body ?? "" });
  await taken("bucket", 2);
  expect(await ids("objects")).toEqual([1, 2]);
});

test.each([
  [{ mode: "append" }, "from: expected a directory"],
  [{ from: "incoming", mode: "append" }, "from: expected a directory"],
  [{ from: "s3://nobody/in", mode: "append" }, "there is no bucket 'nobody'; [buckets] has primary"],
  [{ from: "/in" }, "mode"],
  [{ from: "/in", mode: "upsert" }, "mode"],
  [{ from: "/in", mode: "append", url: "http://x" }, "unknown field 'url'"],
  [{ from: "/in", mode: "append", delimiter: "::::::::::" }, "delimiter"],
  [{ from: "/in", mode: "append", types: "id" }, "types: expected col:TYPE"],
  [{ from: "/in", mode: "append", dataset: "no-name" }, "dataset: expected the name of a dataset"],
  [{ from: "/in", mode: "append", dataset: "d".repeat(123) }, "too long"],
])("a watch that is wrong: %j", (table, says) => {
  const config = configWith({ ingestd: { watch: { w: table } } });
  expect(() => readWatches(config)).toThrow(says);
  expect(() => readWatches(config)).toThrow("[ingestd.watch.w]");
});
