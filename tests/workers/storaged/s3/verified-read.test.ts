/** Objects in S3 whose bytes are not what was stored: found, named, and never given whole. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { inspectBucket } from "../../../../workers/storaged/backup/inspection.ts";
import { type Bucket, parseRange } from "../../../../workers/storaged/bucket/bucket.ts";
import { collect } from "../../../../workers/storaged/bucket/streams.ts";
import { orphanedChecksums } from "../../../../workers/storaged/s3/checksums.ts";
import { openS3Bucket } from "../../../../workers/storaged/s3/s3.ts";
import type { UploadLedger } from "../../../../workers/storaged/s3/upload-ledger.ts";
import { createS3Connection, type S3Connection } from "../../../../workers/storaged/s3-client/connection.ts";
import { elements, textOf } from "../../../../workers/storaged/s3-client/xml.ts";
import { fetchText, noise, refusal, store } from "../../../conformance/bucket.ts";
import { type FaultyProxy, startFaultyProxy } from "../../../support/s3/faulty-proxy.ts";
import { testS3Servers } from "../../../support/s3/server.ts";

const { signal } = new AbortController();
const log = createLog("test", "error");
const newId = () => crypto.randomUUID();
const MiB = 1024 * 1024;
const forgetful: UploadLedger = { left: () => [], begun: async () => {}, ended: async () => {} };
const markHeader = "x-amz-meta-lakehouse-put";

describe.each(await testS3Servers())("S3 on $name, with bits that change", (s3) => {
  let proxy: FaultyProxy;
  let bucket: Bucket;
  let direct: S3Connection;
  beforeAll(async () => {
    proxy = await startFaultyProxy(s3.endpoint);
    const name = await s3.newBucket();
    const server = s3.server(name, { endpoint: proxy.endpoint });
    bucket = openS3Bucket({ name: "far", server, clock: systemClock, log, newId, ledger: forgetful });
    direct = createS3Connection({ name: "direct", server: s3.server(name), clock: systemClock, log });
    while (bucket.notReady().length > 0) await Bun.sleep(1);
  });
  afterEach(() => proxy.clear());
  afterAll(async () => {
    await bucket.stop();
    await proxy.stop();
  });

  const flips = (key: string, at: number, times = 1000) =>
    proxy.add({ method: "GET", path: new RegExp(`/${key}(\\?|$)`), times, fault: { kind: "flip", at } });
  const read = async (key: string, range?: string): Promise<Uint8Array> => {
    const { body } = await bucket.open(key, parseRange(range ?? null), signal);
    return collect(body);
  };
  const sums = async () => {
    const query = { "list-type": "2", prefix: ".lakehouse/sums/" };
    return elements((await direct.expect({ method: "GET", query, signal }, 200)).text, "Key");
  };
  const findings = async () => {
    const found: string[] = [];
    for await (const step of inspectBucket(bucket, { clock: systemClock, signal })) {
      if (!("finding" in step)) continue;
      const { severity, place, problem } = step.finding;
      found.push(`${severity} ${place} ${problem}`);
    }
    return found;
  };
  const isNamed = async (key: string) => {
    expect(bucket.notReady().join()).toContain(`object '${key}' is corrupt`);
    expect((await findings()).join()).toContain(`damage far://${key} `);
    expect(await refusal(bucket.locate(key, signal))).toMatchObject({ type: "corrupt" });
  };

  test("a small object is asked for once more, and is corrupt when it is wrong again", async () => {
    await store(bucket, "small", "some text");
    flips("small", 3, 1);
    expect(await fetchText(bucket, "small")).toBe("some text");
    expect(bucket.notReady()).toEqual([]);
    flips("small", 3);
    expect(await refusal(read("small"))).toMatchObject({ type: "corrupt", details: { key: "small" } });
    expect(await refusal(read("small", "bytes=0-1"))).toMatchObject({ type: "corrupt" });
    await isNamed("small");
    proxy.clear();
    expect((await bucket.locate("small", signal)).info.bytes).toBe(9);
    expect(bucket.notReady()).toEqual([]);
  });

  test.each([3, 9])("an object of %i MiB breaks off before its end", async (size) => {
    const bytes = noise(size * MiB);
    await store(bucket, "large", bytes);
    expect(Buffer.compare(await read("large"), bytes)).toBe(0);
    for (const at of [0, MiB, -1]) {
      flips("large", at);
      const { body } = await bucket.open("large", undefined, signal);
      let given = 0;
      const work = (async () => {
        for await (const chunk of body) given += chunk.length;
      })();
      expect(await refusal(work)).toMatchObject({ type: "corrupt" });
      expect(given).toBeLessThan(bytes.length);
      await isNamed("large");
      proxy.clear();
    }
    flips("large", -1, 1);
    expect(await refusal(read("large"))).toMatchObject({ type: "bad_gateway" });
    expect(Buffer.compare(await read("large"), bytes)).toBe(0);
    while (bucket.notReady().length > 0) await Bun.sleep(1);
  });

  test("a range is given of parts that were checked", async () => {
    const bytes = noise(20 * MiB, 7);
    await store(bucket, "parts", bytes);
    const spans = [
      [0, 0],
      [5, 8 * MiB - 1],
      [8 * MiB - 1, 8 * MiB],
      [MiB, 19 * MiB],
      [20 * MiB - 1, 20 * MiB - 1],
    ] as const;
    for (const [first, last] of spans) {
      const got = await read("parts", `bytes=${first}-${last}`);
      expect(Buffer.compare(got, bytes.subarray(first, last + 1))).toBe(0);
    }
    // Counted in the answer, which begins with the part that holds the first byte asked for.
    flips("parts", 5 * MiB);
    expect(await refusal(read("parts", `bytes=${9 * MiB}-${10 * MiB}`))).toMatchObject({ type: "corrupt" });
  });

  test("an object whose checksums are gone is corrupt; they go with their object", async () => {
    await bucket.remove("large", {}, signal);
    await bucket.remove("parts", {}, signal);
    expect(await sums()).toEqual([]);
    await store(bucket, "big", noise(9 * MiB));
    const [first = ""] = await sums();
    await store(bucket, "big", noise(10 * MiB));
    expect(await sums()).toHaveLength(1);
    expect(await sums()).not.toContain(first);
    await store(bucket, "big", "small now");
    expect(await sums()).toEqual([]);
    await store(bucket, "big", noise(9 * MiB));
    const [key = ""] = await sums();
    const { text } = await direct.expect({ method: "GET", key, signal }, 200);
    const put = (body: string) =>
      direct.expect({ method: "PUT", key, body: new TextEncoder().encode(body), signal }, 200);
    await put(text.replace('"bytes":', '"bytes" :1'));
    expect(await refusal(read("big"))).toMatchObject({
      type: "corrupt",
      message: expect.stringContaining("checksums are damaged"),
    });
    await direct.expect({ method: "DELETE", key, signal }, 204);
    expect(await refusal(read("big", "bytes=0-1"))).toMatchObject({ type: "corrupt" });
    expect(await refusal(read("big"))).toMatchObject({ message: expect.stringContaining("are missing") });
    await isNamed("big");
    await put(text);
    expect((await read("big")).length).toBe(9 * MiB);
    // Replaced behind our back: nobody needs them any more.
    const body = new TextEncoder().encode("somebody else's");
    await direct.expect({ method: "PUT", key: "big", body, signal }, 200);
    expect(await findings()).toEqual([]);
    const later = Date.now() + 2 * 60 * 60 * 1000;
    const orphans = await Array.fromAsync(orphanedChecksums({ name: "far", connection: direct }, later));
    expect(orphans).toMatchObject([{ severity: "leftover", place: key }]);
  });

  test("what others stored, or an earlier version did, is known by its etag", async () => {
    const text = new TextEncoder().encode("put by another program");
    await direct.expect({ method: "PUT", key: "theirs", body: text, signal }, 200);
    expect(await fetchText(bucket, "theirs")).toBe("put by another program");
    flips("theirs", 5);
    expect(await refusal(read("theirs"))).toMatchObject({ type: "corrupt" });
    await isNamed("theirs");

    const parts = [noise(8 * MiB, 1), noise(8 * MiB, 2), noise(3, 3)];
    const key = "earlier";
    const headers = { [markHeader]: "a-mark" };
    const begun = await direct.expect({ method: "POST", key, query: { uploads: "" }, headers, signal }, 200);
    const uploadId = textOf(begun.text, "UploadId") ?? "";
    const etags: string[] = [];
    for (const [at, body] of parts.entries()) {
      const query = { partNumber: String(at + 1), uploadId };
      const { headers: answered } = await direct.expect({ method: "PUT", key, query, body, signal }, 200);
      etags.push(answered.get("etag") ?? "");
    }
    const list = etags.map(
      (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
    );
    const body = new TextEncoder().encode(
      `<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`,
    );
    await direct.expect({ method: "POST", key, query: { uploadId }, body, signal }, 200);
    expect(Buffer.compare(await read(key), Buffer.concat(parts))).toBe(0);
    for (const at of [0, 8 * MiB, -1]) {
      flips(key, at);
      expect(await refusal(read(key))).toMatchObject({ type: "corrupt" });
      proxy.clear();
    }
  });

  test("bytes that others wrote under our checksum are corrupt", async () => {
    await store(bucket, "swapped", "what was stored");
    const { headers } = await direct.expect({ method: "HEAD", key: "swapped", signal }, 200);
    const ours = [...headers].filter(([name]) => name.startsWith("x-amz-meta-"));
    const body = new TextEncoder().encode("what was stolen");
    const request = {
      method: "PUT",
      key: "swapped",
      headers: Object.fromEntries(ours),
      body,
      signal,
    } as const;
    await direct.expect(request, 200);
    expect(await refusal(read("swapped"))).toMatchObject({ type: "corrupt" });
    await isNamed("swapped");
    await store(bucket, "swapped", "put again");
    expect(bucket.notReady().join()).not.toContain("swapped");
  });
});
