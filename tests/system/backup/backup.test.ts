/** The drill: a backup while everything is written to, kill -9, a restore, and all that was acknowledged is there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { topology } from "../../../runtime/topology.ts";
import { slice } from "../../support/campaigns/slice.ts";
import { command } from "../../support/durability/backup-command.ts";
import { startWriting, type Writing } from "../../support/durability/backup-drill.ts";
import { damageOf, trackedWrites, unanswered } from "../../support/durability/tracked-writes.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { openTable } from "../../support/tables/tracked-table.ts";

const kinds = [...trackedWrites, openTable];
const services = Object.keys(topology).filter((name) => name !== "gateway");
const token = "a-token-of-this-drill";

/** Every file under the directory with its bytes, but for locks, which store it is, and what storaged notes of inodes. */
function contentOf(directory: string): Map<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  const kept = paths
    .filter((path) => !/lock\.sqlite|\.lakehouse\/meta\/|stamp\.json|store\.(json|lock)/.test(path))
    .sort();
  return new Map(
    kept.map((path) => [
      relative(directory, path),
      new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex"),
    ]),
  );
}

describe("a backup of a running product", () => {
  const home = temporaryDirectory("backup-drill");
  const kept = join(home.path, "kept");
  let product: Product;
  let writing: Writing;
  const backup = (...words: string[]) =>
    command("backup", [kept, "--gateway", product.url, "--json", ...words], { cwd: home.path });
  const restore = (to: string, ...words: string[]) =>
    command("restore", [kept, `--data_dir=${join(home.path, to)}`, "--json", ...words], { cwd: home.path });
  let before: Map<string, number[]>;
  let point = "";

  beforeAll(async () => {
    product = await startProduct({ dataDir: home.path });
    for (const tracked of kinds) await tracked.prepare?.(product.url);
    writing = startWriting(product.url, 0, kinds);
    await writing.more(2);
  });
  afterAll(async () => {
    await product?.end("SIGKILL");
    home.remove();
  });

  test("is taken while everything is written to", async () => {
    before = writing.acknowledged();
    const ran = await backup();
    if (ran.code !== 0) throw new Error(ran.err);
    const told = JSON.parse(ran.out);
    point = told.point;
    expect(told.damaged).toEqual([]);
    expect(told.files).toBeGreaterThan(20);
    await writing.more(1);
  });

  test("a second one copies only what is new, and drops nothing of the first", async () => {
    const { files, bytes, copied_files, copied_bytes } = JSON.parse((await backup()).out);
    expect(copied_files).toBeLessThan(files);
    expect(copied_bytes).toBeLessThan(bytes);
    const verified = await command("backup", [kept, "--verify", "--json"], { cwd: home.path });
    expect(JSON.parse(verified.out)).toMatchObject({ points: 2, faults: [] });
  });

  test("after kill -9 the point comes back whole, the same bytes each time", async () => {
    await product.end("SIGKILL");
    await writing.stop();
    const first = await restore("first/data", `--at=${point}`);
    if (first.code !== 0) throw new Error(first.err);
    const second = await restore("second/data", `--at=${point}`);
    expect(second.code).toBe(0);
    const content = contentOf(join(home.path, "first/data"));
    expect(content.size).toBeGreaterThan(20);
    expect(contentOf(join(home.path, "second/data"))).toEqual(content);
  });

  test("all that was acknowledged before is there, nothing is half, and questions are answered", async () => {
    product = await startProduct({ dataDir: join(home.path, "first") });
    expect(await writing.expected(before).faults(product.url)).toEqual([]);
    expect(await unanswered(product.url)).toEqual([]);
    expect(await damageOf(product.url, services)).toEqual([]);
  });

  test("the restored product goes on: new trackedWrites, and another backup of it", async () => {
    const more = startWriting(product.url, 100_000);
    await more.more(1);
    await more.stop();
    expect(await more.expected(more.acknowledged()).faults(product.url)).toEqual([]);
    expect((await backup()).code).toBe(0);
  });
});

describe("a backup through a gateway with a token", () => {
  const home = temporaryDirectory("backup-token");
  let product: Product;
  beforeAll(async () => {
    product = await startProduct({ dataDir: home.path, env: { AUTH_TOKEN: token } });
  });
  afterAll(async () => {
    await product?.end();
    home.remove();
  });
  const words = () => [join(home.path, "kept"), "--gateway", product.url];

  test("is refused without it and with another, and says where it comes from", async () => {
    for (const env of [{}, { AUTH_TOKEN: "wrong" }] as Record<string, string>[]) {
      const ran = await command("backup", words(), { cwd: home.path, env });
      expect(ran.code).toBe(1);
      expect(ran.err).toContain("The token comes from AUTH_TOKEN or the configuration");
    }
  });

  test("is taken with it, and its object comes back with its type", async () => {
    const authorization = `Bearer ${token}`;
    const path = "/v1/storage/put/a%20b/%C3%A4%23%3F%25.txt";
    const headers = { authorization, "content-type": "text/plain" };
    await fetch(product.url + path, { method: "PUT", body: "hello", headers });
    const ran = await command("backup", words(), { cwd: home.path, env: { AUTH_TOKEN: token } });
    expect(ran.err + ran.out).toStartWith("point ");
    expect(ran.code).toBe(0);
    const target = join(home.path, "restored");
    const restored = await command("restore", [join(home.path, "kept"), `--data_dir=${target}/data`], {
      cwd: home.path,
    });
    expect(restored.out).toContain("1 objects and");
    const again = await startProduct({ dataDir: target });
    const answer = await fetch(again.url + path.replace("/put/", "/get/"));
    expect(await answer.text()).toBe("hello");
    expect(answer.headers.get("content-type")).toBe("text/plain");
    await again.end();
  });
});

test("a slice of the campaign that kills backups, restores and the product", async () => {
  expect((await slice("kills/backup.ts", "--count=1", "--seed=10")).restored).toBe(1);
});
