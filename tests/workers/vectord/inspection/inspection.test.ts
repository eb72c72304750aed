/** What an inspection finds in damaged indexes, and that what it says to do helps. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Durable } from "../../../../runtime/durable/inspection.ts";
import { aliasesKey } from "../../../../workers/vectord/indexes/aliases.ts";
import { sourceOf } from "../../../../workers/vectord/lhv1/frame.ts";
import { manifestKey } from "../../../../workers/vectord/lhv1/keys.ts";
import { decodeManifest, encodeManifest } from "../../../../workers/vectord/lhv1/manifest.ts";
import { decodeSegment, encodeSegment } from "../../../../workers/vectord/lhv1/segment.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

let directory: { path: string; remove: () => void };
let stack: VectordStack;

const dimension = 8;
const items = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({
    id: `i${from + at}`,
    vector: Array.from({ length: dimension }, (_, axis) => Math.sin((from + at + 1) * (axis + 1))),
    metadata: { n: from + at },
  }));
const start = async (adopted: string[] = []) => {
  stack = await startVectordStack({ directory: directory.path, adopted });
};
const restart = async (adopted: string[] = []) => {
  await stack.stop();
  await start(adopted);
};
const ok = (answer: { status: number; body: unknown }) => {
  if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
};
const add = async (from: number, count: number, name = "x") =>
  ok(await stack.post(`/index/${name}/add`, { items: items(from, count) }));
const make = async (name = "x") => ok(await stack.post("/index", { name, dimension }));
const compact = async () => ok(await stack.post("/index/x/compact"));
const drop = async () => ok(await stack.del("/index/x"));
const inspect = () => findingsOf(stack.running.durable as Durable);

const fileOf = (key: string) => join(directory.path, "buckets/primary", key);
const keysOf = async (prefix: string): Promise<string[]> => {
  const { objects, corrupt = [] } = await stack.storaged.list({ prefix });
  return [...objects.map(({ key }) => key), ...corrupt].sort();
};
const keyLike = async (pattern: RegExp): Promise<string> => {
  const found = (await keysOf("vectors/x/")).filter((key) => pattern.test(key)).at(-1);
  if (found === undefined) throw new Error(`no object like ${pattern}`);
  return found;
};
const checkpoint = /checkpoints\/.*\.lhv1$/;
const engine = /\.engine$/;
const segment = /segments\//;
const flip = (key: string) => {
  const bytes = readFileSync(fileOf(key));
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(fileOf(key), bytes);
};
/** Damages the last object of a kind, and names it. */
const flipOne = async (kind: RegExp): Promise<string> => {
  const key = await keyLike(kind);
  flip(key);
  return key;
};

/** A checkpoint with its engine, then segments that replace, add and delete. */
beforeEach(async () => {
  directory = temporaryDirectory("vectord-inspection");
  await start();
  await make();
  await add(0, 300);
  await compact();
  await add(290, 20);
  await add(400, 5);
  ok(await stack.post("/index/x/delete", { ids: ["i1", "i2", "i402"] }));
});
afterEach(async () => {
  await stack.stop();
  directory.remove();
});

interface Row {
  name: string;
  /** Resolves to the key of what is hurt. */
  hurt: () => Promise<string>;
  problem: string;
  remedy: string;
  /** Does what the remedy says. */
  mend: (key: string) => Promise<unknown>;
  /** Items there are afterwards. */
  count?: number;
}

const live = "POST /v1/vectors/index/x/compact writes them anew";
const all = 312;
let snapshot = "";
const takeSnapshot = async () => {
  snapshot = (await stack.post("/index/x/snapshots")).body.id;
};
const beginAnew = async () => {
  await drop();
  await make();
  await add(0, all);
};

