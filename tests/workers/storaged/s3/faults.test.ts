import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import type { Bucket } from "../../../../workers/storaged/bucket/bucket.ts";
import { collect } from "../../../../workers/storaged/bucket/streams.ts";
import { openS3Bucket } from "../../../../workers/storaged/s3/s3.ts";
import type { UploadLedger } from "../../../../workers/storaged/s3/upload-ledger.ts";
import { createS3Connection, type S3Server } from "../../../../workers/storaged/s3-client/connection.ts";
import { elements } from "../../../../workers/storaged/s3-client/xml.ts";
import { fetchText, noise, refusal, store } from "../../../conformance/bucket.ts";
import { patientClock } from "../../../support/product/patient-clock.ts";
import { type FaultyProxy, startFaultyProxy } from "../../../support/s3/faulty-proxy.ts";
import { testS3Servers } from "../../../support/s3/server.ts";

const { signal } = new AbortController();
const lines: Record<string, unknown>[] = [];
const log = createLog("test", "info", (line) => lines.push(JSON.parse(line)));
const newId = () => crypto.randomUUID();
const MiB = 1024 * 1024;
const secret = "wrong-secret-that-must-not-be-shown";

/** No uploads are left from earlier here. */
const forgetful: UploadLedger = { left: () => [], begun: async () => {}, ended: async () => {} };

/** Time passes faster between two tries; limits run out when the test says so. */
const patient = patientClock();
const clock = { ...patient, sleep: (_: number, stop?: AbortSignal) => systemClock.sleep(5, stop) };
/** Lets time pass again and again until the work is over. */
const passing = async <T>(work: Promise<T>): Promise<T> => {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  work.then(end, end);
  for (; !isOver; await Bun.sleep(2)) patient.pass();
  return work;
};

