/** Objects in and out: beside bare files, and the memory that a large one takes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { noise } from "../../conformance/bucket.ts";
import { inTurn, report, throughput, timed } from "../../support/campaigns/measure.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { testS3Servers } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const MiB = 1024 * 1024;
const home = temporaryDirectory("bench-storaged");
const piece = noise(MiB);
const [s3] = await testS3Servers();
let product: Product;
let url: string;

beforeAll(async () => {
  let far = "";
  if (s3) {
    const { bucket, endpoint } = s3.server(await s3.newBucket());
    far = `[buckets.far]\nkind = "s3"\nbucket = "${bucket}"\nendpoint = "${endpoint}"\n`;
    const { accessKeyId, secretAccessKey } = s3.keys;
    const secrets = `[s3.far]\naccess_key_id = "${accessKeyId}"\nsecret_access_key = "${secretAccessKey}"\n`;
    writeFileSync(join(home.path, "secrets.toml"), secrets);
    chmodSync(join(home.path, "secrets.toml"), 0o600);
  }
  const limit = `[storaged]\nmax_put_bytes = ${4096 * MiB}\n`;
  writeFileSync(join(home.path, "bench.toml"), `${limit}[buckets.primary]\nkind = "local"\n${far}`);
  product = await startProduct({
    dataDir: home.path,
    env: { LH_SECRETS_PATH: join(home.path, "secrets.toml") },
    flags: ["--only", "storaged", "--config", join(home.path, "bench.toml")],
  });
  url = product.addresses.storaged ?? "";
});
afterAll(async () => {
  await product.end();
  home.remove();
});

/** A body of so many MiB that is made as it is sent. */
const body = (pieces: number): ReadableStream<Uint8Array> => {
  let left = pieces;
  return new ReadableStream({
    pull: (controller) => {
      if (left-- > 0) controller.enqueue(piece);
      else controller.close();
    },
  });
};
const put = async (key: string, content: BodyInit) => {
  const response = await fetch(`${url}/storage/put/${key}`, {
    method: "PUT",
    body: content,
    duplex: "half",
  } as RequestInit);
  expect(response.status).toBeLessThan(202);
  await response.text();
};
const get = async (key: string): Promise<number> => {
  const response = await fetch(`${url}/storage/get/${key}`);
  let bytes = 0;
  for await (const chunk of response.body ?? []) bytes += chunk.length;
  return bytes;
};
const memoryKiB = (field: string): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${product.pid}/status`, "utf8"))?.[1]);

test("storaged: large objects beside bare files", async () => {
  const pieces = 256;
  const bare = async () => {
    const hasher = new Bun.CryptoHasher("sha256");
    const file = await open(join(home.path, "bare"), "w");
    for (let at = 0; at < pieces; at++) {
      hasher.update(piece);
      await file.writeFile(piece);
    }
    await file.sync();
    await file.close();
    hasher.digest("hex");
  };
  const reads = async () => {
    for await (const _ of Bun.file(join(home.path, "bare")).stream()) {
    }
  };
  const ms = await inTurn(3, {
    bareWrite: () => timed(bare),
    put: () => timed(() => put("large", body(pieces))),
    bareRead: () => timed(reads),
    get: () => timed(async () => expect(await get("large")).toBe(pieces * MiB)),
  });
  report("storaged.large", {
    "PUT MB/s": (pieces * 1.048576) / (ms.put / 1000),
    "write, hash, fsync MB/s": (pieces * 1.048576) / (ms.bareWrite / 1000),
    "PUT/bare": ms.put / ms.bareWrite,
    "GET MB/s": (pieces * 1.048576) / (ms.get / 1000),
    "read MB/s": (pieces * 1.048576) / (ms.bareRead / 1000),
  });
});

test("storaged: small objects", async () => {
  const small = noise(4096);
  let made = 0;
  const rates = await inTurn(3, {
    one: () => throughput(200, 1, () => put(`small/${made++}`, small)),
    sixteen: () => throughput(800, 16, () => put(`small/${made++}`, small)),
    reads: () => throughput(4000, 16, () => get("small/1")),
  });
  report("storaged.small", {
    "PUT/s one at a time": rates.one,
    "PUT/s, 16 at once": rates.sixteen,
    "GET/s, 16 at once": rates.reads,
  });
});

const large: { bucket: string; pieces: number }[] = [
  { bucket: "primary", pieces: 2048 },
  ...(s3 ? [{ bucket: "far", pieces: 1024 }] : []),
];
for (const { bucket, pieces } of large) {
  test(`storaged: memory while ${pieces} MiB go in and out of '${bucket}'`, async () => {
    await put(`${bucket}://warm`, body(16));
    const idle = memoryKiB("VmRSS");
    writeFileSync(`/proc/${product.pid}/clear_refs`, "5");
    const putMs = await timed(() => put(`${bucket}://huge`, body(pieces)));
    const afterPut = memoryKiB("VmHWM");
    const getMs = await timed(async () => expect(await get(`${bucket}://huge`)).toBe(pieces * MiB));
    const afterGet = memoryKiB("VmHWM");
    await fetch(`${url}/storage/delete/${bucket}://huge`, { method: "DELETE" });
    report(`storaged.memory.${bucket}`, {
      "idle MiB": idle / 1024,
      "PUT grows MiB": (afterPut - idle) / 1024,
      "GET grows MiB": (afterGet - idle) / 1024,
      "PUT MB/s": (pieces * 1.048576) / (putMs / 1000),
      "GET MB/s": (pieces * 1.048576) / (getMs / 1000),
    });
    expect(afterGet - idle).toBeLessThan(300 * 1024);
  });
}