const rows: Row[] = [
  ...[checkpoint, engine, segment].map((kind) => ({
    name: `${kind} of an open index is damaged`,
    hurt: () => flipOne(kind),
    problem: "index 'x' needs it for its contents",
    remedy: live,
    mend: compact,
    count: all,
  })),
  {
    name: "the engine of an open index with nothing to fold is damaged",
    hurt: async () => {
      await compact();
      return flipOne(engine);
    },
    problem: "index 'x' needs it for its contents",
    remedy: live,
    mend: compact,
    count: all,
  },
  {
    name: "a segment of an open index is missing",
    hurt: async () => {
      const key = await keyLike(segment);
      await stack.storaged.erase({ key });
      return key;
    },
    problem: "it is missing",
    remedy: live,
    mend: compact,
    count: all,
  },
  {
    name: "a checkpoint that a snapshot needs too is damaged",
    hurt: async () => {
      await takeSnapshot();
      return flipOne(checkpoint);
    },
    problem: "for its contents and snapshot",
    remedy: "; then delete what cannot be restored",
    mend: async () => {
      await compact();
      expect(await inspect()).toMatchObject([
        { problem: expect.stringContaining(`needs it for snapshot ${snapshot}`) },
      ]);
      ok(await stack.del(`/index/x/snapshots/${snapshot}`));
    },
    count: all,
  },
  {
    name: "a segment is damaged and the index cannot be opened, but a snapshot is whole",
    hurt: async () => {
      await takeSnapshot();
      await add(1000, 7);
      const key = await flipOne(segment);
      await restart();
      return key;
    },
    problem: "index 'x' needs it for its contents",
    remedy: "restore a snapshot (POST /v1/vectors/index/x/snapshots/{id}/restore)",
    mend: async () => ok(await stack.post(`/index/x/snapshots/${snapshot}/restore`, {})),
    count: all,
  },
  {
    name: "a checkpoint is damaged and the index cannot be opened",
    hurt: async () => {
      const key = await flipOne(checkpoint);
      await restart();
      return key;
    },
    problem: "index 'x' needs it for its contents",
    remedy: "drop it (DELETE /v1/vectors/index/x) and add its items again",
    mend: beginAnew,
    count: all,
  },
  {
    name: "the engine is damaged and vectord was restarted, which built it from the rows",
    hurt: async () => {
      await compact();
      const key = await flipOne(engine);
      await restart();
      return key;
    },
    problem: "index 'x' needs it for its contents",
    remedy: live,
    mend: compact,
    count: all,
  },
  {
    name: "the manifest of an open index is damaged",
    hurt: async () => {
      flip(manifestKey("x"));
      return manifestKey("x");
    },
    problem: "manifest.lhv1",
    remedy: "its items can still be read (POST /v1/vectors/index/x/items/scroll)",
    mend: async () => {
      expect((await stack.post("/index/x/items/scroll", { page_size: 1000 })).body.items).toHaveLength(all);
      await beginAnew();
    },
    count: all,
  },
  {
    name: "the manifest of an index that cannot be opened is damaged",
    hurt: async () => {
      flip(manifestKey("x"));
      await restart();
      return manifestKey("x");
    },
    problem: "manifest.lhv1",
    remedy: "drop it (DELETE /v1/vectors/index/x) and add its items again",
    mend: beginAnew,
    count: all,
  },
  {
    name: "the manifest of an open index is gone",
    hurt: async () => {
      kept = (await stack.storaged.read({ key: manifestKey("x") })).bytes;
      await stack.storaged.erase({ key: manifestKey("x") });
      return manifestKey("x");
    },
    problem: "it is missing, and index 'x' is open",
    remedy: "do not restart vectord before it is back",
    mend: (key) => stack.storaged.write({ key, bytes: kept }),
    count: all,
  },
  {
    name: "the manifest was changed by somebody else",
    hurt: async () => {
      const key = manifestKey("x");
      const { bytes } = await stack.storaged.read({ key });
      const manifest = await decodeManifest(key, "x", new Uint8Array(bytes));
      await stack.storaged.write({ key, bytes: encodeManifest({ ...manifest, write: "another" }) });
      return key;
    },
    problem: "something else has changed it",
    remedy: "take what is there (bun run supervisor --adopt=vectord/x)",
    mend: () => restart(["vectord/x"]),
    count: all,
  },
  {
    name: "memory and storage differ",
    hurt: async () => emptySegment(await keyLike(segment)),
    problem: "index 'x' has 312 items in memory, and its objects give 315",
    remedy: "restart vectord: it opens what is in storage",
    mend: () => restart(),
    count: 315,
  },
  {
    name: "the aliases are damaged",
    hurt: async () => {
      ok(await stack.put("/alias/other", { index: "x" }));
      flip(aliasesKey);
      return aliasesKey;
    },
    problem: aliasesKey,
    remedy: "to begin without aliases, with bun run supervisor --adopt=vectord/_aliases.json",
    mend: async (key) => {
      await stack.storaged.erase({ key });
      await restart(["vectord/_aliases.json"]);
    },
  },
  {
    name: "an alias points to nothing",
    hurt: async () => {
      const aliases = [{ alias: "other", index: "nowhere" }];
      const stored = { format: "lakehouse-vector-aliases", version: 1, aliases };
      const bytes = new TextEncoder().encode(JSON.stringify(stored));
      await stack.storaged.write({ key: aliasesKey, bytes });
      await restart();
      return aliasesKey;
    },
    problem: "alias 'other' points to index 'nowhere', which does not exist",
    remedy: "point it to one that does (PUT /v1/vectors/alias/other)",
    mend: async () => ok(await stack.put("/alias/other", { index: "x" })),
  },
];
let kept: Uint8Array;

