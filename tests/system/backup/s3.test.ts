/** Backups of what is in S3: read through storaged, put back into an empty bucket there, or onto a disk. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../../support/durability/backup-command.ts";
import { startWriting, type Writing } from "../../support/durability/backup-drill.ts";
import { trackedWrites } from "../../support/durability/tracked-writes.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { testS3Servers } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

/** Those whose bytes are in buckets alone. */
const kinds = trackedWrites.filter(({ name }) => ["object", "dataset", "version", "vectors"].includes(name));
/** More than goes to S3 in one part: its etag there is no hash of its bytes. */
const large = new Uint8Array(20_000_000).map((_, at) => (at * 7919) >> 5);

describe.each(await testS3Servers(["seaweedfs"]))("a backup of a product on $name", (s3) => {
  const home = temporaryDirectory("backup-s3");
  const kept = join(home.path, "kept");
  let product: Product;
  let writing: Writing;
  let before: Map<string, number[]>;

  const envOn = async (): Promise<Record<string, string>> => {
    const bucket = await s3.newBucket();
    const secrets = join(home.path, `${bucket}.toml`);
    const { accessKeyId, secretAccessKey } = s3.keys;
    const text = `[s3.primary]\naccess_key_id = "${accessKeyId}"\nsecret_access_key = "${secretAccessKey}"\n`;
    writeFileSync(secrets, text, { mode: 0o600 });
    const table = `{ kind = "s3", bucket = "${bucket}", endpoint = "${s3.endpoint}" }`;
    return { LH_BUCKETS: `{ primary = ${table} }`, LH_SECRETS_PATH: secrets };
  };
  const backup = async () => {
    const words = [kept, "--gateway", product.url, "--json"];
    const ran = await command("backup", words, { cwd: home.path });
    if (ran.code !== 0) throw new Error(ran.err);
    return JSON.parse(ran.out);
  };
  const restore = (to: string, env: Record<string, string>, ...words: string[]) =>
    command("restore", [kept, `--data_dir=${join(home.path, to)}`, "--json", ...words], {
      cwd: home.path,
      env,
    });
  /** Starts it over what was restored, which must be what was acknowledged. */
  const startChecked = async (dataDir: string, env: Record<string, string>) => {
    const again = await startProduct({ dataDir: join(home.path, dataDir), env });
    expect(await writing.expected(before).faults(again.url)).toEqual([]);
    const answer = await fetch(`${again.url}/v1/storage/get/large.bin`);
    expect(answer.headers.get("content-type")).toBe("image/png");
    expect(Buffer.compare(await answer.bytes(), large)).toBe(0);
    return again;
  };

  beforeAll(async () => {
    product = await startProduct({ dataDir: home.path, env: await envOn() });
    const headers = { "content-type": "image/png" };
    await fetch(`${product.url}/v1/storage/put/large.bin`, { method: "PUT", body: large, headers });
    for (const tracked of kinds) await tracked.prepare?.(product.url);
    writing = startWriting(product.url, 0, kinds);
    await writing.more(2);
  });
  afterAll(async () => {
    await product?.end("SIGKILL");
    home.remove();
  });

  test("is taken while writes go on; a second one reads again only what is new", async () => {
    const { copied_bytes } = await backup();
    expect(copied_bytes).toBeGreaterThan(large.length);
    before = writing.acknowledged();
    await writing.more(1);
    const second = await backup();
    expect(second.damaged).toEqual([]);
    expect(second.bytes).toBeGreaterThan(large.length);
    expect(second.copied_bytes).toBeLessThan(large.length);
    await writing.stop();
    await product.end("SIGKILL");
  });

  test("goes back into another bucket of the server, and not over one that holds something", async () => {
    const env = await envOn();
    const ran = await restore("there/data", env);
    if (ran.code !== 0) throw new Error(ran.err);
    for (let time = 0; time < 2; time++) {
      const refused = await restore("elsewhere/data", env);
      expect(refused.err).toContain("is bucket 'primary' of another store");
      expect(refused.err).toContain("empty it wholly");
    }
    await (await startChecked("there", env)).end("SIGKILL");
  });

  test("goes back onto a disk", async () => {
    const ran = await restore("local/data", {});
    if (ran.code !== 0) throw new Error(ran.err);
    product = await startChecked("local", {});
  });

  test("goes from there to the server again, and its datasets are known by the same etags", async () => {
    const { damaged, copied_bytes } = await backup();
    expect(damaged).toEqual([]);
    expect(copied_bytes).toBeLessThan(large.length);
    await product.end("SIGKILL");
    const env = await envOn();
    const ran = await restore("again/data", env);
    if (ran.code !== 0) throw new Error(ran.err);
    await (await startChecked("again", env)).end("SIGKILL");
  });
});
