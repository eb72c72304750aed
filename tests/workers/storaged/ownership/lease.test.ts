/** One holder of a bucket at a time, on real servers: time is the test's, of two machines whose clocks do not agree. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { createLease, type Lease } from "../../../../workers/storaged/ownership/lease.ts";
import { leaseObject } from "../../../../workers/storaged/ownership/lease-object.ts";
import { openLeaseTokens } from "../../../../workers/storaged/ownership/lease-tokens.ts";
import { type ConditionalWrites, probeServer } from "../../../../workers/storaged/s3-client/capabilities.ts";
import { createS3Connection } from "../../../../workers/storaged/s3-client/connection.ts";
import { refusal } from "../../../conformance/bucket.ts";
import { patientClock } from "../../../support/product/patient-clock.ts";
import { startFaultyProxy } from "../../../support/s3/faulty-proxy.ts";
import { testS3Servers } from "../../../support/s3/server.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const { signal } = new AbortController();
const log = createLog("test", "error", () => {});
const newId = () => crypto.randomUUID();
/** So long that only the test lets it pass. */
const leaseMs = 600_000;
const home = temporaryDirectory("leases");
afterAll(home.remove);
let made = 0;
const newFolder = () => join(home.path, String(made++));

/** A machine's clocks. Held, its time passes and none of its waits ends, as for a stopped process. */
function machine(wallOffMs = 0) {
  const patient = patientClock();
  let heldMs = 0;
  let jumpedMs = wallOffMs;
  const clock = {
    ...patient,
    now: () => patient.now() + jumpedMs + heldMs,
    elapsed: () => patient.elapsed() + heldMs,
  };
  return {
    clock,
    pass: patient.pass,
    hold: (ms: number) => {
      heldMs += ms;
    },
    /** It slept: the monotonic clock stood still. */
    sleep: (ms: number) => {
      jumpedMs += ms;
    },
  };
}

/** Resolves for all when each of so many has come; who does not come says so as well. */
function meeting(count: number): (who: number) => Promise<void> {
  const all = Promise.withResolvers<void>();
  const come = new Set<number>();
  return (who) => {
    if (come.add(who).size === count) all.resolve();
    return all.promise;
  };
}

