/**
 * Callers that send a head and a piece of a body, and are silent then, while others ask for SQL:
 * `bun tests/campaigns/faults/slow-callers.ts [--count 3] [--seed 1] [--silent 2000]`. A cycle measures the others without the
 * silent ones and with them, on one product; every answer to the others and to health has to be 200, and the silent ones
 * get 408 or their connections' end at last. Then it is stopped while as many are silent, which no stop waits for.
 * Prints one JSON line; exits 1 when something was wrong.
 */
import { connect, type Socket } from "node:net";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { startProduct } from "../../support/product/product.ts";

const rules = campaignRules(3, ["silent"]);
const silent = Number(rules.given("silent") ?? 2000);
const bodyTimeoutMs = 30_000;
const product = await startProduct({ env: { LH_GATEWAY_BODY_TIMEOUT_MS: String(bodyTimeoutMs) } });
const { hostname, port } = new URL(product.url);

const outcomes = {
  silent,
  p50_ms: [] as number[][],
  p99_ms: [] as number[][],
  stop_ms: 0,
  wrong: [] as string[],
};

/** Bodies that begin or do not, announced short or long or not at all. */
const kinds = [
  ["/v1/sql", "Content-Length: 100", ""],
  ["/v1/sql", "Content-Length: 100", '{"sql"'],
  ["/v1/ingest?name=slow", "Content-Length: 1000000", ""],
  ["/v1/ingest?name=slow", "Transfer-Encoding: chunked", ""],
] as const;

interface Caller {
  socket: Socket;
  ended: Promise<string>;
}

function beSilent(): Promise<Caller> {
  const [path, length, sent] = kinds[Math.floor(rules.random() * kinds.length)] ?? kinds[0];
  const connected = Promise.withResolvers<Caller>();
  const ended = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect({ host: hostname, port: Number(port) }, () => {
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${length}\r\n\r\n${sent}`,
    );
    connected.resolve({ socket, ended: ended.promise });
  });
  socket.on("data", (bytes) => {
    answer += bytes;
  });
  socket.on("error", connected.reject);
  socket.on("close", () => ended.resolve(answer));
  return connected.promise;
}

async function ask(path: string, init?: RequestInit): Promise<number> {
  const began = performance.now();
  const answer = await fetch(product.url + path, init);
  const text = await answer.text();
  if (answer.status !== 200) outcomes.wrong.push(`${path}: ${answer.status} ${text.slice(0, 200)}`);
  return performance.now() - began;
}

const sql = { method: "POST", body: '{"sql":"SELECT 42"}', headers: { "content-type": "application/json" } };
const asked = 1000;

async function measure(): Promise<{ p50: number; p99: number }> {
  const times: number[] = [];
  for (let at = 0; at < asked; at++) times.push(await ask("/v1/sql", sql));
  for (const path of ["/health", "/livez", "/readyz", "/metrics"]) await ask(path);
  times.sort((a, b) => a - b);
  const at = (part: number) => Math.round((times[Math.floor(asked * part)] ?? 0) * 1000) / 1000;
  return { p50: at(0.5), p99: at(0.99) };
}

async function awaited(): Promise<number> {
  const page = await (await fetch(`${product.url}/metrics`)).text();
  return Number(/lakehouse_http_requests_awaited (\d+)/.exec(page)?.[1]);
}

async function allSilent(): Promise<Caller[]> {
  const callers: Caller[] = [];
  while (callers.length < silent)
    callers.push(
      ...(await Promise.all(Array.from({ length: Math.min(100, silent - callers.length) }, beSilent))),
    );
  while ((await awaited()) < silent) await Bun.sleep(20);
  return callers;
}

async function cycle(): Promise<string> {
  const without = await measure();
  const callers = await allSilent();
  const among = await measure();
  const stayed = await awaited();
  if (stayed === 0) outcomes.wrong.push("the silent callers were gone before the others were measured");
  const answers = await Promise.all(callers.map(({ ended }) => ended));
  const strange = answers.filter((answer) => !answer.startsWith("HTTP/1.1 408 "));
  if (strange.length > 0)
    outcomes.wrong.push(`${strange.length} silent callers were not told 408: ${strange[0]?.slice(0, 200)}`);
  outcomes.p50_ms.push([without.p50, among.p50]);
  outcomes.p99_ms.push([without.p99, among.p99]);
  return `p99 ${without.p99} ms alone, ${among.p99} ms beside ${stayed}`;
}

async function end(): Promise<void> {
  await allSilent();
  const began = performance.now();
  const code = await product.end();
  outcomes.stop_ms = Math.round(performance.now() - began);
  if (code !== 0) outcomes.wrong.push(`the stop ended with ${code}`);
}

await measure();
await runCampaign({ name: "slow callers", rules, outcomes, cycle, end });
