/** chatd as its callers see it: fallbacks, cache, quotas, connections, records, secrets. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eventsIn, readTo, textOfEvents } from "../../support/clients/sse-text.ts";
import {
  ask,
  type Changes,
  type ChatdStack,
  chatKey,
  postTo,
  startChatdStack,
} from "../../support/stacks/chatd.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

let stack: ChatdStack;
beforeAll(async () => {
  stack = await startChatdStack({
    chatd: { default_model: "good", record_content: true },
    models: {
      fast: { use: ["nowhere/x", "good"] },
      "other/good": { input_usd_per_million: 1_000_000, output_usd_per_million: 2_000_000 },
      small: { context_tokens: 64 },
    },
  });
});
beforeEach(() => stack.models.reset());
afterEach(async () => {
  const { providers } = await stack.service.peer.verbs.providerDetails({});
  expect(providers.map(({ in_flight }) => in_flight)).toEqual([0, 0, 0]);
});
afterAll(() => stack.stop());

const post = (body: unknown, init?: RequestInit, path = "/chat/completions") => stack.post(path, body, init);
const calls = async () => (await stack.service.peer.verbs.calls({ after: 0 })).calls;
const lastCall = async () => (await calls()).at(-1);
const cacheUse = { headers: { "x-lakehouse-cache": "use" } };

describe("models", () => {
  test.each([
    ["good", "ollama", "good"],
    ["ollama/good", "ollama", "good"],
    ["other/good", "other", "other/good"],
    ["fast", "ollama", "good"],
  ])("'%s' is answered by %s", async (model, provider, id) => {
    const response = await post(ask(model));
    expect(response.headers.get("x-lakehouse-provider")).toBe(provider);
    expect((await response.json()).model).toBe(id);
  });

  test("a name may hold any character", async () => {
    const response = await post(ask("good ü\ud800 x"));
    expect([response.status, response.headers.get("x-lakehouse-model")]).toEqual([
      200,
      "good%20%C3%BC%EF%BF%BD%20x",
    ]);
  });

  test("a request that names none gets the default", async () => {
    const response = await post({ messages: [{ role: "user", content: "hi" }] });
    expect((await response.json()).model).toBe("good");
  });

  test("the list has every provider that answers, and the aliases", async () => {
    const { data } = await stack.service.peer.verbs.models({});
    const ids = data.map(({ id }) => id);
    expect(ids).toContain("good");
    expect(ids).toContain("other/good");
    expect(ids).toContain("fast");
  });

  test("providers say whether they can be used, and why not", async () => {
    const { verbs } = stack.service.peer;
    expect(await verbs.providers({})).toEqual({ ollama: true, other: true, nowhere: false });
    const { providers } = await verbs.providerDetails({});
    expect(providers.find(({ name }) => name === "nowhere")?.reason).toContain("cannot be reached");
    expect(providers.find(({ name }) => name === "other")).toMatchObject({ has_key: true, reachable: true });
    expect(JSON.stringify(providers)).not.toContain(chatKey);
  });
});

describe("fallbacks", () => {
  const bad = [
    "busy",
    "broken",
    "cut",
    "error",
    "malformed",
    "silent",
    "hang",
    "other/forbidden",
    "nowhere/x",
  ];
  test.each([false, true])(
    "each failure before the first token leads to the next model (stream: %p)",
    async (stream) => {
      await stack.models.set({ retryAfter: "0" });
      for (const model of bad) {
        const answer = post(ask(model, { models: ["other/good"], stream }));
        if (model === "hang") await stack.models.until({ active: 1 });
        if (model === "hang") stack.clock.pass();
        const response = await answer;
        expect(`${model} ${response.status}`).toBe(`${model} 200`);
        expect(response.headers.get("x-lakehouse-model")).toBe("other/good");
        expect(response.headers.get("x-lakehouse-fallbacks")).toBe("1");
        expect(await response.text()).toContain("forty");
        expect(await lastCall()).toMatchObject({ model: "other/good", fallbacks: 1, outcome: "ok" });
      }
    },
  );

  test("the product's own door tells who failed, and why", async () => {
    const body = await (await post({ ...ask("missing"), models: ["nowhere/x", "good"] }, {}, "/chat")).json();
    expect(body.lakehouse).toMatchObject({
      provider: "ollama",
      model: "good",
      failed: [
        { model: "missing", type: "not_found" },
        { model: "nowhere/x", type: "bad_gateway" },
      ],
    });
  });

  test("when all fail, the error names them all", async () => {
    const response = await post({ ...ask("nowhere/x"), models: ["missing"] });
    expect(response.status).toBe(404);
    const { error } = await response.json();
    expect(error.message).toContain("nowhere/x");
    expect(error.details.failed).toHaveLength(1);
  });

  test("a request that the provider finds wrong is not taken to another", async () => {
    const response = await post(ask("refused", { models: ["good"] }));
    expect(response.status).toBe(400);
    expect((await stack.models.requests()).length).toBe(1);
  });

  test("a Retry-After that is too long is not waited for, and is passed on", async () => {
    await stack.models.set({ retryAfter: "120" });
    const response = await post(ask("busy"));
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "120"]);
    expect((await stack.models.requests()).length).toBe(1);
  });

  test("a Retry-After is waited for", async () => {
    await stack.models.set({ retryAfter: "0.3" });
    const started = performance.now();
    expect((await post(ask("busy*1"))).status).toBe(200);
    expect(performance.now() - started).toBeGreaterThan(290);
  });

  test("what Ollama cannot do is for a provider that can", async () => {
    const response = await post(ask("good", { logprobs: true, models: ["other/good"] }));
    expect((await response.json()).model).toBe("other/good");
  });
});

describe("Ollama's window", () => {
  const long = (words: number) => ({ messages: [{ role: "user", content: "word ".repeat(words) }] });

  test("is asked for, and cutting forbidden", async () => {
    await post(ask("good"));
    const [request] = await stack.models.requests();
    expect(request?.body).toMatchObject({ truncate: false, shift: false, options: { num_ctx: 8192 } });
    await post({ ...ask("good"), context_tokens: 500 }, {}, "/chat");
    expect((await stack.models.requests())[1]?.body.options).toMatchObject({ num_ctx: 500 });
    await post(ask("small"));
    expect((await stack.models.requests())[2]?.body.options).toMatchObject({ num_ctx: 64 });
  });

  test.each([false, true])("a prompt over it is 422, by Ollama's refusal (stream: %p)", async (stream) => {
    const response = await post({ model: "good", context_tokens: 64, stream, ...long(70) }, {}, "/chat");
    expect([response.status, (await response.json()).error.type]).toEqual([422, "unprocessable"]);
  });

  test("one that cannot fit is 422 before Ollama is asked", async () => {
    const response = await post({ model: "good", context_tokens: 64, ...long(5000) }, {}, "/chat");
    expect(response.status).toBe(422);
    expect(await stack.models.requests()).toEqual([]);
  });

  test("a server that cuts all the same is found out by its counts", async () => {
    for (const stream of [false, true]) {
      const response = await post({ model: "old", context_tokens: 64, stream, ...long(70) }, {}, "/chat");
      const text = await response.text();
      expect(text).toContain("unprocessable");
      expect(text).toContain("64 tokens were read");
      expect(text).not.toContain("[DONE]");
      if (!stream) expect(response.status).toBe(422);
    }
    const halved = {
      model: "halving",
      context_tokens: 600,
      messages: [{ role: "user", content: "w ".repeat(601) + "x".repeat(5000) }],
    };
    const response = await post(halved, {}, "/chat");
    expect([response.status, await response.text()]).toEqual([
      422,
      expect.stringContaining("only 300 tokens"),
    ]);
  });

  test("a longer window elsewhere is tried next", async () => {
    const asked = { model: "good", models: ["other/good"], context_tokens: 64, ...long(70) };
    expect((await (await post(asked, {}, "/chat")).json()).model).toBe("other/good");
  });
});

describe("the cache", () => {
  test.each([false, true])("gives the same answer again when asked to (stream: %p)", async (stream) => {
    const body = ask("other/good", { stream, user: `cache ${stream}` });
    const first = await post(body, cacheUse);
    expect(first.headers.get("x-lakehouse-cache")).toBe("miss");
    const text = await first.text();
    const again = await post(body, cacheUse);
    expect(again.headers.get("x-lakehouse-cache")).toBe("hit");
    expect(await again.text()).toBe(text);
    expect((await stack.models.requests()).length).toBe(1);
    expect(await lastCall()).toMatchObject({ cached: true, outcome: "ok" });
    const plain = await post(body);
    expect(plain.headers.get("x-lakehouse-cache")).toBe("off");
    const other = await post({ ...body, user: "else" }, cacheUse);
    expect(other.headers.get("x-lakehouse-cache")).toBe("miss");
    const fresh = await post(body, { headers: { "x-lakehouse-cache": "refresh" } });
    expect(fresh.headers.get("x-lakehouse-cache")).toBe("miss");
    await Promise.all([plain.text(), other.text(), fresh.text()]);
    expect((await stack.models.requests()).length).toBe(4);
  });

  test("never keeps a failure, nor an answer that its caller left", async () => {
    for (const model of ["broken", "cut@2", "error@2", "hang@2"]) {
      const fails = async () => {
        const response = await post(ask(model, { stream: true }), cacheUse);
        await readTo(response, " answer", () => {
          if (model === "hang@2") stack.clock.pass();
          if (model === "cut@2") void stack.models.release();
        });
        return response.headers.get("x-lakehouse-cache");
      };
      await fails();
      expect(await fails()).not.toBe("hit");
    }
    const body = ask("held@2", { stream: true });
    const left = await post(body, cacheUse);
    await left.body?.cancel();
    await stack.models.until({ active: 0 });
    await stack.models.release();
    const again = post(body, cacheUse);
    await again;
    await stack.models.until({ held: 1 });
    await stack.models.release();
    expect((await again).headers.get("x-lakehouse-cache")).toBe("miss");
    await (await again).text();
  });
});

describe("limits", () => {
  test("calls beyond max_concurrent are 429 with Retry-After, or the next model's", async () => {
    const service = await stack.another({
      providers: { ollama: { base_url: stack.models.url, max_concurrent: 2 } },
    });
    const held = [1, 2].map(() => postTo(service, "/chat/completions", ask("held")));
    await stack.models.until({ active: 2 });
    const third = await postTo(service, "/chat/completions", ask("good"));
    expect([third.status, third.headers.get("retry-after")]).toEqual([429, "1"]);
    const other = await postTo(service, "/chat/completions", ask("good", { models: ["other/good"] }));
    expect(other.status).toBe(200);
    await stack.models.release();
    for (const response of await Promise.all(held)) expect(response.status).toBe(200);
    expect((await postTo(service, "/chat/completions", ask("good"))).status).toBe(200);
  });

  test("a budget in tokens holds over a restart, and its 429 says until when", async () => {
    const directory = temporaryDirectory("chatd-budget");
    const changes: Changes = {
      directory: directory.path,
      providers: { other: { kind: "openai", base_url: `${stack.models.url}/v1`, budget_tokens_per_day: 18 } },
    };
    const first = await stack.another(changes);
    for (const status of [200, 200, 429]) {
      const response = await postTo(first, "/chat/completions", ask("other/good"));
      expect(response.status).toBe(status);
      if (status === 429) expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    await first.stop();
    const second = await stack.another(changes);
    const refused = await postTo(second, "/chat/completions", ask("other/good"));
    expect([refused.status, await refused.text()]).toEqual([429, expect.stringContaining("18 tokens a day")]);
    directory.remove();
  });

  test("a budget in dollars counts by the price table, and a caller who hangs up pays, too", async () => {
    const service = await stack.another({
      providers: { other: { kind: "openai", base_url: `${stack.models.url}/v1`, budget_usd_per_day: 14 } },
      models: { "other/good": { input_usd_per_million: 1_000_000, output_usd_per_million: 2_000_000 } },
    });
    expect((await postTo(service, "/chat/completions", ask("other/good"))).status).toBe(200);
    const { providers } = await service.peer.verbs.providerDetails({});
    expect(providers.find(({ name }) => name === "other")).toMatchObject({ spent_usd: 14, spent_tokens: 9 });
    expect((await postTo(service, "/chat/completions", ask("other/good"))).status).toBe(429);
    const left = await postTo(service, "/chat/completions", ask("hang@2", { stream: true }));
    await left.body?.cancel();
    await stack.models.until({ active: 0 });
    const after = await service.peer.verbs.providerDetails({});
    expect(after.providers.find(({ name }) => name === "ollama")?.spent_tokens).toBeGreaterThan(0);
    expect(after.providers.every(({ in_flight }) => in_flight === 0)).toBe(true);
  });
});

describe("connections", () => {
  test("many streams, faults and callers who leave keep none open", async () => {
    const models = ["good", "cut@2", "error@2", "silent@1", "malformed@1", "hang@2", "broken", "cut", "hang"];
    const one = async (at: number) => {
      const model = models[at % models.length] as string;
      const prefix = at % 2 === 0 ? "" : "other/";
      const controller = new AbortController();
      const response = await post(ask(prefix + model, { stream: at % 3 !== 0 }), {
        signal: controller.signal,
      });
      if (at % 5 === 0) controller.abort();
      await response.text().catch(() => "");
    };
    let over = false;
    const whole = (async () => {
      for (let round = 0; round < 4; round++)
        await Promise.all(Array.from({ length: 27 }, (_, at) => one(at + round)));
      over = true;
    })();
    // Those that hang are given up again and again; whoever else meets a limit is a fault more.
    for (; !over; stack.clock.pass()) await stack.models.release();
    await whole;
    await stack.models.until({ active: 0 });
    const { connections } = await stack.models.counted();
    // What idles to be used again; none of the 108 requests' own.
    expect(connections).toBeLessThanOrEqual(30);
    const { providers } = await stack.service.peer.verbs.providerDetails({});
    expect(providers.map(({ in_flight }) => in_flight)).toEqual([0, 0, 0]);
  });

  test("a stream that is answered whole leaves its connection for the next", async () => {
    await (await post(ask("other/good", { stream: true }))).text();
    await Bun.sleep(0);
    const before = (await stack.models.counted()).connections;
    for (let at = 0; at < 20; at++) await (await post(ask("other/good", { stream: true }))).text();
    expect((await stack.models.counted()).connections - before).toBeLessThanOrEqual(1);
  });

  test("a reader who stops reading keeps its place only until the deadline", async () => {
    const service = await stack.another({});
    const unread = await postTo(service, "/chat/completions", ask("hang@2", { stream: true }));
    while ((await stack.models.counted()).active > 0) stack.clock.pass();
    await stack.models.until({ active: 0, cancelled: 1 });
    const { calls: kept } = await service.peer.verbs.calls({ after: 0, wait_ms: 50_000 });
    expect(kept[0]).toMatchObject({ outcome: "deadline_exceeded" });
    const { providers } = await service.peer.verbs.providerDetails({});
    expect(providers.map(({ in_flight }) => in_flight)).toEqual([0, 0, 0]);
    expect(await unread.text()).toContain("event: error");
  });

  test("silence in a stream is filled with comments", async () => {
    const service = await stack.another({ chatd: { heartbeat_ms: 20 } });
    const response = await postTo(service, "/chat/completions", ask("held@2", { stream: true }));
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const decoder = new TextDecoder();
    let text = "";
    while (!text.includes(": waiting\n\n: waiting\n\n")) text += decoder.decode((await reader.read()).value);
    await stack.models.release();
    for (let read = await reader.read(); !read.done; read = await reader.read())
      text += decoder.decode(read.value);
    expect(textOfEvents(eventsIn(text))).toBe("the answer is forty two");
  });
});

describe("records", () => {
  test("each call is kept, with content only where that is configured", async () => {
    await post(ask("other/good"));
    expect(await lastCall()).toMatchObject({
      provider: "other",
      model: "other/good",
      outcome: "ok",
      prompt_tokens: 4,
      completion_tokens: 5,
      cost_usd: 14,
      input: expect.stringContaining("what is the answer?"),
      output: "the answer is forty two",
    });
    const service = await stack.another({});
    await postTo(service, "/chat/completions", ask("good"));
    await (await postTo(service, "/chat/completions", ask("good", { stream: true }))).text();
    await postTo(service, "/chat/completions", ask("broken"));
    const { calls: kept } = await service.peer.verbs.calls({ after: 0 });
    expect(kept.map(({ outcome }) => outcome)).toEqual(["ok", "ok", "bad_gateway"]);
    expect(kept[1]?.first_token_ms).toBeGreaterThan(0);
    expect(JSON.stringify(kept)).not.toContain("what is the answer?");
  });

  test("who waits for a call gets it when it is finished", async () => {
    const { verbs } = stack.service.peer;
    const { calls: before, life } = await verbs.calls({ after: 0 });
    const waiting = verbs.calls({ after: before.at(-1)?.sequence ?? 0, wait_ms: 50_000 });
    await post(ask("good"));
    expect(await waiting).toMatchObject({ life, missed: 0, calls: [{ model: "good" }] });
  });

  test("another service gets text, in a form it asks for", async () => {
    const { verbs } = stack.service.peer;
    expect(await verbs.complete({ prompt: "x", system: "be brief" })).toEqual({
      text: "the answer is forty two",
      model: "good",
    });
    const schema = { type: "object", properties: { name: { type: "string" } } };
    expect((await verbs.complete({ model: "other/good", prompt: "x", schema })).text).toBe('{"name":"Ann"}');
  });
});

describe("secrets", () => {
  test("no key is in any answer, log line, record or metric, whatever the provider repeats", async () => {
    await stack.models.set({ key: chatKey });
    const seen: string[] = [];
    const wrong = "sk-wrong-key-000111222333444";
    const service = await stack.another({
      chatd: { record_content: true },
      keys: { other: wrong, ollama: chatKey },
    });
    for (const each of [stack.service, service])
      for (const model of [
        "other/good",
        "other/broken",
        "other/error",
        "other/error@2",
        "good",
        "broken",
        "error@2",
        "busy",
      ])
        for (const stream of [false, true]) {
          const response = await postTo(each, "/chat", ask(model, { stream }));
          seen.push(JSON.stringify([...response.headers]), await response.text());
        }
    for (const each of [stack.service, service]) {
      seen.push(JSON.stringify(each.log), JSON.stringify(await each.peer.verbs.calls({ after: 0 })));
      seen.push(JSON.stringify(await each.peer.verbs.providerDetails({})));
      seen.push(await (await each.send(new Request("http://localhost/metrics"))).text());
    }
    const all = seen.join("\n");
    expect(all).toContain("it went wrong (Bearer [hidden])");
    expect(all).not.toContain(chatKey);
    expect(all).not.toContain(wrong);
    expect(
      (await stack.models.requests()).some(({ headers }) => headers.authorization === `Bearer ${chatKey}`),
    ).toBe(true);
  });

  test("the caller's own authorization goes to no provider", async () => {
    await post(ask("other/good"), { headers: { authorization: "Bearer gateway-token" } });
    const [request] = await stack.models.requests();
    expect(request?.headers.authorization).toBe(`Bearer ${chatKey}`);
  });

  test("an unknown field of OpenAI's shape reaches its provider, and Ollama's caller is told it was left out", async () => {
    await post(ask("other/good", { store: true, brand_new: { a: 1 } }));
    const [request] = await stack.models.requests();
    expect(request?.body).toMatchObject({ store: true, brand_new: { a: 1 } });
    const response = await post(ask("good", { brand_new: 1, temperature: 0.5 }));
    expect(response.headers.get("x-lakehouse-ignored")).toBe("brand_new");
    expect((await stack.models.requests())[1]?.body.options).toMatchObject({ temperature: 0.5 });
  });
});