describe.each(await testS3Servers(["rgw"]))("the lease of a bucket on $name", (s3) => {
  const opened: Lease[] = [];
  afterEach(async () => {
    for (const lease of opened.splice(0)) await lease.stop();
  });
  const connect = (bucket: string, endpoint = s3.endpoint, retries = 3) =>
    createS3Connection({
      name: "far",
      server: s3.server(bucket, { endpoint, retries }),
      clock: systemClock,
      log,
    });
  let native: ConditionalWrites | undefined;
  const nativeWrites = async (bucket: string) => {
    native ??= (await probeServer(connect(bucket), newId, signal)).writes;
    expect(native.mode).toBe("native");
    return native;
  };
  interface Opening {
    on?: ReturnType<typeof machine>;
    folder?: string;
    endpoint?: string;
    retries?: number;
    mode?: "native" | "locked";
    holder?: string;
    verify?: () => Promise<void>;
    wasAnothers?: () => Promise<void>;
    settle?: () => Promise<void>;
  }
  const open = async (bucket: string, options: Opening = {}) => {
    const { on = machine(), folder = newFolder(), endpoint, retries, mode = "native" } = options;
    const writes = mode === "native" ? await nativeWrites(bucket) : ({ mode: "locked" } as const);
    const { clock } = on;
    const lease = createLease({
      bucket: "far",
      storeId: "a-store",
      object: leaseObject(connect(bucket, endpoint, retries), () => writes, {
        // Nobody writes at the same time unless the test says so.
        sleep: options.settle ?? (async () => {}),
      }),
      verify: options.verify ?? (async () => {}),
      wasAnothers: options.wasAnothers,
      tokens: await openLeaseTokens(folder, "far"),
      holder: options.holder ?? "process 1 on here",
      leaseMs,
      clock,
      log,
      newId,
    });
    opened.push(lease);
    return lease;
  };
  /** As after kill -9: it renews no more and gives nothing back. */
  const forget = (lease: Lease) => void opened.splice(opened.indexOf(lease), 1);

  describe.each(["native", "locked"] as const)("conditions %s", (mode) => {
    test("while it is renewed nobody else gets it, whatever their clocks say; given back, at once", async () => {
      const bucket = await s3.newBucket();
      const one = machine();
      const first = await open(bucket, { mode, on: one, holder: "process 7 on host-a" });
      await first.take(signal);
      const others = await Promise.all(
        [-86_400_000, 86_400_000].map(async (off) => {
          const on = machine(off);
          return { on, lease: await open(bucket, { mode, on }) };
        }),
      );
      for (let round = 0; round < 3; round++) {
        for (const { on, lease } of others) {
          const error = await refusal(lease.take(signal));
          expect(error.type).toBe("unavailable");
          expect(error.message).toContain("bucket 'far' is held by another Lakehouse (process 7 on host-a)");
          on.hold(leaseMs * 2);
        }
        one.hold(leaseMs * 0.7);
        await first.ensure(signal);
      }
      await first.stop();
      await others[0]?.lease.take(signal);
      await refusal(others[1]?.lease.take(signal) ?? Promise.resolve());
    });

    test("one that is damaged is named, and is free when it has stayed so for a lease's time", async () => {
      const bucket = await s3.newBucket();
      const body = new TextEncoder().encode("{");
      await connect(bucket).expect({ method: "PUT", key: ".lakehouse/lease.json", body, signal }, 200);
      const on = machine();
      const lease = await open(bucket, { mode, on });
      expect((await refusal(lease.take(signal))).message).toContain("the lease of bucket 'far' is damaged");
      on.hold(leaseMs);
      await lease.take(signal);
    });

    test("of a holder that was killed it is free when it has not changed for its time, on the other's own clock", async () => {
      const bucket = await s3.newBucket();
      const killed = await open(bucket, { mode });
      await killed.take(signal);
      forget(killed);
      const two = machine();
      const second = await open(bucket, { mode, on: two });
      await refusal(second.take(signal));
      two.hold(leaseMs - 5000);
      await refusal(second.take(signal));
      two.hold(5000);
      await second.take(signal);
      await second.ensure(signal);
    });
  });

  test("after kill -9 the same directory has it back at once; a copy of the directory has not", async () => {
    const bucket = await s3.newBucket();
    const folder = newFolder();
    const first = await open(bucket, { folder });
    await first.take(signal);
    forget(first);
    const copy = newFolder();
    cpSync(folder, copy, { recursive: true });
    await refusal((await open(bucket, { folder: copy })).take(signal));
    await (await open(bucket, { folder })).take(signal);
    // What is known of it is cut short: then it is waited for.
    const torn = newFolder();
    cpSync(folder, torn, { recursive: true });
    writeFileSync(join(torn, "far.json"), '{"is":');
    await refusal((await open(bucket, { folder: torn })).take(signal));
  });

  test("whether another had it since is known, by a copy of the directory too", async () => {
    const bucket = await s3.newBucket();
    const folder = newFolder();
    let others = 0;
    const take = async (from = folder) => {
      others = 0;
      const wasAnothers = async () => {
        others += 1;
      };
      const lease = await open(bucket, { folder: from, wasAnothers });
      await lease.take(signal);
      return lease;
    };
    await (await take()).stop();
    expect(others).toBe(0);
    const killed = await take();
    forget(killed);
    expect(others).toBe(0);
    await (await take()).stop();
    expect(others).toBe(0);
    const copy = newFolder();
    cpSync(folder, copy, { recursive: true });
    await (await take(copy)).stop();
    expect(others).toBe(0);
    await (await take()).stop();
    expect(others).toBe(1);
  });

  test.each(["held", "asleep"])(
    "a process that was %s asks before it writes, and goes on where nobody came",
    async (how) => {
      const bucket = await s3.newBucket();
      const proxy = await startFaultyProxy(s3.endpoint);
      const one = machine();
      const lease = await open(bucket, { on: one, endpoint: proxy.endpoint });
      await lease.take(signal);
      proxy.clear();
      await lease.ensure(signal);
      expect(proxy.seen()).toEqual([]);
      if (how === "held") one.hold(leaseMs);
      else one.sleep(leaseMs);
      await lease.ensure(signal);
      expect(proxy.seen().join()).toContain("PUT");
      await lease.stop();
      await proxy.stop();
    },
  );

  test.each(["held", "asleep"])(
    "a process that was %s while another came writes no more, until it is restarted",
    async (how) => {
      const bucket = await s3.newBucket();
      const one = machine();
      const two = machine();
      const folder = newFolder();
      const first = await open(bucket, { on: one, folder });
      await first.take(signal);
      const second = await open(bucket, { on: two, holder: "process 9 on host-b" });
      await refusal(second.take(signal));
      two.hold(leaseMs);
      await second.take(signal);
      if (how === "held") one.hold(leaseMs);
      else one.sleep(leaseMs);

      const error = await refusal(first.ensure(signal));
      expect(error.type).toBe("unavailable");
      expect(error.message).toContain("was taken by another Lakehouse (process 9 on host-b)");
      expect(first.lost()).toBe(error.message);
      await second.stop();
      // Though it is free again: what this process knows may be old.
      expect((await refusal(first.ensure(signal))).message).toBe(error.message);
      expect((await refusal(first.take(signal))).message).toBe(error.message);
      await (await open(bucket, { folder })).take(signal);
    },
  );

  test("an answer that was lost, and a server that is away, lose nothing that is not taken", async () => {
    const bucket = await s3.newBucket();
    const proxy = await startFaultyProxy(s3.endpoint);
    const one = machine();
    const lease = await open(bucket, { on: one, endpoint: proxy.endpoint });
    await lease.take(signal);
    for (const fault of [{ kind: "lose" }, { kind: "status", status: 503 }] as const) {
      proxy.add({ method: "PUT", times: 1, fault });
      one.hold(leaseMs);
      await lease.ensure(signal);
    }
    proxy.add({ times: 1000, fault: { kind: "drop" } });
    // Certain for a while, whatever the server does.
    await lease.ensure(signal);
    one.hold(leaseMs);
    expect((await refusal(lease.ensure(signal))).message).toContain("bucket 'far'");
    proxy.clear();
    // Every try of the renewal was carried out and none was heard of.
    proxy.add({ method: "PUT", times: 4, fault: { kind: "lose" } });
    await refusal(lease.ensure(signal));
    await lease.ensure(signal);
    expect(lease.lost()).toBeUndefined();
    await lease.stop();
    await proxy.stop();
  });

  test.each(["native", "locked"] as const)(
    "of many that come at once one has it, conditions %s",
    async (mode) => {
      const bucket = await s3.newBucket();
      // Without conditions: they look again when every writing has arrived.
      const come = meeting(6);
      const take = async (_: unknown, who: number) => {
        const lease = await open(bucket, { mode, settle: () => come(who) });
        return lease.take(signal).finally(() => void come(who));
      };
      const outcomes = await Promise.allSettled(Array.from({ length: 6 }, take));
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    },
  );

  test("where the lease is gone the bucket is looked at before it is taken again", async () => {
    const bucket = await s3.newBucket();
    const one = machine();
    let looks = 0;
    const verify = async () => {
      looks += 1;
      throw new Error("emptied");
    };
    const lease = await open(bucket, { on: one, verify });
    await lease.take(signal);
    await connect(bucket).expect({ method: "DELETE", key: ".lakehouse/lease.json", signal }, 204, 200);
    one.hold(leaseMs);
    await expect(lease.ensure(signal)).rejects.toThrow("emptied");
    expect(looks).toBe(1);
  });
});
