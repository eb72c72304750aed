/**
 * The drill: a backup while everything is written to, kill -9 of whoever works, a restore, and all that was acknowledged is
 * there. At random instants, and as often as it is told: `bun tests/campaigns/kills/backup.ts`.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { topology } from "../../../runtime/topology.ts";
import { openRepository } from "../../../scripts/backup/repository.ts";
import { begin, command } from "../../support/durability/backup-command.ts";
import { startWriting, type Writing } from "../../support/durability/backup-drill.ts";
import { damageOf, trackedWrites, unanswered } from "../../support/durability/tracked-writes.ts";
import { reload } from "../../support/faults/rotation.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { openTable } from "../../support/tables/tracked-table.ts";

const kinds = [...trackedWrites, openTable];
const services = Object.keys(topology).filter((name) => name !== "gateway");
const token = "a-token-of-this-drill";
/** Names are bytes of a URL, and an object has its type. */
const object = { key: "a%20b/%C3%A4%23%3F%25.txt", type: "text/plain", text: "hello" };

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
  const tokens = join(home.path, "auth.env");
  const first = join(home.path, "first/data");
  let product: Product;
  let writing: Writing;
  const words = () => [kept, "--gateway", product.url, "--json"];
  const backup = () => command("backup", words(), { cwd: home.path });
  const pointsNow = async () => (await openRepository(kept, { write: false })).points();
  /** Resolves when the command has come so far, or has ended before. */
  const far = async (child: Bun.Subprocess, path: string) => {
    while (child.exitCode === null && !existsSync(path)) await Bun.sleep(1);
  };
  let before: Map<string, number[]>;
  let point = "";

  beforeAll(async () => {
    product = await startProduct({ dataDir: home.path });
    for (const tracked of kinds) await tracked.prepare?.(product.url);
    const headers = { "content-type": object.type };
    const body = object.text;
    await fetch(`${product.url}/v1/storage/put/${object.key}`, { method: "PUT", body, headers });
    writing = startWriting(product.url, 0, kinds);
    await writing.more(2);
  });
  afterAll(async () => {
    await product?.end("SIGKILL");
    home.remove();
  });

  test("that is killed leaves no half point", async () => {
    const killed = begin("backup", words(), { cwd: home.path });
    await far(killed, join(kept, "holding.json"));
    killed.kill("SIGKILL");
    await killed.exited;
    expect(await pointsNow()).toEqual([]);
  });

  test("is taken while everything is written to, after one that was killed", async () => {
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
    const { point: second, files, bytes, copied_files, copied_bytes } = JSON.parse((await backup()).out);
    expect(copied_files).toBeLessThan(files);
    expect(copied_bytes).toBeLessThan(bytes);
    expect(await pointsNow()).toEqual([point, second]);
  });

  test("a third one, while which the product is killed, says so and takes nothing of the others", async () => {
    const others = await pointsNow();
    const cut = begin("backup", words(), { cwd: home.path });
    const said = new Response(cut.stderr).text();
    await far(cut, join(kept, "holding.json"));
    await product.end("SIGKILL");
    await cut.exited;
    await writing.stop();
    expect(await said).not.toMatch(/ {4}at |^unexpected: /m);
    expect((await pointsNow()).slice(0, 2)).toEqual(others);
  });

  test("the point comes back whole, also by a restore that was killed, the same bytes each time", async () => {
    const from = (to: string) => [kept, `--data_dir=${to}`, `--at=${point}`];
    const killed = begin("restore", from(first), { cwd: home.path });
    await far(killed, first);
    killed.kill("SIGKILL");
    await killed.exited;
    const again = await command("restore", [...from(first), "--json"], { cwd: home.path });
    if (again.code !== 0) throw new Error(again.err);
    const second = await command("restore", from(join(home.path, "second/data")), { cwd: home.path });
    expect(second.out).toMatch(new RegExp(`^restored point ${point} into .*: \\d+ objects and \\d+ files`));
    expect(second.code).toBe(0);
    const content = contentOf(first);
    expect(content.size).toBeGreaterThan(20);
    expect(contentOf(join(home.path, "second/data"))).toEqual(content);
  });

  test("all that was acknowledged before is there, nothing is half, and questions are answered", async () => {
    writeFileSync(tokens, "# none yet\n", { mode: 0o600 });
    const env = { LH_AUTH_ENV_FILE: tokens };
    product = await startProduct({ dataDir: join(home.path, "first"), env });
    expect(await writing.expected(before).faults(product.url)).toEqual([]);
    expect(await unanswered(product.url)).toEqual([]);
    expect(await damageOf(product.url, services)).toEqual([]);
    const answer = await fetch(`${product.url}/v1/storage/get/${object.key}`);
    expect([await answer.text(), answer.headers.get("content-type")]).toEqual([object.text, object.type]);
  });

  test("the restored product goes on: new trackedWrites", async () => {
    const more = startWriting(product.url, 100_000);
    await more.more(1);
    await more.stop();
    expect(await more.expected(more.acknowledged()).faults(product.url)).toEqual([]);
  });

  test("another backup of it, of a gateway with a token, is refused without it and with another, and says where it comes from", async () => {
    writeFileSync(tokens, `AUTH_TOKEN=${token}\n`);
    await reload(product);
    for (const env of [{}, { AUTH_TOKEN: "wrong" }] as Record<string, string>[]) {
      const ran = await command("backup", words(), { cwd: home.path, env });
      expect(ran.code).toBe(1);
      expect(ran.err).toContain("The token comes from AUTH_TOKEN or the configuration");
    }
  });

  test("is taken with it, and after all of that every checksum holds", async () => {
    const before = (await pointsNow()).length;
    const env = { AUTH_TOKEN: token };
    const ran = await command("backup", [kept, "--gateway", product.url], { cwd: home.path, env });
    expect(ran.err + ran.out).toStartWith("point ");
    expect(ran.code).toBe(0);
    const verified = await command("backup", [kept, "--verify", "--json"], { cwd: home.path });
    expect(JSON.parse(verified.out)).toMatchObject({ points: before + 1, faults: [] });
  });
});
