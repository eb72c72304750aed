/** Where the bytes come from: in place, from the cache, from S3; and what is damaged or gone. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Peer } from "../../../../runtime/contract/endpoints.ts";
import { fail } from "../../../../runtime/errors/errors.ts";
import type { Storaged } from "../../../../workers/storaged/contract.ts";
import { type FaultyProxy, startFaultyProxy } from "../../../support/s3/faulty-proxy.ts";
import { testS3Servers } from "../../../support/s3/server.ts";
import { type QuerydStack, type StackOptions, startQuerydStack } from "../../../support/stacks/queryd.ts";

let stack: QuerydStack;
const start = async (options: StackOptions = {}) => {
  stack = await startQuerydStack(options);
  return stack;
};
afterEach(() => stack.stop());

const pathOf = async (name: string): Promise<string> => {
  const manifest = await stack.catalogd.peer.verbs.manifest({ name });
  const location = await stack.storaged.peer.verbs.locate({ key: manifest.objects[0]?.key ?? "" });
  return location.kind === "local" ? location.path : "";
};
const cacheFolder = () => join(stack.directory, "queryd", "cache");
const copies = () => readdirSync(cacheFolder());
const errorOf = async (sql: string) => {
  const response = await stack.sql(sql);
  const { error } = (await response.json()) as {
    error: { type: string; message: string; details?: Record<string, unknown> };
  };
  return { status: response.status, ...error };
};

describe("local objects", () => {
  test("are read in place, and nothing is copied", async () => {
    await start();
    await stack.dataset("many", "SELECT range AS i FROM range(100)", { objects: 3 });
    expect(await stack.rows("SELECT count(*) AS n, sum(i) AS s FROM many")).toEqual([{ n: 100, s: 4950 }]);
    expect(copies()).toEqual([]);
  });

  test("a flipped bit is named, harms its dataset alone, and is over with the next version", async () => {
    await start();
    await stack.dataset("broken", "SELECT range AS i FROM range(1000)");
    await stack.dataset("whole", "SELECT 1 AS a");
    const path = await pathOf("broken");
    const bytes = readFileSync(path);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    for (let round = 0; round < 2; round++) {
      const error = await errorOf("SELECT * FROM broken");
      expect([error.status, error.type]).toEqual([500, "corrupt"]);
      expect(error.message).toContain("dataset 'broken'");
      expect(error.message).toContain("datasets/broken/");
      expect(error.message).not.toContain(stack.directory);
      expect(error.details).toMatchObject({ dataset: "broken", version: 1 });
    }
    expect(stack.queryd.running.notReady?.().join()).toContain("dataset 'broken'");
    expect(await stack.rows("SELECT * FROM whole")).toEqual([{ a: 1 }]);
    await stack.dataset("broken", "SELECT range AS i FROM range(10)");
    expect(await stack.rows("SELECT count(*) AS n FROM broken")).toEqual([{ n: 10 }]);
    expect(stack.queryd.running.notReady?.()).toEqual([]);
  });

  test("a file cut short and a file that is gone are named too", async () => {
    await start();
    await stack.dataset("short", "SELECT range AS i FROM range(1000)");
    await stack.dataset("gone", "SELECT range AS i FROM range(1000)");
    const path = await pathOf("short");
    writeFileSync(path, readFileSync(path).subarray(0, 200));
    expect(await errorOf("SELECT * FROM short")).toMatchObject({ status: 500, type: "corrupt" });
    const { objects } = await stack.catalogd.peer.verbs.manifest({ name: "gone" });
    await stack.storaged.peer.verbs.erase({ key: objects[0]?.key ?? "" });
    expect(await errorOf("SELECT * FROM gone")).toMatchObject({ status: 500, type: "corrupt" });
    expect((await errorOf("SELECT * FROM gone")).message).toContain("missing");
    expect(stack.queryd.running.notReady?.().length).toBe(2);
    await stack.catalogd.peer.verbs.drop({ name: "gone" });
    await stack.rows("SELECT 1");
    expect(stack.queryd.running.notReady?.().length).toBe(1);
  });

  test("an object that is not what the catalog says is not read", async () => {
    await start({
      storaged: (peer) => ({
        ...peer,
        verbs: {
          ...peer.verbs,
          locate: async (input, options) => {
            const location = await peer.verbs.locate(input, options);
            return { ...location, info: { ...location.info, etag: "0".repeat(64) } };
          },
        },
      }),
    });
    await stack.dataset("other", "SELECT 1 AS a");
    expect(await errorOf("SELECT * FROM other")).toMatchObject({ status: 500, type: "corrupt" });
  });

  test("an object that is no Parquet, and one that lacks a column, are the dataset's fault", async () => {
    await start();
    const body = "not parquet at all, but long enough";
    const put = await stack.storaged.send(
      new Request("http://localhost/storage/put/datasets/text.parquet", { method: "PUT", body }),
    );
    const { etag } = (await put.json()) as { etag: string };
    const objects = [
      { key: "datasets/text.parquet", bytes: body.length, etag, row_count: 1, statistics: [] },
    ];
    await stack.catalogd.peer.verbs.register({
      name: "text",
      columns: [{ name: "a", type: "BIGINT", nullable: true }],
      objects,
    });
    const error = await errorOf("SELECT * FROM text");
    expect([error.status, error.type]).toEqual([500, "corrupt"]);
    expect(error.message).not.toContain(stack.directory);
    const { objects: whole } = await stack.dataset("whole", "SELECT 1 AS a");
    await stack.catalogd.peer.verbs.register({
      name: "lacking",
      columns: [{ name: "b", type: "BIGINT", nullable: true }],
      objects: whole,
    });
    expect(await errorOf("SELECT * FROM lacking")).toMatchObject({ status: 500, type: "corrupt" });
  });

  test("a storaged that does not answer is 503, and nothing is held against the dataset", async () => {
    let answers = true;
    await start({
      storaged: (peer) => ({
        ...peer,
        verbs: {
          ...peer.verbs,
          locate: (input, options) =>
            answers
              ? peer.verbs.locate(input, options)
              : Promise.reject(fail("unavailable", "storaged is not running")),
        },
      }),
    });
    await stack.dataset("data", "SELECT 1 AS a");
    answers = false;
    expect(await errorOf("SELECT * FROM data")).toMatchObject({ status: 503, type: "unavailable" });
    expect(stack.queryd.running.notReady?.()).toEqual([]);
    answers = true;
    expect(await stack.rows("SELECT * FROM data")).toEqual([{ a: 1 }]);
    answers = false;
    expect(await stack.rows("SELECT * FROM data")).toEqual([{ a: 1 }]);
  });
});

/** A storaged on another machine: its paths are not here, its streams are. `watch` sees every download. */
const elsewhere =
  (watch: (path: string) => Promise<Response> | undefined = () => undefined) =>
  (peer: Peer<Storaged>): Peer<Storaged> => ({
    verbs: {
      ...peer.verbs,
      locate: async (input, options) => {
        const location = await peer.verbs.locate(input, options);
        return location.kind === "local" ? { ...location, path: `/far/away${location.path}` } : location;
      },
    },
    fetch: (path, init) => watch(path) ?? peer.fetch(path, init),
  });

