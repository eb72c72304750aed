/** The official `openai` package, pointed at the gateway of a real product, and what that product logged meanwhile. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import OpenAI, {
  APIError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from "openai";
import { type Product, startProduct } from "../../support/product/product.ts";
import { chatKey, type ModelServer, startModelServer } from "../../support/stacks/chatd.ts";

let models: ModelServer;
let product: Product;
let openai: OpenAI;
beforeAll(async () => {
  models = await startModelServer();
  const tables = `{ ollama = { base_url = "${models.url}" }, other = { kind = "openai", base_url = "${models.url}/v1", needs_key = true } }`;
  product = await startProduct({
    env: {
      LH_PROVIDERS: tables,
      OTHER_API_KEY: chatKey,
      AUTH_TOKEN: "gateway-token-of-tests",
      LH_LOG_LEVEL: "debug",
      LH_CHATD_RETRY_WAIT_MS: "20",
      // Between two tokens that are sent at once.
      LH_CHATD_IDLE_TIMEOUT_MS: "3000",
    },
  });
  openai = new OpenAI({ baseURL: `${product.url}/v1`, apiKey: "gateway-token-of-tests", maxRetries: 0 });
});
beforeEach(() => models.reset());
afterAll(async () => {
  await product.end();
  await models.stop();
});

const messages = [{ role: "user" as const, content: "what is the answer?" }];
const kinds = ["", "other/"];
const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => "no error",
    (cause) => cause,
  );

describe.each(kinds)("the openai package, models '%s…'", (prefix) => {
  test("gets an answer", async () => {
    const answer = await openai.chat.completions.create({ model: `${prefix}good`, messages });
    expect(answer.choices[0]?.message.content).toBe("the answer is forty two");
    expect(answer.usage?.total_tokens).toBe(9);
    expect(answer.model).toBe(`${prefix}good`);
  });

  test("gets a stream, its usage and its end", async () => {
    const stream = await openai.chat.completions.create({
      model: `${prefix}good`,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let tokens = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      tokens += chunk.usage?.total_tokens ?? 0;
    }
    expect([text, tokens]).toEqual(["the answer is forty two", 9]);
  });

  test("its stream helper puts a tool call together", async () => {
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const tools = [{ type: "function" as const, function: { name: "weather", parameters } }];
    const final = await openai.chat.completions
      .stream({ model: `${prefix}good`, messages, tools })
      .finalChatCompletion();
    const [call] = final.choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ function: { name: "weather", arguments: '{"city":"Ann"}' } });
  });

  test("runs tools until there is an answer", async () => {
    const asked: unknown[] = [];
    const runner = openai.chat.completions.runTools({
      model: `${prefix}good`,
      messages,
      tools: [
        {
          type: "function",
          function: {
            name: "weather",
            description: "the weather of a city",
            parameters: { type: "object", properties: { city: { type: "string" } } },
            parse: JSON.parse,
            function: (given: object) => {
              asked.push(given);
              return "rain";
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe("the answer is forty two");
    expect(asked).toEqual([{ city: "Ann" }]);
  });

  test("parses an answer in the form it asked for", async () => {
    const schema = { type: "object", properties: { name: { type: "string" }, age: { type: "integer" } } };
    const answer = await openai.chat.completions.parse({
      model: `${prefix}good`,
      messages,
      response_format: { type: "json_schema", json_schema: { name: "person", schema, strict: true } },
    });
    expect(answer.choices[0]?.message.parsed as unknown).toEqual({ name: "Ann", age: 7 });
  });

  test("goes on with a text", async () => {
    const model = `${prefix}good`;
    const whole = await openai.completions.create({ model, prompt: "and so on" });
    expect(whole.choices[0]?.text).toBe("the answer is forty two");
    const stream = await openai.completions.create({ model, prompt: "and so on", stream: true });
    let text = "";
    for await (const { choices } of stream) text += choices[0]?.text ?? "";
    expect(text).toBe("the answer is forty two");
  });

  test("gets a response, its tool calls, and goes on with them", async () => {
    const model = `${prefix}good`;
    const whole = await openai.responses.create({ model, instructions: "be brief", input: "what is it?" });
    expect(whole).toMatchObject({
      object: "response",
      status: "completed",
      model,
      store: false,
      output_text: "the answer is forty two",
      usage: { input_tokens: 5, output_tokens: 5, total_tokens: 10 },
    });
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const tools = [{ type: "function" as const, name: "weather", parameters, strict: false }];
    const asked = { model, input: "weather?", tools, tool_choice: "required" as const };
    const called = await openai.responses.create(asked);
    const call = called.output.find(({ type }) => type === "function_call");
    expect(call).toMatchObject({ name: "weather", arguments: '{"city":"Ann"}', status: "completed" });
    const { call_id } = call as { call_id: string };
    const after = await openai.responses.create({
      model,
      tools,
      input: [
        { role: "user", content: [{ type: "input_text", text: "weather?" }] },
        ...called.output,
        { type: "function_call_output", call_id, output: "rain" },
      ] as never,
    });
    expect(after.output_text).toBe("the answer is forty two");
    const messages = (await models.requests()).at(-1)?.body.messages as { role: string }[];
    expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool"]);
  });

  test("its stream helper puts a response together, text and calls", async () => {
    const model = `${prefix}good`;
    const stream = openai.responses.stream({ model, input: "what is it?" });
    let text = "";
    stream.on("response.output_text.delta", ({ delta }) => {
      text += delta;
    });
    const final = await stream.finalResponse();
    expect([text, final.output_text, final.status]).toEqual([
      "the answer is forty two",
      "the answer is forty two",
      "completed",
    ]);
    expect(final.usage?.total_tokens).toBe(8);
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const tools = [{ type: "function" as const, name: "weather", parameters, strict: false }];
    const called = await openai.responses.stream({ model, input: "weather?", tools }).finalResponse();
    expect(called.output).toMatchObject([
      { type: "function_call", name: "weather", arguments: '{"city":"Ann"}', status: "completed" },
    ]);
  });

  test("parses a response in the form it asked for", async () => {
    const schema = { type: "object", properties: { name: { type: "string" }, age: { type: "integer" } } };
    const answer = await openai.responses.parse({
      model: `${prefix}good`,
      input: "who?",
      text: { format: { type: "json_schema", name: "person", schema, strict: true } },
    });
    expect(answer.output_parsed as unknown).toEqual({ name: "Ann", age: 7 });
  });

  test("is told when a response breaks off, and what cannot be said", async () => {
    const model = `${prefix}cut@2`;
    const stream = await openai.responses.create({ model, input: "x", stream: true });
    const types: string[] = [];
    const read = async () => {
      for await (const { type } of stream) {
        types.push(type);
        if (types.filter((each) => each === "response.output_text.delta").length !== 2) continue;
        await models.until({ held: 1 });
        await models.release();
      }
    };
    expect(await failureOf(read())).toMatchObject({ code: "bad_gateway" });
    expect(types.slice(0, 4)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
    ]);
    expect(types).not.toContain("response.completed");
    const refused = await failureOf(
      openai.responses.create({ model: `${prefix}good`, input: "x", previous_response_id: "resp_1" }),
    );
    expect(refused).toMatchObject({ status: 400, param: "previous_response_id", code: "invalid_value" });
    await models.until({ active: 0 });
  });

  test("makes its classes of errors", async () => {
    await models.set({ retryAfter: "60" });
    const rows = [
      ["busy", RateLimitError, 429, "rate_limit_exceeded"],
      ["missing", NotFoundError, 404, "model_not_found"],
      ["refused", BadRequestError, 400, "bad_request"],
      ["long", BadRequestError, 400, "context_length_exceeded"],
      ["broken", InternalServerError, 502, "bad_gateway"],
    ] as const;
    for (const [model, kind, status, code] of rows) {
      const cause = await failureOf(openai.chat.completions.create({ model: prefix + model, messages }));
      expect(cause).toBeInstanceOf(kind);
      expect(cause).toMatchObject({ status, code });
      expect((cause as APIError).headers?.get("retry-after") ?? "none").toBe(status === 429 ? "60" : "none");
    }
  });

  test("is told of a failure in mid-stream", async () => {
    for (const fault of ["cut@2", "error@2", "silent@2", "malformed@2", "hang@2"]) {
      const stream = await openai.chat.completions.create({ model: prefix + fault, messages, stream: true });
      let text = "";
      const read = async () => {
        for await (const chunk of stream) {
          text += chunk.choices[0]?.delta.content ?? "";
          if (fault !== "cut@2" || text !== "the answer") continue;
          await models.until({ held: 1 });
          await models.release();
        }
      };
      const cause = await failureOf(read());
      expect(cause).toBeInstanceOf(APIError);
      expect((cause as APIError).message).toContain(prefix + fault);
      expect(text).toBe("the answer");
    }
    await models.until({ active: 0 });
  });

  test("gets tokens as they come, and its leaving reaches the provider", async () => {
    const stream = await openai.chat.completions.create({ model: `${prefix}hang@2`, messages, stream: true });
    const iterator = stream[Symbol.asyncIterator]();
    // The provider sent two tokens and is silent: whoever buffered would hold them.
    expect((await iterator.next()).value?.choices[0]?.delta.content).toBe("the");
    expect((await iterator.next()).value?.choices[0]?.delta.content).toBe(" answer");
    stream.controller.abort();
    await models.until({ active: 0, cancelled: 1 });
  });

  test("leaving before the first token reaches the provider, too", async () => {
    const controller = new AbortController();
    const asked = openai.chat.completions.create(
      { model: `${prefix}held`, messages },
      { signal: controller.signal },
    );
    const failed = failureOf(asked);
    await models.until({ active: 1 });
    controller.abort();
    await models.until({ active: 0, cancelled: 1 });
    await failed;
  });
});

test("its own tries do not multiply ours", async () => {
  const usual = new OpenAI({ baseURL: `${product.url}/v1`, apiKey: "gateway-token-of-tests" });
  for (const [model, calls] of [
    ["broken", 3],
    ["other/broken", 3],
    ["other/forbidden", 1],
    ["other/refused", 1],
  ] as const) {
    await models.reset();
    expect(await failureOf(usual.chat.completions.create({ model, messages }))).toBeInstanceOf(APIError);
    expect((await models.requests()).length).toBe(calls);
  }
});

test("a wrong token is told in OpenAI's form by the gateway itself", async () => {
  const stranger = new OpenAI({ baseURL: `${product.url}/v1`, apiKey: "wrong", maxRetries: 0 });
  for (const work of [
    () => stranger.chat.completions.create({ model: "good", messages }),
    () => stranger.models.list(),
    () => stranger.embeddings.create({ model: "local", input: "a" }),
  ])
    expect(await failureOf(Promise.resolve(work()))).toMatchObject({ status: 401, code: "invalid_api_key" });
});

test("finds a model by any name that it lists, and embeds with those that make vectors", async () => {
  const ids = (await openai.models.list()).data.map(({ id }) => id);
  expect(ids).toContain("local");
  for (const id of ids) expect((await openai.models.retrieve(id)).id).toBe(id);
  expect(await openai.models.retrieve("ollama/good")).toMatchObject({ id: "good", owned_by: "ollama" });
  const missing = await failureOf(openai.models.retrieve("other/absent/x"));
  expect(missing).toMatchObject({ status: 404, code: "model_not_found", param: "model" });
  const wrong = await failureOf(openai.chat.completions.create({ model: "local", messages }));
  expect(wrong).toMatchObject({ status: 404, code: "model_not_found" });
  for (const [model, input] of [
    ["local", "a"],
    ["good", "a"],
    ["ollama/good", "a"],
    ["other/good", "a"],
    ["other/good", [1, 2, 3]],
    ["other/good", [[1, 2], [3]]],
  ] as const) {
    const { data } = await openai.embeddings.create({ model, input: input as string });
    expect(data.length).toBe(typeof input === "string" || typeof input[0] === "number" ? 1 : 2);
  }
});

test("lists the models", async () => {
  const ids: string[] = [];
  for await (const { id } of openai.models.list()) ids.push(id);
  expect(ids).toContain("good");
  expect(ids).toContain("other/good");
});

test("the product logged the calls that failed, and no key or token", async () => {
  await failureOf(openai.chat.completions.create({ model: "other/broken", messages }));
  while (!product.log().includes("a chat failed")) await new Promise((resolve) => setImmediate(resolve));
  const log = product.log();
  expect(log).not.toContain(chatKey);
  expect(log).not.toContain("gateway-token-of-tests");
  expect(log).not.toContain("what is the answer?");
});