/** A whole segment in the place of another: nothing but the count can tell. */
async function emptySegment(key: string): Promise<string> {
  const { bytes } = await stack.storaged.read({ key });
  const { head } = await decodeSegment(sourceOf(key, new Uint8Array(bytes)));
  await stack.storaged.write({ key, bytes: new Uint8Array(Buffer.concat([...encodeSegment(head, [])])) });
  return manifestKey("x");
}

describe("what is damaged is told, and what to do helps", () => {
  test.each(rows)("$name", async ({ hurt, problem, remedy, mend, count }) => {
    expect(await inspect()).toEqual([]);
    const key = await hurt();
    expect(await inspect()).toMatchObject([
      {
        severity: "damage",
        place: `primary://${key}`,
        problem: expect.stringContaining(problem),
        remedy: expect.stringContaining(remedy),
      },
    ]);
    await mend(key);
    expect(await inspect()).toEqual([]);
    if (count !== undefined) expect((await stack.get("/index/x")).body.count).toBe(count);
    await restart();
    expect(await inspect()).toEqual([]);
    if (count !== undefined) expect((await stack.get("/index/x")).body.count).toBe(count);
  });
});

test("every damaged object is named, not the first alone", async () => {
  const keys = await keysOf("vectors/x/");
  for (const key of keys) if (key !== manifestKey("x")) flip(key);
  const hurt = keys.filter((key) => key !== manifestKey("x")).map((key) => `primary://${key}`);
  const named = (await inspect()).map(({ place }) => place);
  expect(named.sort()).toEqual(hurt);
});

test("objects that no index needs are left over once they are old, and go with a restart", async () => {
  const incarnation = (await keyLike(checkpoint)).split("/")[2];
  const old = `vectors/x/${incarnation}/checkpoints/old.lhv1`;
  const ofDropped = "vectors/dropped/1/segments/1.lhv1";
  const young = `vectors/x/${incarnation}/checkpoints/young.lhv1`;
  for (const key of [old, ofDropped, young]) {
    await stack.storaged.write({ key, bytes: new Uint8Array(3) });
    if (key !== young) utimesSync(fileOf(key), new Date(0), new Date(0));
  }
  expect((await inspect()).sort((a, b) => (a.place < b.place ? -1 : 1))).toMatchObject([
    { severity: "leftover", place: "primary://vectors/dropped", problem: expect.stringContaining(ofDropped) },
    {
      severity: "leftover",
      place: "primary://vectors/x",
      problem: expect.stringContaining(`1 object of 3 bytes that no index needs: ${old}`),
    },
  ]);
  await restart();
  expect(await inspect()).toEqual([]);
});

test("an inspection while indexes are written, compacted, dropped and restored finds nothing", async () => {
  let writing = true;
  const write = async () => {
    for (let n = 0; writing; n++) {
      await add(n * 3, 30);
      ok(await stack.post("/index/x/delete", { ids: [`i${n}`] }));
      if (n % 3 === 0) await compact();
      if (n % 5 === 0) await takeSnapshot();
      if (n % 7 === 0) ok(await stack.post(`/index/x/snapshots/${snapshot}/restore`, {}));
      await make("y");
      await add(0, 50, "y");
      ok(await stack.del("/index/y"));
    }
  };
  const work = write();
  for (let time = 0; time < 15; time++) expect(await inspect()).toEqual([]);
  writing = false;
  await work;
});
