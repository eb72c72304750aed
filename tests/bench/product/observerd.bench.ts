/** Durable operations a second: observerd, in this thread and over HTTP, beside a plain loop of append and fdatasync. */
import { expect, test } from "bun:test";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { normaliseMessage } from "../../../workers/observerd/failures/signature.ts";
import { inTurn, report, throughput, timed } from "../../support/campaigns/measure.ts";
import { startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { startObserverd } from "../../support/stacks/observerd.ts";

const event = { endpoint: "/v1/sql", source: "mcp", success: true, duration_ms: 12.5, run_id: "bench" };
const failed = { ...event, success: false, error: "TimeoutError: query 17 took 900 ms at '/tables/3'" };
const rounds = 3;
const callsOf = (concurrency: number) => 300 * Math.min(concurrency, 16);

test("durable operations a second at 1, 16 and 128 at once", async () => {
  const { path, remove } = temporaryDirectory("bench-observerd");
  const service = await startObserverd({ dataDir: path, section: { chat_calls: false } });
  const product = await startProduct({ dataDir: join(path), flags: ["--only", "observerd"] });
  const file = await open(join(path, "plain.jsonl"), "a");
  const line = `${JSON.stringify({ id: crypto.randomUUID(), timestamp: new Date().toISOString(), ...event })}\n`;
  const plain = async () => {
    await file.appendFile(line);
    await file.datasync();
  };
  const url = `${product.addresses.observerd}/observer/event`;
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(event);
  const overHttp = async () => {
    const answer = await fetch(url, { method: "POST", headers, body });
    if (!answer.ok) throw new Error(await answer.text());
    await answer.arrayBuffer();
  };
  try {
    for (const concurrency of [1, 16, 128]) {
      const calls = callsOf(concurrency);
      const rates = await inTurn(rounds, {
        plain_loop: () => throughput(300, 1, plain),
        recorded: () => throughput(calls, concurrency, () => service.peer.verbs.event(event)),
        over_http: () => throughput(calls, concurrency, overHttp),
      });
      const ratio = rates.recorded / rates.plain_loop;
      report(`observerd.events_per_s_at_${concurrency}`, {
        ...rates,
        ratio,
        http_ratio: rates.over_http / rates.plain_loop,
      });
      expect(rates.recorded).toBeGreaterThan(0);
    }
    const failures = await throughput(3000, 16, () => service.peer.verbs.event(failed));
    report("observerd.failures_per_s_at_16", { failures });
    const { total } = await service.peer.verbs.stats({});
    await service.stop();
    const ms = await timed(async () => {
      const again = await startObserverd({ dataDir: path, section: { chat_calls: false } });
      expect((await again.peer.verbs.stats({})).total).toBe(total);
      await again.stop();
    });
    report("observerd.start", { operations: total, ms });
  } finally {
    await file.close();
    await product.end();
    remove();
  }
});

test("messages normalised a second", async () => {
  const ms = await timed(() => {
    for (let n = 0; n < 20_000; n++) normaliseMessage(`${failed.error} ${n} of /var/lib/${n}/x.parquet`);
  });
  report("observerd.normalise", { messages_per_s: 20_000 / (ms / 1000) });
});