/** A directory on another file system than temporary directories are, where this machine has one. */
const otherDisk =
  existsSync("/dev/shm") && statSync("/dev/shm").dev !== statSync(tmpdir()).dev ? "/dev/shm" : undefined;
if (otherDisk === undefined) process.stderr.write("objects: no second file system here: skipped\n");

test.skipIf(otherDisk === undefined)(
  "objects on another file system are copied, and within reach while they are read",
  async () => {
    const path = mkdtempSync(join(otherDisk ?? "", "lakehouse-"));
    try {
      await start({ buckets: { primary: { kind: "local", path } } });
      await stack.dataset("far", "SELECT range AS i FROM range(100)", { objects: 3 });
      const all = Array.from({ length: 20 }, (_, at) =>
        stack.rows(`SELECT sum(i) AS s FROM far WHERE i <> ${at}`),
      );
      expect((await Promise.all(all)).flat()).toEqual(all.map((_, at) => ({ s: 4950 - at })));
      expect(copies().length).toBe(3);
      expect(readdirSync(join(stack.directory, "queryd", "readable"))).toEqual([]);
    } finally {
      rmSync(path, { recursive: true });
    }
  },
);

describe("objects that are not on this machine", () => {
  test("are copied once, whoever asks, and found again after a restart", async () => {
    let downloads = 0;
    await start({
      storaged: elsewhere(() => {
        downloads++;
        return undefined;
      }),
    });
    await stack.dataset("far", "SELECT range AS i FROM range(1000)", { objects: 2 });
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => stack.rows("SELECT count(*) AS n FROM far")),
    );
    expect(answers).toEqual(Array(8).fill([{ n: 1000 }]));
    expect([downloads, copies().length]).toEqual([2, 2]);
    await stack.restart();
    expect(await stack.rows("SELECT count(*) AS n FROM far")).toEqual([{ n: 1000 }]);
    expect(downloads).toBe(2);
    const [name = ""] = copies();
    const bytes = readFileSync(join(cacheFolder(), name));
    bytes[50] = (bytes[50] ?? 0) ^ 1;
    await stack.restart();
    writeFileSync(join(cacheFolder(), name), bytes);
    expect(await stack.rows("SELECT sum(i) AS s FROM far")).toEqual([{ s: 499500 }]);
    expect([downloads, copies().length]).toEqual([3, 2]);
  });

  test("stay within the bound: what is used least goes, what is in use stays", async () => {
    await start({ storaged: elsewhere() });
    await stack.dataset("sizing", "SELECT range AS i, md5(range::VARCHAR) AS m FROM range(20_000)");
    const size = statSync(await pathOf("sizing")).size;
    await stack.stop();
    await start({ storaged: elsewhere(), queryd: { cache_max_bytes: Math.floor(size * 2.5) } });
    for (const name of ["a", "b", "c"])
      await stack.dataset(name, "SELECT range AS i, md5(range::VARCHAR) AS m FROM range(20_000)");
    const total = () => copies().reduce((sum, name) => sum + statSync(join(cacheFolder(), name)).size, 0);
    for (const name of ["a", "b", "a", "c", "a", "b"]) {
      expect(await stack.rows(`SELECT count(*) AS n FROM ${name}`)).toEqual([{ n: 20_000 }]);
      expect(total()).toBeLessThanOrEqual(size * 2.5);
    }
    expect(await errorOf("SELECT count(*) FROM a, b, c")).toMatchObject({
      status: 422,
      type: "resource_exhausted",
    });
    const streaming = await stack.sql("SELECT i, m FROM a, range(20)", { accept: "application/x-ndjson" });
    for (const name of ["b", "c", "b", "c"]) await stack.rows(`SELECT count(*) AS n FROM ${name}`);
    expect((await streaming.text()).split("\n").length).toBe(400_001);
  });

  const digestOf = (bytes: Uint8Array) =>
    `sha-256=:${new Bun.CryptoHasher("sha256").update(bytes).digest("base64")}:`;
  const wrong: [
    name: string,
    response: (whole: Uint8Array, etag: string) => Response,
    status: number,
    type: string,
  ][] = [
    ["cut short", (whole, etag) => new Response(whole.slice(0, -7), { headers: { etag } }), 500, "corrupt"],
    [
      "too long",
      (whole, etag) => new Response(Buffer.concat([whole, whole]), { headers: { etag } }),
      500,
      "corrupt",
    ],
    [
      "changed",
      (whole, etag) =>
        new Response(whole.map((byte, at) => (at === 40 ? byte ^ 1 : byte)) as Uint8Array<ArrayBuffer>, {
          headers: { etag, "repr-digest": digestOf(whole) },
        }),
      500,
      "corrupt",
    ],
    [
      "with another etag",
      (whole) => new Response(whole as Uint8Array<ArrayBuffer>, { headers: { etag: '"other"' } }),
      500,
      "corrupt",
    ],
    ["not found", () => new Response("no", { status: 404 }), 500, "corrupt"],
    ["refused for now", () => new Response("no", { status: 503 }), 503, "unavailable"],
  ];
  for (const [name, answer, status, type] of wrong)
    test(`a download that is ${name} is not used`, async () => {
      let spoil = true;
      let whole = new Uint8Array();
      let etag = "";
      await start({ storaged: elsewhere(() => (spoil ? Promise.resolve(answer(whole, etag)) : undefined)) });
      const { objects } = await stack.dataset("far", "SELECT range AS i FROM range(100)");
      whole = new Uint8Array(readFileSync(await pathOf("far").then((path) => path)));
      etag = `"${objects[0]?.etag}"`;
      expect(await errorOf("SELECT * FROM far")).toMatchObject({ status, type });
      expect(copies()).toEqual([]);
      spoil = false;
      expect(await stack.rows("SELECT count(*) AS n FROM far")).toEqual([{ n: 100 }]);
    });
});