describe.each(await testS3Servers())("$name with faults", (s3) => {
  let proxy: FaultyProxy;
  let bucketName: string;
  const opened: Bucket[] = [];
  const open = (changes: Partial<S3Server> = {}) => {
    const server = s3.server(bucketName, {
      endpoint: proxy.endpoint,
      timeoutMs: 600_000,
      retries: 2,
      ...changes,
    });
    const bucket = openS3Bucket({ name: "far", server, clock, log, newId, ledger: forgetful });
    opened.push(bucket);
    return bucket;
  };
  /** A bucket whose probe is over, so that its requests do not meet the test's rules. */
  const openCalm = async (changes: Partial<S3Server> = {}) => {
    const bucket = open(changes);
    for (let first = true; first || bucket.notReady().length > 0; first = false) await Bun.sleep(1);
    proxy.clear();
    return bucket;
  };
  const uploads = async () => {
    const connection = createS3Connection({ name: "direct", server: s3.server(bucketName), clock, log });
    return elements(
      (await connection.expect({ method: "GET", query: { uploads: "" }, signal }, 200)).text,
      "Upload",
    );
  };

  beforeAll(async () => {
    bucketName = await s3.newBucket();
    proxy = await startFaultyProxy(s3.endpoint);
  });
  afterEach(async () => {
    proxy.clear();
    for (const bucket of opened.splice(0)) await bucket.stop();
  });
  afterAll(() => proxy.stop());

  const refusals = [
    {
      name: "a wrong secret",
      changes: () => ({ keys: { accessKeyId: s3.keys.accessKeyId, secretAccessKey: secret } }),
      contains: ["access denied", "check [s3.far]"],
    },
    {
      name: "an unknown key",
      changes: () => ({ keys: { accessKeyId: "NOBODY", secretAccessKey: secret } }),
      contains: ["access denied", "check [s3.far]"],
    },
    {
      name: "a missing bucket",
      changes: () => ({ bucket: "there-is-no-such-bucket" }),
      contains: ["there is no bucket 'there-is-no-such-bucket'", "create it or correct [buckets.far]"],
    },
    {
      name: "a server that is not there",
      changes: () => ({ endpoint: "http://127.0.0.1:1", retries: 1 }),
      contains: ["no answer from http://127.0.0.1:1", "is the server up"],
    },
  ];
  for (const { name, changes, contains } of refusals) {
    test(`${name} is a clear bad_gateway for every operation`, async () => {
      const bucket = open(changes());
      const operations = {
        put: () => store(bucket, "x", "1"),
        "large put": () => store(bucket, "x", noise(9 * MiB)),
        get: () => bucket.open("x", undefined, signal),
        range: () => bucket.open("x", { first: 0 }, signal),
        head: () => bucket.head("x", signal),
        remove: () => bucket.remove("x", {}, signal),
        list: () => bucket.list({ prefix: "", pageSize: 10, signal }),
        locate: () => bucket.locate("x", signal),
      };
      for (const [operation, run] of Object.entries(operations)) {
        const error = await refusal(run());
        expect(`${operation} ${error.type}`).toBe(`${operation} bad_gateway`);
        expect(error.message).toContain("bucket 'far'");
        // A HEAD has no body: the server cannot say more than its status there.
        for (const text of contains) expect(error.message).toContain(text);
        expect(JSON.stringify([error.message, error.details])).not.toContain(secret);
      }
      expect(bucket.notReady().join()).toContain(contains[0] ?? "");
    });
  }

  test.each([
    { kind: "status", status: 500, body: "<Error><Code>InternalError</Code></Error>" } as const,
    { kind: "status", status: 503, body: "<Error><Code>SlowDown</Code></Error>" } as const,
    { kind: "drop" } as const,
  ])("a passing fault is not noticed: %p", async (fault) => {
    const bucket = await openCalm();
    for (const method of ["PUT", "GET", "HEAD", "DELETE"]) proxy.add({ method, times: 2, fault });
    await store(bucket, "passing", "through");
    expect(await fetchText(bucket, "passing")).toBe("through");
    expect((await bucket.list({ prefix: "passing", pageSize: 10, signal })).objects).toHaveLength(1);
    expect(await bucket.remove("passing", {}, signal)).toBe(true);
  });

  test("a fault in every part of a large object is not noticed", async () => {
    const bucket = await openCalm();
    const bytes = noise(20 * MiB);
    for (const part of [1, 2, 3]) {
      proxy.add({ path: new RegExp(`partNumber=${part}`), times: 1, fault: { kind: "lose" } });
    }
    proxy.add({ method: "POST", path: /uploads=/, times: 1, fault: { kind: "drop" } });
    await store(bucket, "large/parts", bytes);
    const { body } = await bucket.open("large/parts", undefined, signal);
    expect(Buffer.compare(await collect(body), bytes)).toBe(0);
    expect(await uploads()).toEqual([]);
  });

  test("a lasting 503 is a bad_gateway that says how often it was tried, and leaves nothing", async () => {
    const bucket = await openCalm();
    proxy.add({
      method: "PUT",
      times: 1000,
      fault: { kind: "status", status: 503, body: "<Error><Code>SlowDown</Code></Error>" },
    });
    const error = await refusal(store(bucket, "lasting", "1"));
    expect(error.type).toBe("bad_gateway");
    expect(error.message).toContain("503 SlowDown, 3 times");
    expect(proxy.seen().filter((line) => line.startsWith("PUT")).length).toBeGreaterThanOrEqual(3);
    const large = await refusal(store(bucket, "lasting", noise(20 * MiB)));
    expect(large.type).toBe("bad_gateway");
    proxy.clear();
    expect((await refusal(bucket.head("lasting", signal))).type).toBe("not_found");
    expect(await uploads()).toEqual([]);
  });

  test("a server that fails is not ready, and ready again when it is well", async () => {
    const bucket = await openCalm();
    proxy.add({ times: 4, fault: { kind: "status", status: 500 } });
    expect((await refusal(bucket.head("x", signal))).type).toBe("bad_gateway");
    expect(bucket.notReady().join()).toContain("answered 500");
    for (; bucket.notReady().length > 0; ) await Bun.sleep(1);
  });

  test("an answer lost on the way is not taken for a refusal", async () => {
    const bucket = await openCalm();
    proxy.add({ method: "PUT", path: /lost/, times: 1, fault: { kind: "lose" } });
    const first = await store(bucket, "lost/put", "mine", { ifNoneMatch: "*" });
    expect(first.created).toBe(true);
    proxy.add({ method: "PUT", path: /lost/, times: 1, fault: { kind: "lose" } });
    const second = await store(bucket, "lost/put", "mine again", { ifMatch: first.info.etag });
    expect(second.created).toBe(false);
    expect(await fetchText(bucket, "lost/put")).toBe("mine again");
    proxy.add({ method: "POST", path: /uploadId/, times: 1, fault: { kind: "lose" } });
    const large = await store(bucket, "lost/large", noise(9 * MiB), { ifNoneMatch: "*" });
    expect(large.info.bytes).toBe(9 * MiB);
    expect((await refusal(store(bucket, "lost/put", "other", { ifNoneMatch: "*" }))).type).toBe(
      "precondition_failed",
    );
  });

  test("a body that is cut off is an error of the stream, at any byte", async () => {
    const bucket = await openCalm();
    await store(bucket, "cut", noise(3 * MiB));
    for (const bytes of [1, 100_000, 3 * MiB - 1]) {
      proxy.add({ method: "GET", path: /cut/, times: 1, fault: { kind: "cut", bytes } });
      const { body } = await bucket.open("cut", undefined, signal);
      const error = await refusal(collect(body));
      expect(error.type).toBe("bad_gateway");
      expect(error.message).toContain("bucket 'far'");
    }
    expect((await collect((await bucket.open("cut", undefined, signal)).body)).length).toBe(3 * MiB);
  });

  test("a server that falls silent in a body is an error of the stream", async () => {
    const bucket = await openCalm();
    await store(bucket, "stalled", noise(3 * MiB));
    proxy.add({ method: "GET", path: /stalled/, times: 1, fault: { kind: "stall", bytes: 200_000 } });
    const reader = (await bucket.open("stalled", undefined, signal)).body.getReader();
    for (let bytes = 0; bytes < 200_000; ) bytes += (await reader.read()).value?.length ?? 0;
    const error = await passing(refusal(reader.read()));
    expect(error.type).toBe("deadline_exceeded");
    expect(error.message).toContain("was silent for 600000 ms");
  });

  test("a server that never answers is a deadline_exceeded, once", async () => {
    const bucket = await openCalm();
    proxy.add({ method: "HEAD", path: /never/, times: 5, fault: { kind: "silent" } });
    const work = refusal(bucket.head("never", signal));
    while (!proxy.seen().some((line) => line.includes("never"))) await Bun.sleep(1);
    const error = await passing(work);
    expect(error.type).toBe("deadline_exceeded");
    expect(error.message).toContain("s3_timeout_ms");
    expect(proxy.seen().filter((line) => line.includes("never"))).toHaveLength(1);
  });

  test("a slow reader is not taken for a silent server", async () => {
    const bucket = await openCalm();
    await store(bucket, "slow", noise(2 * MiB));
    const { body } = await bucket.open("slow", undefined, signal);
    const reader = body.getReader();
    let bytes = (await reader.read()).value?.length ?? 0;
    // Far more than the limit passes while nobody reads, and what it would end has its moment.
    for (let times = 0; times < 20; times++) {
      patient.pass();
      await Bun.sleep(2);
    }
    for (let next = await reader.read(); !next.done; next = await reader.read()) bytes += next.value.length;
    expect(bytes).toBe(2 * MiB);
  });

  test("a caller that goes away stops the request and its retries", async () => {
    const bucket = await openCalm();
    const leaving = new AbortController();
    proxy.add({ path: /abandoned/, times: 9, fault: { kind: "silent" } });
    const work = refusal(bucket.head("abandoned", leaving.signal));
    while (!proxy.seen().some((line) => line.includes("abandoned"))) await Bun.sleep(1);
    leaving.abort(new DOMException("gone", "AbortError"));
    expect((await work).type).toBe("client_closed");
    expect(proxy.seen().filter((line) => line.includes("abandoned"))).toHaveLength(1);
  });

  test("what the server supports is logged once, and again when it has changed", async () => {
    lines.length = 0;
    const bucket = open();
    expect(bucket.describe()).toMatchObject({ conditional_writes: "unknown" });
    expect(bucket.describe()).not.toHaveProperty("lacks");
    const logged = () => lines.filter(({ msg }) => msg === "what the S3 server supports");
    const again = async () => {
      proxy.add({ times: 3, path: /doubt/, fault: { kind: "status", status: 500 } });
      await refusal(bucket.head("doubt", signal));
      while (bucket.notReady().length > 0) await Bun.sleep(1);
    };
    while (bucket.notReady().length > 0) await Bun.sleep(1);
    await again();
    expect(logged()).toHaveLength(1);
    expect(logged()[0]).toMatchObject({
      bucket: "far",
      endpoint: proxy.endpoint,
      conditional_writes: "native",
    });
    proxy.add({ path: /probe/, conditional: true, times: 99, fault: { kind: "status", status: 200 } });
    await again();
    expect(logged()).toHaveLength(2);
    expect(logged()[1]).toMatchObject({ conditional_writes: "locked" });
  });

  const honoured: { name: string; status?: number; mode: string; lacks: string }[] = [
    { name: "honours conditions", mode: "native", lacks: "" },
    { name: "ignores them", status: 200, mode: "locked", lacks: "answers 200 to If-None-Match: *" },
    {
      name: "does not know them",
      status: 501,
      mode: "locked",
      lacks: "answers 501 to If-Match on a missing",
    },
  ];
  for (const { name, status, mode, lacks } of honoured) {
    test(`a server that ${name}: ${mode}, and of many that create one does`, async () => {
      const fault = { kind: "status", status: status ?? 0 } as const;
      if (status) proxy.add({ path: /probe/, conditional: true, times: 99, fault });
      const bucket = open();
      while (bucket.notReady().length > 0) await Bun.sleep(1);
      const described = bucket.describe();
      expect(described.conditional_writes).toBe(mode as "native");
      expect(described.lacks?.join()).toContain(lacks);
      proxy.clear();
      const key = `many/${crypto.randomUUID()}`;
      const winners = await Promise.all(
        Array.from({ length: 8 }, (_, at) =>
          store(bucket, key, `${at}`, { ifNoneMatch: "*" }).catch((error) => error.type),
        ),
      );
      expect(winners.filter((winner) => winner === "precondition_failed")).toHaveLength(7);
      const listed = await bucket.list({ prefix: "", pageSize: 1000, signal });
      expect(listed.objects.some((object) => object.key.includes("probe"))).toBe(false);
    });
  }

  const refusing = [
    { what: "writes", method: "PUT", says: "the trial at the start was to write '.lakehouse/probe/" },
    { what: "deletes", method: "DELETE", says: "the trial at the start was to delete '.lakehouse/probe/" },
    { what: "lists", method: "GET", says: "the trial at the start was to list '.lakehouse/probe/" },
  ];
  for (const { what, method, says } of refusing) {
    test(`a server that refuses ${what} is not ready, and says what it refused and the remedy`, async () => {
      const body = "<Error><Code>AccessDenied</Code></Error>";
      proxy.add({ method, times: 1000, fault: { kind: "status", status: 403, body } });
      const bucket = open();
      while (!bucket.notReady().join().includes("denied")) await Bun.sleep(1);
      const [reason = ""] = bucket.notReady();
      for (const text of ["bucket 'far': access denied", "may list, read, write and delete", says])
        expect(reason).toContain(text);
      expect(bucket.describe().conditional_writes).toBe("unknown");
      proxy.clear();
      while (bucket.notReady().length > 0) await Bun.sleep(1);
      expect(bucket.describe().conditional_writes).toBe("native");
    });
  }

  test("a list that does not go on is an error, not a loop", async () => {
    const bucket = await openCalm();
    const page = `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>`;
    proxy.add({ path: /list-type/, times: 9, fault: { kind: "status", status: 200, body: page } });
    const error = await refusal(bucket.list({ prefix: "", pageSize: 5, signal }));
    expect(error.message).toContain("says that its list goes on, and gives nothing more");
    expect(proxy.seen().filter((line) => line.includes("list-type"))).toHaveLength(2);
  });

  test("an object's keys and a full server have their own errors", async () => {
    const bucket = await openCalm();
    proxy.add({
      method: "PUT",
      path: /full/,
      times: 1,
      fault: { kind: "status", status: 403, body: "<Error><Code>QuotaExceeded</Code></Error>" },
    });
    expect((await refusal(store(bucket, "full", "1"))).type).toBe("storage_full");
    proxy.add({
      method: "PUT",
      path: /moved/,
      times: 1,
      fault: { kind: "status", status: 301, body: "<Error><Code>PermanentRedirect</Code></Error>" },
    });
    const moved = await refusal(store(bucket, "moved", "1"));
    expect(moved.message).toContain("check endpoint and region");
  });
});
