/** The metrics pages, as a Prometheus text parser reads them. */
import { expect, test } from "bun:test";
// @ts-expect-error: the package has no types.
import parse from "parse-prometheus-text-format";
import { startProduct } from "../../../support/product/product.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startObserverd } from "../../../support/stacks/observerd.ts";

type Metric = {
  labels?: Record<string, string>;
  value?: string;
  buckets?: Record<string, string>;
  count?: string;
};
type Family = { name: string; type: string; help: string; metrics: Metric[] };
const families = (page: string): Family[] => parse(page) as Family[];
const family = (page: string, name: string): Family | undefined =>
  families(page).find((one) => one.name === `lakehouse_${name}`);

test("operations by source and outcome, callers' own words as other, durations in seconds", async () => {
  const home = temporaryDirectory("metrics");
  const { peer, send, stop } = await startObserverd({ dataDir: home.path, section: { chat_calls: false } });
  const event = { endpoint: "/v1/sql", duration_ms: 30 };
  for (const source of ["mcp", "my-agent", "anothers"])
    for (const success of [true, true, false]) await peer.verbs.event({ ...event, source, success });
  const page = await (await send(new Request("http://localhost/metrics"))).text();
  const counted = family(page, "observed_operations_total");
  expect(counted?.type).toBe("COUNTER");
  expect(counted?.metrics).toEqual([
    { value: "2", labels: { source: "mcp", outcome: "success" } },
    { value: "1", labels: { source: "mcp", outcome: "failure" } },
    { value: "4", labels: { source: "other", outcome: "success" } },
    { value: "2", labels: { source: "other", outcome: "failure" } },
  ]);
  const durations = family(page, "observed_operation_duration_seconds");
  expect(durations?.type).toBe("HISTOGRAM");
  // The parser folds a histogram's labels into one: the last that stands there.
  expect(durations?.metrics[0]?.buckets).toMatchObject({ "0.025": "0", "0.05": "6", "+Inf": "6" });
  expect(page).toContain('lakehouse_observed_operation_duration_seconds_sum{source="mcp"} 0.09\n');
  await stop();
  home.remove();
});

test("every page of a running product can be parsed: observerd's and the gateway's", async () => {
  const product = await startProduct({ flags: ["--only", "observerd,gateway"] });
  try {
    const event = { endpoint: "/v1/sql", success: true, duration_ms: 30, source: "mcp" };
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify(event) };
    expect((await fetch(`${product.url}/v1/observer/event`, init)).status).toBe(200);
    for (const [address, name] of [
      [product.url, "http_requests_total"],
      [product.addresses.observerd, "observed_operations_total"],
    ]) {
      const answer = await fetch(`${address}/metrics`);
      expect(answer.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
      const page = await answer.text();
      const names = families(page).map((one) => one.name);
      expect(names).toContain(`lakehouse_${name}`);
      expect(new Set(names).size).toBe(names.length);
      expect(names.length).toBe(page.split("\n").filter((line) => line.startsWith("# TYPE ")).length);
    }
  } finally {
    await product.end();
  }
});
