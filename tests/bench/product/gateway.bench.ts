/** Small calls through the gateway: over channels inside one process, beside the same over HTTP to other processes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { topology } from "../../../runtime/topology.ts";
import { inTurn, latencies, quantile, report, throughput } from "../../support/campaigns/measure.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const homes = [temporaryDirectory("bench-one"), temporaryDirectory("bench-apart")] as const;
let together: Product;
let behind: Product;
let front: Product;

beforeAll(async () => {
  together = await startProduct({ dataDir: homes[0].path });
  const services = Object.keys(topology)
    .filter((name) => name !== "gateway")
    .join(",");
  behind = await startProduct({ dataDir: homes[1].path, flags: ["--only", services] });
  const urls = Object.entries(behind.addresses).map(([name, url]) => [`LH_${name.toUpperCase()}_URL`, url]);
  front = await startProduct({
    dataDir: homes[1].path,
    env: Object.fromEntries(urls),
    flags: ["--only", "gateway"],
  });
  for (const { url } of [together, front]) await ingest(url, "name=people", "id,name\n1,Ann\n");
});
afterAll(async () => {
  for (const product of [together, front, behind]) await product.end();
  for (const home of homes) home.remove();
});

const call = (url: string) => async () => {
  const response = await fetch(`${url}/catalog/manifest/people`);
  await response.text();
  expect(response.status).toBe(200);
};

test("gateway small calls: channel against HTTP proxy", async () => {
  const calls = 4000;
  const rates = await inTurn(5, {
    channel: () => throughput(calls, 32, call(`${together.url}/v1`)),
    http: () => throughput(calls, 32, call(`${front.url}/v1`)),
    direct: () => throughput(calls, 32, call(together.addresses.catalogd ?? "")),
  });
  report("gateway.throughput", {
    "channel calls/s": rates.channel,
    "http calls/s": rates.http,
    "service's own port calls/s": rates.direct,
    "channel/http": rates.channel / rates.http,
  });
  const channel = await latencies(2000, call(`${together.url}/v1`));
  const http = await latencies(2000, call(`${front.url}/v1`));
  report("gateway.latency", {
    "channel p50 ms": quantile(channel, 0.5),
    "channel p99 ms": quantile(channel, 0.99),
    "http p50 ms": quantile(http, 0.5),
    "http p99 ms": quantile(http, 0.99),
  });
});
