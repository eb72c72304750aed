/** What is removed or replaced in a bucket on S3 behind storaged is named, and nothing else is; on real servers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { inspectBucket } from "../../../../workers/storaged/backup/inspection.ts";
import { openS3Bucket } from "../../../../workers/storaged/s3/s3.ts";
import type { UploadLedger } from "../../../../workers/storaged/s3/upload-ledger.ts";
import { createS3Connection } from "../../../../workers/storaged/s3-client/connection.ts";
import { fetchText, noise, refusal, store } from "../../../conformance/bucket.ts";
import { type FaultyProxy, startFaultyProxy } from "../../../support/s3/faulty-proxy.ts";
import { inventoryIn } from "../../../support/s3/inventory.ts";
import { testS3Servers } from "../../../support/s3/server.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const { signal } = new AbortController();
const lines: string[] = [];
const log = createLog("test", "info", (line) => lines.push(line));
const forgetful: UploadLedger = { left: () => [], begun: async () => {}, ended: async () => {} };
const large = noise((8 << 20) + 1);

describe.each(await testS3Servers(["rgw"]))("acknowledged on $name", (s3) => {
  const home = temporaryDirectory("inventories");
  const closing: (() => Promise<unknown>)[] = [];
  let proxy: FaultyProxy;
  let made = 0;
  beforeAll(async () => {
    proxy = await startFaultyProxy(s3.endpoint);
  });
  afterAll(async () => {
    for (const close of closing.splice(0)) await close();
    await proxy.stop();
    home.remove();
  });

  /** A bucket over the data directory; an older one is left as by a kill. */
  const open = async (name: string, { dataDir = join(home.path, String(made++)), adopt = false } = {}) => {
    const { inventory, closeMarks, file } = await inventoryIn(dataDir, { log, adopt });
    const newId = () => crypto.randomUUID();
    const server = s3.server(name, { endpoint: proxy.endpoint, retries: 0 });
    const options = { name: "far", server, clock: systemClock, log, newId, ledger: forgetful, inventory };
    const bucket = openS3Bucket(options);
    closing.push(bucket.stop, closeMarks);
    while (bucket.notReady().length > 0) await Bun.sleep(1);
    return { bucket, inventory, dataDir, file };
  };
  const start = async () => {
    const name = await s3.newBucket();
    const { expect: ask } = createS3Connection({ name, server: s3.server(name), clock: systemClock, log });
    const direct = {
      remove: (key: string) => ask({ method: "DELETE", key, signal }, 200, 204),
      copy: async (key: string) => {
        const { headers, body } = await ask({ method: "GET", key, streamed: true, signal }, 200);
        const kept = [...headers].filter(([header]) => header.startsWith("x-amz-meta-"));
        return {
          headers: Object.fromEntries(kept),
          body: new Uint8Array(await new Response(body).arrayBuffer()),
        };
      },
      put: (key: string, object: { headers?: Record<string, string>; body: Uint8Array<ArrayBuffer> }) =>
        ask({ method: "PUT", key, ...object, signal }, 200),
    };
    return { name, direct, ...(await open(name)) };
  };
  const text = (body: string) => ({ body: new TextEncoder().encode(body) });
  /** A copy of the data directory as a kill leaves it, opened. */
  const afterKill = ({ name, dataDir }: { name: string; dataDir: string }, adopt = false) => {
    const copy = join(home.path, String(made++));
    cpSync(dataDir, copy, { recursive: true });
    return open(name, { dataDir: copy, adopt });
  };

  test.each(["removed", "older", "another program's"])(
    "%s: corrupt for every read, named, and put right by the bytes, a delete or the operator",
    async (damage) => {
      const { direct, bucket, ...home } = await start();
      const keys = ["a/hit", "b/bytes", "c/deleted"];
      await store(bucket, "a/other", "other");
      for (const key of keys) {
        await store(bucket, key, "old");
        const older = await direct.copy(key);
        await store(bucket, key, "new");
        if (damage === "removed") await direct.remove(key);
        else await direct.put(key, damage === "older" ? older : text("foreign"));
      }
      const [hit = "", bytes = "", deleted = ""] = keys;
      const page = await bucket.list({ prefix: "", pageSize: 10, signal });
      expect([page.objects.map(({ key }) => key), page.corrupt]).toEqual([["a/other"], keys]);
      const folder = await bucket.list({ prefix: "a/", delimiter: "/", pageSize: 10, signal });
      expect(folder.corrupt).toEqual([hit]);
      for (const read of [
        () => bucket.head(hit, signal),
        () => bucket.open(hit, undefined, signal),
        () => bucket.open(hit, { first: 0, last: 1 }, signal),
        () => bucket.locate(hit, signal),
        () => store(bucket, hit, "x", { ifMatch: "*" }),
        () => store(bucket, hit, "x", { ifNoneMatch: "*" }),
      ])
        expect((await refusal(read())).type).toBe("corrupt");
      for (const key of keys) expect(bucket.notReady().join()).toContain(`'${key}'`);
      const findings: string[] = [];
      for await (const found of inspectBucket(bucket, { clock: systemClock, signal }))
        if ("finding" in found) findings.push(`${found.finding.severity} ${found.finding.place}`);
      expect(findings).toEqual(keys.map((key) => `damage far://${key}`));
      expect(await fetchText(bucket, "a/other")).toBe("other");

      await store(bucket, bytes, "right");
      expect(await bucket.remove(deleted, {}, signal)).toBe(true);
      expect((await refusal(bucket.head(deleted, signal))).type).toBe("not_found");
      expect(bucket.notReady()).toHaveLength(1);
      const { bucket: accepting } = await afterKill(home, true);
      const kept = await accepting.head(hit, signal).catch(({ type }) => type);
      expect(damage === "removed" ? kept : typeof kept).toBe(damage === "removed" ? "not_found" : "object");
      expect(await fetchText(accepting, bytes)).toBe("right");
      // What was accepted is what is claimed from then on.
      await direct.remove(bytes);
      expect((await refusal(accepting.head(bytes, signal))).type).toBe("corrupt");
    },
  );

  test("deleted here, or never written here: no damage", async () => {
    const { direct, bucket } = await start();
    await store(bucket, "deleted", "1");
    await bucket.remove("deleted", {}, signal);
    await direct.put("theirs", text("1"));
    expect(await fetchText(bucket, "theirs")).toBe("1");
    await direct.remove("theirs");
    for (const key of ["deleted", "theirs", "never"])
      expect((await refusal(bucket.head(key, signal))).type).toBe("not_found");
    expect(await bucket.remove("never", {}, signal)).toBe(false);
    expect(bucket.notReady()).toEqual([]);
  });

  test("a large one, older and removed, is corrupt; put back in one piece it is right, though its etag is another", async () => {
    const { direct, bucket } = await start();
    await store(bucket, "large", large);
    const older = await direct.copy("large");
    await store(bucket, "large", large);
    const newer = await direct.copy("large");
    const range = { first: 0, last: 1 };
    await direct.put("large", older);
    expect((await refusal(bucket.open("large", range, signal))).type).toBe("corrupt");
    await direct.remove("large");
    expect((await refusal(bucket.open("large", undefined, signal))).type).toBe("corrupt");
    expect(bucket.notReady().join()).toContain("'large'");
    await direct.put("large", newer);
    expect((await bucket.list({ prefix: "", pageSize: 10, signal })).corrupt).toEqual([]);
    await fetchText(bucket, "large");
    expect(bucket.notReady()).toEqual([]);
  });

  test.each(["before the server has it", "before it is settled"])(
    "a kill between intent and settlement, %s: both are right, and then what is there",
    async (when) => {
      const { direct, bucket, ...home } = await start();
      await store(bucket, "written", "old");
      await store(bucket, "removed", "old");
      const isDone = when === "before it is settled";
      const fault = { kind: isDone ? "lose" : "drop" } as const;
      for (const method of ["PUT", "DELETE"])
        proxy.add({ method, times: 20, path: /written|removed|first/, fault });
      await refusal(store(bucket, "written", "new"));
      await refusal(bucket.remove("removed", {}, signal));
      await refusal(store(bucket, "first", "new"));
      proxy.clear();
      const { bucket: next } = await afterKill(home);
      const read = (key: string) => fetchText(next, key).catch(({ type }) => type);
      const seen = [await read("written"), await read("removed"), await read("first")];
      expect(seen).toEqual(isDone ? ["new", "not_found", "new"] : ["old", "old", "not_found"]);
      expect((await next.list({ prefix: "", pageSize: 10, signal })).corrupt).toEqual([]);
      expect(next.notReady()).toEqual([]);
      await direct.remove("written");
      expect((await refusal(next.head("written", signal))).type).toBe("corrupt");
      if (!isDone) return;
      await direct.remove("first");
      expect((await refusal(next.head("first", signal))).type).toBe("corrupt");
    },
  );

  test("a write that is refused claims nothing", async () => {
    const { direct, bucket } = await start();
    await direct.put("theirs", text("1"));
    expect((await refusal(store(bucket, "theirs", "2", { ifNoneMatch: "*" }))).type).toBe(
      "precondition_failed",
    );
    await direct.put("theirs", text("3"));
    expect(await fetchText(bucket, "theirs")).toBe("3");
    await direct.remove("theirs");
    expect((await refusal(bucket.head("theirs", signal))).type).toBe("not_found");
  });

  test.each(["removed", "emptied", "cut by 1", "older", "an entry is flipped", "its log removed"])(
    "the inventory itself, %s: it accuses nobody, and what is written next is known",
    async (damage) => {
      const { direct, bucket, inventory, name, dataDir, file } = await start();
      const older = `${file}.older`;
      await store(bucket, "a", "old");
      inventory.close();
      copyFileSync(file, older);
      const { etag } = (await store(bucket, "a", "new")).info;
      await store(bucket, "b", "1");
      if (damage !== "its log removed") inventory.close();
      if (damage === "removed") rmSync(file);
      if (damage === "emptied") truncateSync(file);
      if (damage === "cut by 1") truncateSync(file, readFileSync(file).length - 1);
      if (damage === "older") copyFileSync(older, file);
      if (damage === "an entry is flipped") {
        const bytes = readFileSync(file);
        const at = bytes.indexOf(etag);
        expect(at).toBeGreaterThan(0);
        bytes[at] = (bytes[at] as number) ^ 1;
        writeFileSync(file, bytes);
      }
      const copy = join(home.path, String(made++));
      cpSync(dataDir, copy, { recursive: true });
      if (damage === "its log removed") rmSync(join(copy, "inventory/far.sqlite-wal"));
      lines.length = 0;
      const { bucket: next } = await open(name, { dataDir: copy });
      for (const [key, body] of [
        ["a", "new"],
        ["b", "1"],
      ] as const)
        expect(await fetchText(next, key)).toBe(body);
      expect((await next.list({ prefix: "", pageSize: 10, signal })).corrupt).toEqual([]);
      expect(next.notReady()).toEqual([]);
      const isSaid = lines.some((line) => line.includes("is begun anew"));
      expect(isSaid).toBe(damage !== "an entry is flipped");
      await store(next, "a", "newer");
      await direct.remove("a");
      expect((await refusal(next.head("a", signal))).type).toBe("corrupt");
    },
  );

  test("a page is not longer than asked for, however much is missing", async () => {
    const { direct, bucket } = await start();
    const keys = ["a", "b", "c", "d", "e"];
    for (const key of keys) await store(bucket, key, key);
    for (const key of keys.slice(1)) await direct.remove(key);
    const pages: string[][] = [];
    let pageToken: string | undefined;
    do {
      const page = await bucket.list({ prefix: "", pageSize: 2, pageToken, signal });
      pages.push([...page.objects.map(({ key }) => key), ...page.corrupt]);
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
    expect(pages.flat()).toEqual(keys);
    expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(3);
  });
});
