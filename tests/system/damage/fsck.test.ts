/**
 * Every kind of file that the product keeps, damaged: `bun run fsck` names each of them. And the product as it is, also
 * while it is written: nothing is found.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Ran, runFsck } from "../../support/durability/fsck-command.ts";
import { json, trackedWrites } from "../../support/durability/tracked-writes.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

type Damage = "flip" | "cut";

/** What a file of the data directory stands for, as findings name it. */
interface Kind {
  name: string;
  /** Its path in the data directory. */
  path: RegExp;
  /** What the findings must name; the path itself unless told. */
  place?: (path: string, all: readonly string[]) => string;
  /** Damaged in a copy of its own, as damage to what it tells of would keep it from being looked at. */
  isApart?: true;
  /** Files of this kind are not checked at all, and why. */
  exempt?: string;
}

const bucket = "buckets/primary/";
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The first that fits counts. A file that none fits fails the test: a new kind needs an inspection, or a reason. */
const kinds: readonly Kind[] = [
  { name: "locks", path: /^\w+\/lock\.sqlite(-journal)?$/, exempt: "hold nothing: made anew at each start" },
  {
    name: "the format and the stamp of a bucket",
    path: /^buckets\/\w+\/\.lakehouse\/(format|stamp)\.json$/,
    exempt: "a bucket with a damaged one stays closed: tests of their own",
  },
  {
    name: "sidecars",
    path: /^buckets\/\w+\/\.lakehouse\/meta\/..\/\w+\.json$/,
    isApart: true,
    place: (path, all) => {
      const key = keysIn(all).find((each) => path.endsWith(`${sha256(each)}.json`));
      return key === undefined ? path : `primary://${key}`;
    },
  },
  {
    name: "objects",
    path: /^buckets\/primary\/(?!\.lakehouse)/,
    place: (path) => `primary://${path.slice(bucket.length)}`,
  },
  {
    name: "storaged's journal of errors",
    path: /^storaged\/errors\.\d+\.jsonl$/,
    exempt:
      "tells of failures that callers were told of already; a damaged line is left out of what it gives",
  },
  {
    name: "marks",
    path: /^marks\/\w+\.log$/,
    exempt:
      "lower bounds of what other files hold: an older one counts, and what has none any more is named by whoever keeps it",
  },
  { name: "logs of lines", path: /^\w+\/[\w-]+\.(log|jsonl)$/ },
  {
    name: "the record of the store",
    path: /^store\.json$/,
    exempt: "buckets are looked at anew with a damaged one: a test of its own",
  },
  { name: "stamps of folders", path: /^\w+\/stamp\.json$/, place: dirname, isApart: true },
  { name: "the lock of the store's record", path: /^store\.lock$/, exempt: "is empty: only its lock counts" },
  {
    name: "records of corpora",
    path: /^matrixd\/corpora\/[^/]+\/corpus\.json$/,
    place: (path) => dirname(path),
  },
  {
    name: "indexes of words",
    path: /^matrixd\/corpora\/[^/]+\/\w+\.sqlite$/,
    place: (path) => dirname(path),
    isApart: true,
  },
];

const keysIn = (all: readonly string[]): string[] =>
  all
    .filter((path) => path.startsWith(bucket) && !path.includes("/.lakehouse/"))
    .map((path) => path.slice(bucket.length));

const filesIn = (dataDir: string): string[] =>
  readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dataDir, join(entry.parentPath, entry.name)))
    .sort();

function hurt(path: string, damage: Damage): void {
  const { size } = statSync(path);
  if (damage === "cut") {
    truncateSync(path, size - Math.ceil(size / 3));
    return;
  }
  const bytes = readFileSync(path);
  const middle = size >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(path, bytes);
}

const home = temporaryDirectory("fsck-matrix");
let product: Product | undefined;
const original = join(home.path, "original");
const fsck = (url: string, words: string[] = []): Promise<Ran> =>
  runFsck(["--json", "--gateway", url, ...words]);
const placesIn = ({ out }: Ran): string[] =>
  (JSON.parse(out).services as { findings: { place: string; problem: string }[] }[]).flatMap(({ findings }) =>
    findings.map(({ place, problem }) => `${place} ${problem}`),
  );

/** All that the product keeps: every deed twice, and what only grows out of others. */
async function fill(url: string): Promise<void> {
  const done = async (answer: Promise<Response>): Promise<void> => {
    const response = await answer;
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  };
  for (const tracked of trackedWrites) {
    await tracked.prepare?.(url);
    for (const n of [0, 1]) await done(tracked.act(url, n));
  }
  await done(json(url, "/v1/vectors/index/drill/compact"));
  await done(json(url, "/v1/vectors/index/drill/snapshots"));
  await done(json(url, "/v1/vectors/alias/drilled", { index: "drill" }, { method: "PUT" }));
  for (const n of [2, 3]) for (const tracked of trackedWrites) await done(tracked.act(url, n));
  await done(
    json(url, "/v1/observer/review", { content: "ok", task: "a task" }).then(async (answer) =>
      answer.ok ? answer : Response.json({}),
    ),
  );
  await fetch(`${url}/v1/storage/get/nothing`);
}

beforeAll(async () => {
  mkdirSync(original);
  product = await startProduct({ dataDir: original });
  await fill(product.url);
});
afterAll(async () => {
  await product?.end();
  home.remove();
});