describe.each(await testS3Servers(["rgw"]))("objects in S3 on $name", (server) => {
  let proxy: FaultyProxy;
  let options: StackOptions;
  beforeAll(async () => {
    proxy = await startFaultyProxy(server.endpoint);
  });
  // A store's bucket is refused to another store.
  beforeEach(async () => {
    const bucket = await server.newBucket();
    options = {
      buckets: { primary: { kind: "s3", bucket, endpoint: proxy.endpoint, path_style: true } },
      secrets: { s3: () => server.keys, provider: () => undefined },
    };
  });
  afterEach(() => proxy.clear());
  afterAll(() => proxy.stop());
  const flips = (at: number, times: number) =>
    proxy.add({ method: "GET", path: /\.parquet/, times, fault: { kind: "flip", at } });
  const fetches = () => proxy.seen().filter((request) => /^GET .*\.parquet/.test(request)).length;

  test("are read through the cache, keyed by etag", async () => {
    await start(options);
    await stack.dataset("remote", "SELECT range AS i, 'x' || range AS t FROM range(50_000)", { objects: 2 });
    expect(await stack.rows("SELECT count(*) AS n, max(t) AS t FROM remote")).toEqual([
      { n: 50_000, t: "x9999" },
    ]);
    expect(copies().length).toBe(2);
    await stack.dataset("remote", "SELECT 1::BIGINT AS i, 'y' AS t");
    expect(await stack.rows("SELECT * FROM remote")).toEqual([{ i: 1, t: "y" }]);
    expect(await errorOf("SELECT * FROM 's3://x/y.parquet'")).toMatchObject({ status: 403 });
  });

  test("a bit that is flipped on the way is fetched again", async () => {
    await start(options);
    const sizes = { small: 1000, large: 400_000 };
    for (const [name, rows] of Object.entries(sizes)) {
      await stack.dataset(name, `SELECT range AS i, md5(range::VARCHAR) AS m FROM range(${rows})`);
      proxy.clear();
      flips(200, 1);
      expect(await stack.rows(`SELECT sum(i)::BIGINT AS s FROM ${name}`)).toEqual([
        { s: (rows * (rows - 1)) / 2 },
      ]);
      expect(fetches()).toBeGreaterThan(1);
    }
    expect(stack.storaged.running.notReady?.()).toEqual([]);
  });

  test("a bit that is flipped at the server is named by everybody, and no cell is wrong", async () => {
    await start(options);
    for (const [name, rows] of Object.entries({ small: 1000, large: 400_000 })) {
      await stack.dataset(name, `SELECT range AS i, md5(range::VARCHAR) AS m FROM range(${rows})`);
      for (const at of [4, 150, 1000, -20]) {
        flips(at, 1000);
        const error = await errorOf(`SELECT * FROM ${name}`);
        expect([error.status, error.type, error.message]).toEqual([
          500,
          "corrupt",
          expect.stringContaining(`object 'datasets/${name}/`),
        ]);
        expect(stack.storaged.running.notReady?.().join()).toContain(`object 'datasets/${name}/`);
        expect(stack.queryd.running.notReady?.().join()).toContain(`dataset '${name}'`);
        expect(copies().length).toBe(name === "small" ? 0 : 1);
        proxy.clear();
      }
      expect(await stack.rows(`SELECT count(*) AS n FROM ${name}`)).toEqual([{ n: rows }]);
      expect(stack.storaged.running.notReady?.()).toEqual([]);
      expect(stack.queryd.running.notReady?.()).toEqual([]);
    }
  });

  test("a copy that is damaged is found, whenever it happened, also while another query reads it", async () => {
    await start(options);
    await stack.dataset("far", "SELECT range AS i, md5(range::VARCHAR) AS m FROM range(20_000)");
    const sum = () => stack.rows("SELECT sum(i)::BIGINT AS s FROM far");
    const right = [{ s: 199_990_000 }];
    expect(await sum()).toEqual(right);
    const damage: [string, (path: string) => void][] = [
      ["flipped", (path) => writeFileSync(path, flipped(readFileSync(path), 300))],
      ["cut", (path) => truncateSync(path, 500)],
      ["emptied", (path) => truncateSync(path, 0)],
      ["gone", (path) => rmSync(path)],
    ];
    for (const restarts of [false, true]) {
      for (const [what, harm] of damage) {
        const [name = ""] = copies();
        if (restarts) await stack.queryd.stop();
        harm(join(cacheFolder(), name));
        if (restarts) await stack.restart();
        expect({ what, rows: await sum() }).toEqual({ what, rows: right });
      }
    }
    const reading = await stack.sql("SELECT i, m FROM far, range(20)", { accept: "application/x-ndjson" });
    const [name = ""] = copies();
    rmSync(join(cacheFolder(), name));
    writeFileSync(join(cacheFolder(), name), "PAR1 and nothing else PAR1");
    expect(await sum()).toEqual(right);
    expect((await reading.text()).split("\n").length).toBe(400_001);
  });
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}
