import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { topology } from "../../../runtime/topology.ts";
import {
  damageOf,
  done,
  json,
  Ledger,
  trackedWrites,
  unanswered,
} from "../../support/durability/tracked-writes.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { canSetWallClock, makeWallClock, type WallClock } from "../../support/product/wall-clock.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

if (!canSetWallClock) process.stderr.write("clock: needs Linux and a C compiler: skipped\n");

const services = Object.keys(topology).filter((name) => name !== "gateway");
const day = 24 * 60 * 60;
const never = /no write is refused because of a clock/;
const cluster = { source: "mcp", success: false, error: "TimeoutError: too late", endpoint: "/v1/sql" };

interface Version {
  version: number;
  created_at: string;
}

describe.skipIf(!canSetWallClock)("the wall clock is set back and forward", () => {
  const home = temporaryDirectory("clock-lake");
  const ledger = new Ledger();
  /** What was answered at each step, in their order. */
  const versions: Version[] = [];
  const changes: { step: number; at: string }[] = [];
  let clock: WallClock;
  let product: Product;
  let step = 0;

  const start = async () => {
    product = await startProduct({ dataDir: home.path, env: clock.env });
  };
  const get = async <T>(path: string) => (await (await fetch(product.url + path)).json()) as T;
  /** One of everything. */
  const live = async () => {
    step += 1;
    for (const tracked of trackedWrites)
      ledger.note(tracked, step, await done(tracked, product.url, step, never));
    const loaded = await ingest(product.url, "name=history", `id\n${step}\n`);
    expect(loaded.status).toBe(200);
    versions.push(await get<Version>("/v1/catalog/manifest/history"));
    const body = { uid: "aging", content: { step } };
    const changed = await json(product.url, step === 1 ? "/v1/pathway/add" : "/v1/pathway/update", body);
    expect(changed.ok).toBe(true);
    changes.push({ step, at: ((await changed.json()) as { updated_at: string }).updated_at });
    expect((await json(product.url, "/v1/observer/event", { ...cluster, duration_ms: 1 })).status).toBe(200);
  };
  /** Everything there was is there and in order. */
  const expectOrder = async () => {
    expect(await ledger.faults(product.url)).toEqual([]);
    expect(await unanswered(product.url)).toEqual([]);
    expect(versions.map(({ version }) => version)).toEqual(versions.map((_, at) => at + 1));
    const times = versions.map(({ created_at }) => Date.parse(created_at));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    for (const { step: was, at } of changes) {
      const trace = await get<{ content: unknown }>(`/v1/pathway/get/aging?as_of=${encodeURIComponent(at)}`);
      expect(trace.content).toEqual({ step: was });
    }
    const { changes: history } = await get<{ changes: unknown[] }>("/v1/pathway/history/aging");
    expect(history).toHaveLength(changes.length);
    const { clusters } = await get<{ clusters: { count: number; recent: number; rate_per_hour: number }[] }>(
      "/v1/observer/failures",
    );
    expect(clusters.map(({ count }) => count)).toEqual([step]);
    for (const { recent, rate_per_hour } of clusters) {
      expect(recent).toBeGreaterThan(0);
      expect(rate_per_hour).toBeGreaterThanOrEqual(0);
    }
    const system = await get<{ services: { name: string; uptime_seconds?: number }[] }>("/v1/system");
    for (const { uptime_seconds } of system.services) expect(uptime_seconds ?? 0).toBeGreaterThanOrEqual(0);
    expect(await (await fetch(`${product.url}/readyz`)).json()).toEqual({ ready: true, reasons: [] });
  };
  const cpuTicks = () =>
    readFileSync(`/proc/${product.pid}/stat`, "utf8")
      .split(") ")[1]
      ?.split(" ")
      .slice(11, 13)
      .reduce((sum, ticks) => sum + Number(ticks), 0) ?? 0;

  beforeAll(async () => {
    clock = makeWallClock();
    await start();
    for (const tracked of trackedWrites) await tracked.prepare?.(product.url);
    // Questions ask for what the number 0 has made.
    for (const tracked of trackedWrites) ledger.note(tracked, 0, await done(tracked, product.url, 0, never));
  });
  afterAll(async () => {
    await product?.end("SIGKILL");
    clock?.remove();
    home.remove();
  });

  test("while it runs: back by a day, forward by a year, back again", async () => {
    await live();
    for (const offset of [-day, 365 * day, 0]) {
      clock.set(offset);
      const { created_at } = await get<Version>("/v1/catalog/manifest/versions");
      expect(created_at).toBeDefined();
      await live();
      await expectOrder();
    }
    expect(product.log()).not.toContain('"level":"error"');
  });

  test("timers go by the monotonic clock: none fires early, and none storms", async () => {
    const began = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const body = new ReadableStream<Uint8Array>({
      start: async (controller) => {
        controller.enqueue(new TextEncoder().encode("id\n1\n"));
        began.resolve();
        await goOn.promise;
        controller.enqueue(new TextEncoder().encode("2\n"));
        controller.close();
      },
    });
    // Silence of more than `idle_timeout_ms` would end the upload.
    const upload = fetch(`${product.url}/v1/ingest?name=slow&format=csv`, { method: "POST", body });
    await began.promise;
    clock.set(365 * day);
    await live();
    clock.set(-day);
    await live();
    goOn.resolve();
    expect((await upload).status).toBe(200);
    const before = cpuTicks();
    // Time is what is measured: how much work an idle product does in it.
    await Bun.sleep(1000);
    // Of 100 in a second on one core.
    expect(cpuTicks() - before).toBeLessThan(50);
    clock.set(0);
    await expectOrder();
  });

  test("between two starts, a day back: everything is there and goes on in its order", async () => {
    await product.end("SIGKILL");
    clock.set(-day);
    await start();
    await expectOrder();
    await live();
    await expectOrder();
  });

  test("a start a year ahead forgets keys, as it must believe that they are a year old, and nothing else", async () => {
    expect(await product.end()).toBe(0);
    clock.set(365 * day);
    await start();
    ledger.acknowledged.delete("keyed");
    await live();
    await expectOrder();
    await product.end("SIGKILL");
    clock.set(0);
    await start();
    await live();
    await expectOrder();
    expect(await damageOf(product.url, services)).toEqual([]);
  });
});