test("nothing is found while it is written, until an answer that is remembered is damaged", async () => {
  const { url } = product as Product;
  let writing = true;
  const writer = async (): Promise<void> => {
    for (let n = 100; writing; n++)
      for (const tracked of trackedWrites) {
        if (tracked.name !== "corpus") await (await tracked.act(url, n)).arrayBuffer();
        // One that never waited would take the processor from what looks.
        await Bun.sleep(20);
      }
  };
  const work = writer();
  for (let time = 0; time < 2; time++) {
    const ran = await fsck(url);
    expect({ places: placesIn(ran), code: ran.code }).toEqual({ places: [], code: 0 });
  }
  writing = false;
  await work;
  const path = "pathwayd/idempotency-1.log";
  hurt(join(original, "data", path), "flip");
  const ran = await fsck(url, ["pathwayd"]);
  expect({ places: placesIn(ran), code: ran.code }).toEqual({
    places: [expect.stringContaining(path)],
    code: 1,
  });
  // The same bit again: it is as it was.
  hurt(join(original, "data", path), "flip");
});

describe("the product, stopped", () => {
  beforeAll(async () => {
    await product?.end();
    product = undefined;
  });

  /** A copy with this damage, started; what `look` makes of it. */
  const withDamage = async (
    name: string,
    harm: (dataDir: string) => void,
    look: (url: string) => Promise<void>,
    flags: string[] = [],
  ) => {
    const copy = join(home.path, name);
    cpSync(original, copy, { recursive: true });
    harm(join(copy, "data"));
    const damaged = await startProduct({ dataDir: copy, flags });
    try {
      await look(damaged.url);
    } finally {
      await damaged.end();
    }
  };
  const kindOf = (path: string): Kind | undefined => kinds.find((kind) => kind.path.test(path));

  test("every file is of a kind that is checked, or exempt for a reason", () => {
    const files = filesIn(join(original, "data"));
    expect(files.filter((path) => kindOf(path) === undefined)).toEqual([]);
    const found = new Set(files.map((path) => kindOf(path)?.name));
    expect(kinds.filter(({ name }) => !found.has(name)).map(({ name }) => name)).toEqual([]);
  });

  /** Files that are not exempt, with bytes to damage. */
  const damageable = (isApart: boolean): string[] =>
    filesIn(join(original, "data")).filter((path) => {
      const kind = kindOf(path);
      const isOne = kind && kind.exempt === undefined && (kind.isApart ?? false) === isApart;
      return isOne && statSync(join(original, "data", path)).size > 0;
    });
  const expectNamed = (name: string, hurts: [path: string, damage: Damage][]) => {
    const all = filesIn(join(original, "data"));
    expect(hurts.length).toBeGreaterThan(2);
    return withDamage(
      name,
      (dataDir) => {
        for (const [path, damage] of hurts) hurt(join(dataDir, path), damage);
      },
      async (url) => {
        const ran = await fsck(url);
        const places = placesIn(ran);
        const unnamed = hurts.filter(([path]) => {
          const place = kindOf(path)?.place?.(path, all) ?? path;
          return !places.some((text) => text.includes(place));
        });
        expect({ unnamed, code: ran.code }).toEqual({ unnamed: [], code: 1 });
      },
    );
  };

  test.each(["flip", "cut"] as const)("%s: every file is named of which no other one tells", (damage) =>
    expectNamed(
      damage,
      damageable(false).map((path) => [path, damage]),
    ),
  );

  /** With it damaged no index of words is looked at. */
  const stampOfCorpora = "matrixd/stamp.json";

  test("every sidecar, index of words and stamp is named, of each kind some flipped and some cut", async () => {
    const counts = new Map<Kind | undefined, number>();
    const hurts = damageable(true)
      .filter((path) => path !== stampOfCorpora)
      .map((path): [string, Damage] => {
        const count = counts.get(kindOf(path)) ?? 0;
        counts.set(kindOf(path), count + 1);
        return [path, count % 2 === 0 ? "flip" : "cut"];
      });
    for (const count of counts.values()) expect(count).toBeGreaterThan(1);
    await expectNamed("apart", hurts);
  });

  /** vectord would wait for its bucket. */
  const fewest = ["--only=gateway,storaged,catalogd"];

  test("the record of the store, the stamp of a bucket and that of the corpora are named", () =>
    withDamage(
      "stamp",
      (dataDir) => {
        for (const path of ["store.json", `${bucket}.lakehouse/stamp.json`, stampOfCorpora])
          hurt(join(dataDir, path), "flip");
      },
      async (url) => {
        const ran = await fsck(url, ["storaged", "matrixd"]);
        expect({ places: placesIn(ran), code: ran.code }).toEqual({
          places: [
            expect.stringContaining("store.json was damaged"),
            expect.stringContaining("the stamp of bucket 'primary'"),
            expect.stringContaining("the stamp of the folder of matrixd"),
            // Each service tells it of its own.
            expect.stringMatching(/^matrixd\/ .*store\.json was damaged/),
          ],
          code: 1,
        });
      },
      ["--only=gateway,storaged,catalogd,matrixd"],
    ));

  test("a bucket whose format is damaged is named, and what needs it is not checked", () =>
    withDamage(
      "format",
      (dataDir) => hurt(join(dataDir, bucket, ".lakehouse/format.json"), "cut"),
      async (url) => {
        const { code, out } = await runFsck(["storaged", "catalogd", "--gateway", url]);
        expect(code).toBe(1);
        expect(out).toContain("DAMAGE    primary://");
        expect(out).toContain(join(home.path, "format/data", bucket, ".lakehouse/format.json"));
        expect(out).toContain("catalogd   NOT CHECKED");
      },
      fewest,
    ));
});
