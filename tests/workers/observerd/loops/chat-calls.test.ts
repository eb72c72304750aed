/** chatd's calls: each is an operation once, whatever restarts. */
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { fail } from "../../../../runtime/errors/errors.ts";
import { advanced, eventOf } from "../../../../workers/observerd/loops/chat-calls.ts";
import { startProduct } from "../../../support/product/product.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import {
  type ChatCall,
  type InProcessObserverd,
  playChatCalls,
  startObserverd,
} from "../../../support/stacks/observerd.ts";

let home = temporaryDirectory("chat-calls");
let service: InProcessObserverd;
afterEach(async () => {
  await service.stop();
  home.remove();
  home = temporaryDirectory("chat-calls");
});
const chats = async () => (await service.peer.verbs.stats({})).by_source.chatd ?? 0;

test("each call is taken once: by the long poll, by who asks, and across starts of both", async () => {
  const chat = playChatCalls();
  const start = async () => {
    service = await startObserverd({ dataDir: home.path, chatd: chat.verbs });
  };
  await start();
  let made = 0;
  for (let round = 0; round < 6; round++) {
    for (let n = 0; n < 5; n++) {
      chat.add({});
      made += 1;
      if (n % 2 === 0) expect(await chats()).toBe(made);
    }
    expect(await chats()).toBe(made);
    if (round === 2) {
      await service.stop();
      chat.add({});
      made += 1;
      await start();
      expect(await chats()).toBe(made);
    }
    if (round === 3) chat.restart("life-2");
    if (round === 4) {
      await service.stop();
      chat.restart("life-3");
      await start();
    }
  }
  const asked = await Promise.all(Array.from({ length: 20 }, chats));
  expect(new Set(asked)).toEqual(new Set([made]));
});

test("the long poll takes calls though nobody asks", async () => {
  const chat = playChatCalls();
  service = await startObserverd({ dataDir: home.path, chatd: chat.verbs });
  await chats();
  chat.add({ model: "m-2" });
  // Metrics show what was recorded and make nobody catch up; each look gives the poll its turn.
  const metrics = async () => (await service.send(new Request("http://localhost/metrics"))).text();
  while (!(await metrics()).includes("lakehouse_observerd_operations 1\n")) await Bun.sleep(1);
});

test("a chatd that does not answer holds nobody up for long, and is no error", async () => {
  const held = Promise.withResolvers<never>();
  service = await startObserverd({
    dataDir: home.path,
    chatd: {
      calls: async (_, { timeoutMs = 1e6, signal } = {}) => {
        const late = Promise.withResolvers<never>();
        const timer = setTimeout(() => late.reject(fail("deadline_exceeded", "too late")), timeoutMs);
        signal?.addEventListener("abort", () => late.reject(signal.reason), { once: true });
        return Promise.race([held.promise, late.promise]).finally(() => clearTimeout(timer));
      },
    },
  });
  expect(await service.peer.verbs.stats({})).toMatchObject({ total: 0 });
  // Neither waits for the answer, which never comes.
  await service.stop();
  service = await startObserverd({ dataDir: home.path });
});

test("calls that chatd forgot are counted", async () => {
  service = await startObserverd({
    dataDir: home.path,
    chatd: { calls: async () => ({ calls: [], life: "a", missed: 3 }) },
    section: { chat_calls: true },
  });
  await chats();
  const text = await (await service.send(new Request("http://localhost/metrics"))).text();
  expect(text).toMatch(/lakehouse_observerd_chat_calls_missed_total [1-9]/);
});

test("calls of the real chatd: a provider that is away is a failure of its class", async () => {
  service = await startObserverd({ dataDir: home.path, section: { chat_calls: false } });
  const product = await startProduct({
    flags: ["--only", "chatd,observerd,gateway", "--chatd.default_model=ollama/none"],
    env: { LH_SECRETS_PATH: join(home.path, "none.toml") },
  });
  try {
    for (let n = 1; n <= 3; n++) {
      const body = JSON.stringify({ messages: [{ role: "user", content: "hello" }] });
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${product.url}/v1/chat`, { method: "POST", headers, body });
      expect(answer.status).toBeGreaterThanOrEqual(400);
      // On a machine that is busy elsewhere the 250 ms may pass first; the call comes with a later look then.
      let stats = { total: 0 };
      while (stats.total < n) {
        const looked = await fetch(`${product.url}/v1/observer/stats`);
        stats = (await looked.json()) as typeof stats;
      }
      expect(stats).toMatchObject({ total: n, failures: n, by_source: { chatd: n } });
    }
  } finally {
    await product.end();
  }
});

const call: ChatCall = {
  sequence: 3,
  at: "2026-01-01T00:00:00.000Z",
  request_id: "r-1",
  provider: "ollama",
  model: "qwen",
  outcome: "ok",
  streamed: true,
  duration_ms: 12,
  fallbacks: 1,
  retries: 0,
  cached: false,
  prompt_tokens: 5,
};

test("a call as an operation", () => {
  expect(eventOf(call)).toEqual({
    endpoint: "/v1/chat",
    source: "chatd",
    timestamp: call.at,
    success: true,
    duration_ms: 12,
    model: "qwen",
    attributes: {
      request_id: "r-1",
      provider: "ollama",
      streamed: true,
      fallbacks: 1,
      retries: 0,
      cached: false,
      prompt_tokens: 5,
    },
  });
  const failed = eventOf({ ...call, outcome: "timeout", output: "x".repeat(50_000) });
  expect(failed).toMatchObject({ success: false, error: "timeout", attributes: { "error.type": "timeout" } });
  expect(failed.output_summary?.length).toBe(10_000);
});

test("marks keep the latest starts apart", () => {
  let marks = advanced([], "a", 1);
  marks = advanced(marks, "b", 7);
  marks = advanced(marks, "a", 2);
  expect(marks).toEqual([
    { life: "b", sequence: 7 },
    { life: "a", sequence: 2 },
  ]);
  for (let n = 0; n < 20; n++) marks = advanced(marks, `c${n}`, 1);
  expect(marks.length).toBe(8);
});
