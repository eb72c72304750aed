/** What chatd refuses, and how: one row a mistake, each at both doors unless it is of one alone. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type ApiCase, refused, runCases } from "../../support/clients/api-case.ts";
import { type ChatdStack, chatKey, startChatdStack } from "../../support/stacks/chatd.ts";

let stack: ChatdStack;
beforeAll(async () => {
  stack = await startChatdStack({
    chatd: { max_json_bytes: 20_000 },
    providers: { keyless: { kind: "openai", base_url: "http://127.0.0.1:1/v1", needs_key: true } },
  });
});
beforeEach(() => stack.models.reset());
afterAll(() => stack.stop());

type Row = Omit<ApiCase, "path" | "method">;
const at = (paths: readonly string[], rows: readonly Row[]): ApiCase[] =>
  paths.flatMap((path) =>
    rows.map((row) => ({
      method: "POST",
      path,
      lacks: [chatKey],
      ...row,
      openAi: path === "/chat" ? undefined : (row.openAi ?? true),
      name: `${path}: ${row.name}`,
    })),
  );

const messages = [{ role: "user", content: "hi" }];
const badField = { type: "invalid_field" } as const;
const field = (name: string, fields: object, ...contains: string[]): Row => ({
  name,
  body: { model: "good", messages, ...fields },
  ...badField,
  contains,
});
const message = (name: string, each: unknown, ...contains: string[]): Row => ({
  name,
  body: { model: "good", messages: [each] },
  ...badField,
  contains,
});
const call = (changes: object, called: object = {}) => ({
  role: "assistant",
  content: null,
  tool_calls: [
    { id: "a", type: "function", function: { name: "f", arguments: "{}", ...called }, ...changes },
  ],
});

const both = at(
  ["/chat", "/chat/completions"],
  [
    refused("no body", {}, "invalid_json", "empty"),
    refused("broken JSON", { body: '{"messages":' }, "invalid_json"),
    refused("a list as the body", { body: [1] }, "invalid_json", "a JSON object"),
    refused("no UTF-8", { body: new Uint8Array([123, 255, 125]) }, "invalid_json"),
    refused(
      "another media type",
      { body: "hello", headers: { "content-type": "text/plain" } },
      "unsupported_media_type",
    ),
    refused(
      "a body over the limit",
      { body: { model: "good", messages: [{ role: "user", content: "x".repeat(30_000) }] } },
      "too_large",
      "20000",
    ),
    refused(
      "a body nested too deeply",
      {
        body: `{"model":"other/good","messages":[{"role":"user","content":"x"}],"z":${"[".repeat(9000)}${"]".repeat(9000)}}`,
        headers: { "content-type": "application/json" },
      },
      "invalid_json",
      "256 levels",
    ),
    refused("no messages", { body: { model: "good" } }, "invalid_field", "messages", "missing"),
    field("empty messages", { messages: [] }, "messages"),
    field("messages that are text", { messages: "hi" }, "messages", "array"),
    field("a message that is text", { messages: ["hi"] }, "messages.0"),
    refused("no model", { body: { messages } }, "invalid_field", "model", "default_model"),
    field("an empty model", { model: "" }, "model"),
    field("a model that is a number", { model: 7 }, "model"),
    field("a model's name that is too long", { model: "x".repeat(201) }, "model"),
    field("models that are text", { models: "good" }, "models"),
    field("no models in the list", { models: [] }, "models"),
    field("too many models", { models: Array.from({ length: 9 }, (_, n) => `m${n}`) }, "models"),
    message("no role", { content: "x" }, "messages.0.role", "expected one of"),
    message("an unknown role", { role: "boss", content: "x" }, "messages.0.role", "boss"),
    message("no content", { role: "user" }, "messages.0.content", "missing"),
    message("content that is a number", { role: "user", content: 7 }, "messages.0.content"),
    message("no parts", { role: "user", content: [] }, "messages.0.content"),
    message("a part without a type", { role: "user", content: [{ text: "x" }] }, "messages.0.content.0.type"),
    message("a text part without text", { role: "user", content: [{ type: "text" }] }, "content.0.text"),
    message("an image without URL", { role: "user", content: [{ type: "image_url" }] }, "image_url.url"),
    message("an answer of no call", { role: "tool", content: "x" }, "messages.0.tool_call_id"),
    message("an assistant who says nothing", { role: "assistant" }, "messages.0.content"),
    message(
      "a user who calls tools",
      { ...call({}), role: "user", content: "x" },
      "only messages of the assistant",
    ),
    message("tool calls that are text", { role: "assistant", content: "", tool_calls: "x" }, "tool_calls"),
    message("a call without id", call({ id: "" }), "tool_calls.0.id"),
    message("a call without name", call({}, { name: "" }), "function.name"),
    message("arguments that are no text", call({}, { arguments: {} }), "function.arguments", "JSON as text"),
    field("stream that is text", { stream: "yes" }, "stream"),
    field("a temperature that is text", { temperature: "hot" }, "temperature"),
    field("a temperature too high", { temperature: 3 }, "temperature", "2"),
    field("a negative temperature", { temperature: -1 }, "temperature"),
    field("top_p over 1", { top_p: 1.5 }, "top_p"),
    field("frequency_penalty over 2", { frequency_penalty: 3 }, "frequency_penalty"),
    field("presence_penalty under -2", { presence_penalty: -3 }, "presence_penalty"),
    field("no tokens", { max_tokens: 0 }, "max_tokens"),
    field("half a token", { max_completion_tokens: 1.5 }, "max_completion_tokens"),
    field("a seed that is text", { seed: "x" }, "seed"),
    field("no answers", { n: 0 }, "n:"),
    field("an empty stop", { stop: "" }, "stop"),
    field("a stop that is a number", { stop: [7] }, "stop"),
    field("too many stops", { stop: Array.from({ length: 17 }, String) }, "stop"),
    field("tools that are an object", { tools: {} }, "tools"),
    field("a tool without function", { tools: [{ type: "function" }] }, "tools.0.function"),
    field("a tool without name", { tools: [{ type: "function", function: {} }] }, "tools.0.function.name"),
    field("a tool with a bad name", { tools: [{ type: "function", function: { name: "a b" } }] }, "name"),
    field("tools required, and none there", { tool_choice: "required" }, "tool_choice"),
    field("an unknown format", { response_format: { type: "yaml" } }, "response_format.type", "json_schema"),
    field("a format that is text", { response_format: "json" }, "response_format"),
    field("a schema that is missing", { response_format: { type: "json_schema" } }, "json_schema"),
    field(
      "a nameless schema",
      { response_format: { type: "json_schema", json_schema: { schema: {} } } },
      "name",
    ),
    field("options of a stream that is none", { stream_options: { include_usage: true } }, "stream: true"),
    field(
      "include_usage that is text",
      { stream: true, stream_options: { include_usage: "x" } },
      "include_usage",
    ),
    field("top_logprobs alone", { top_logprobs: 2 }, "logprobs: true"),
    field("several answers of Ollama", { n: 2 }, "n: ollama"),
    field("logprobs of Ollama", { logprobs: true }, "logprobs: ollama"),
    field("logit_bias of Ollama", { logit_bias: { 1: 2 } }, "logit_bias"),
    field("a choice that is none", { tool_choice: "any" }, "expected none, auto, required or a function"),
    field(
      "a tool chosen that is not there",
      {
        tools: [{ type: "function", function: { name: "f" } }],
        tool_choice: { type: "function", function: { name: "g" } },
      },
      "tool_choice.function.name: expected the name of one of the tools",
    ),
    field(
      "tools allowed that are not there",
      {
        tools: [{ type: "function", function: { name: "f" } }],
        tool_choice: { type: "allowed_tools", allowed_tools: { mode: "required", tools: [] } },
      },
      "tool_choice.allowed_tools.tools",
    ),
    field("a custom tool for Ollama", { tools: [{ type: "custom", custom: { name: "f" } }] }, "tools.0.type"),
    message(
      "an image's address for Ollama",
      { role: "user", content: [{ type: "image_url", image_url: { url: "http://x/y.png" } }] },
      "data:image",
    ),
    message(
      "sound for Ollama",
      { role: "user", content: [{ type: "input_audio", input_audio: {} }] },
      "content.0.type",
    ),
    message(
      "arguments that are no JSON for Ollama",
      call({}, { arguments: "{" }),
      "function.arguments",
      "JSON object",
    ),
    refused(
      "a provider without model",
      { body: { model: "other/", messages } },
      "not_found",
      "other/<model>",
    ),
    refused(
      "an unknown prefix",
      { body: { model: "openruter/missing", messages } },
      "not_found",
      "no provider is named 'openruter'",
      "ollama pull",
    ),
    refused(
      "a model nobody has",
      { body: { model: "other/missing", messages } },
      "not_found",
      "other/missing",
    ),
    refused(
      "a provider without its key",
      { body: { model: "keyless/x", messages } },
      "bad_gateway",
      "KEYLESS_API_KEY",
      "[providers.keyless]",
    ),
    refused(
      "a provider that is not there",
      { body: { model: "nowhere/x", messages } },
      "bad_gateway",
      "127.0.0.1:1",
      "[providers.nowhere] base_url",
    ),
    refused(
      "an unknown use of the cache",
      { headers: { "x-lakehouse-cache": "please" }, body: { model: "good", messages } },
      "invalid_field",
      "off, use or refresh",
    ),
  ],
);

const own = at(
  ["/chat"],
  [
    refused(
      "an unknown field",
      { body: { model: "good", messages, temprature: 1 } },
      "unknown_field",
      "temprature",
    ),
    field("an unknown cache", { cache: "yes" }, "cache", "refresh"),
    field("a window too small", { context_tokens: 1 }, "context_tokens"),
  ],
);

const itemOf = (name: string, item: unknown, ...contains: string[]): Row => ({
  name,
  body: { model: "good", input: [item] },
  ...badField,
  contains,
});
const asked = (name: string, more: object, ...contains: string[]): Row => ({
  name,
  body: { model: "good", input: "hi", ...more },
  ...badField,
  contains,
});
const responses = at(
  ["/responses"],
  [
    refused("no body", {}, "invalid_json"),
    refused("no input", { body: { model: "good" } }, "invalid_field", "input"),
    refused("no items", { body: { model: "good", input: [] } }, "invalid_field", "input: expected a text"),
    refused("no model", { body: { input: "hi" } }, "invalid_field", '"param":"model"'),
    itemOf("an item that is text", "hi", "input.0: expected an object"),
    itemOf("an unknown item", { type: "web_search_call" }, "input.0.type", "function_call_output"),
    itemOf("an item that was kept", { type: "item_reference", id: "x" }, "input.0.type", "send the items"),
    itemOf("a call without its id", { type: "function_call", name: "f", arguments: "{}" }, "input.0.call_id"),
    itemOf("an output of no call", { type: "function_call_output", output: "x" }, "input.0.call_id"),
    itemOf("a file", { role: "user", content: [{ type: "input_file", file_id: "f" }] }, "content.0.type"),
    itemOf("a kept image", { role: "user", content: [{ type: "input_image", file_id: "f" }] }, "image_url"),
    itemOf("an unknown role", { role: "robot", content: "x" }, "role"),
    asked("a conversation that was kept", { conversation: "c" }, "conversation: nothing is kept"),
    asked("an earlier response", { previous_response_id: "r" }, '"param":"previous_response_id"'),
    asked("a prompt that was kept", { prompt: { id: "p" } }, "prompt: nothing is kept"),
    asked("work in the background", { background: true }, "background"),
    asked("cutting", { truncation: "auto" }, "truncation: nothing is cut"),
    asked("logprobs", { include: ["message.output_text.logprobs"] }, "/chat/completions"),
    asked("a tool of OpenAI's", { tools: [{ type: "web_search" }] }, "tools.0.type: expected function"),
    asked("a tool without name", { tools: [{ type: "function" }] }, "tools.0.name"),
    asked("a choice of no tool", { tool_choice: { type: "mcp" } }, "tool_choice.type"),
    asked("no tokens", { max_output_tokens: 0 }, "max_output_tokens"),
    asked("a format without schema", { text: { format: { type: "json_schema", name: "x" } } }, "schema"),
  ],
);
const prompted = (name: string, more: object, ...contains: string[]): Row => ({
  name,
  body: { model: "good", prompt: "hi", ...more },
  ...badField,
  contains,
});
const texts = at(
  ["/completions"],
  [
    refused("no prompt", { body: { model: "good" } }, "invalid_field", "prompt"),
    prompted("a prompt that is an object", { prompt: {} }, '"param":"prompt"'),
    prompted("no prompts", { prompt: [] }, "prompt: expected a text"),
    prompted("tokens for Ollama", { prompt: [1, 2] }, "prompt: ollama", "takes one text"),
    prompted("several prompts for Ollama", { prompt: ["a", "b"] }, "prompt: ollama"),
    prompted("the prompt again, of Ollama", { echo: true }, "echo: ollama"),
    prompted("the best of Ollama", { best_of: 2 }, "best_of: ollama"),
    prompted("logprobs of Ollama", { logprobs: 2 }, "logprobs: ollama"),
    prompted("options of a stream that is none", { stream_options: {} }, "stream: true"),
  ],
);

describe("bad input", () => {
  runCases(
    [
      ...both,
      ...own,
      ...responses,
      ...texts,
      refused("GET of /chat", { path: "/chat" }, "method_not_allowed"),
      ...["/chat/completions", "/completions", "/responses"].map((path) => ({
        name: `GET of ${path}`,
        path,
        type: "method_not_allowed",
        openAi: true as const,
        expectHeaders: { allow: "POST" },
      })),
      refused(
        "a query",
        { method: "POST", path: "/chat?x=1", body: { model: "good", messages } },
        "unknown_field",
      ),
    ],
    () => stack.service.send,
  );

  test("null is what was left out", async () => {
    const response = await stack.post("/chat/completions", {
      model: "good",
      messages,
      temperature: null,
      stop: null,
      tools: null,
      stream: null,
    });
    expect(response.status).toBe(200);
  });
});

describe("a configuration that cannot be", () => {
  const providers = (table: object) => ({ providers: { x: table as Record<string, unknown> } });
  const rows: [string, Parameters<ChatdStack["another"]>[0], string][] = [
    ["an unknown kind", providers({ kind: "magic", base_url: "http://x" }), "[providers.x] kind"],
    ["no address", providers({ kind: "openai" }), "[providers.x] base_url"],
    ["an address with a password", providers({ kind: "openai", base_url: "http://a:b@x/v1" }), "base_url"],
    [
      "a key in the open",
      providers({ kind: "openai", base_url: "http://x", api_key: chatKey }),
      "secrets file",
    ],
    ["an unknown field", providers({ kind: "openai", base_url: "http://x", timout: 1 }), "'timout'"],
    ["a bad name", { providers: { "A b": { kind: "openai", base_url: "http://x" } } }, "[providers.A b]"],
    [
      "a budget of nothing",
      providers({ kind: "openai", base_url: "http://x", budget_usd_per_day: 0 }),
      "budget_usd_per_day",
    ],
    ["an alias of an alias", { models: { a: { use: ["b"] }, b: { use: ["good"] } } }, "an alias itself"],
    ["an alias of nothing", { models: { a: { use: [] } } }, '[models."a"]'],
    ["a price below nothing", { models: { a: { input_usd_per_million: -1 } } }, "input_usd_per_million"],
  ];
  for (const [name, changes, says] of rows)
    test(name, async () => {
      const failed = await stack.another(changes).then(
        () => "it started",
        (cause: Error) => cause.message,
      );
      expect(failed).toContain(says);
      expect(failed).not.toContain(chatKey);
    });
});
