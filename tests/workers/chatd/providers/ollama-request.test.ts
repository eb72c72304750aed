/** OpenAI's requests in Ollama's words. */
import { expect, test } from "bun:test";
import { ollamaRequest } from "../../../../workers/chatd/providers/ollama-request.ts";
import type { Json } from "../../../../workers/chatd/schemas/schemas.ts";

const made = (body: Json) =>
  ollamaRequest(
    {
      model: "m",
      id: "m",
      body: { messages: [{ role: "user", content: "x" }], ...body },
      streamOptions: {},
      contextTokens: 100,
      onAnswer: () => {},
      signal: new AbortController().signal,
    },
    true,
  );

test("fields become options, format, tools and think", () => {
  const schema = { type: "object" };
  const tools = [{ type: "function", function: { name: "f" } }];
  expect(
    made({
      temperature: 0.1,
      top_p: 0.2,
      seed: 3,
      stop: ["a"],
      max_tokens: 5,
      presence_penalty: 1,
      frequency_penalty: -1,
      tools,
      tool_choice: "auto",
      response_format: { type: "json_schema", json_schema: { name: "x", schema } },
      reasoning_effort: "low",
      user: "u",
    }),
  ).toEqual({
    model: "m",
    messages: [{ role: "user", content: "x" }],
    stream: true,
    truncate: false,
    shift: false,
    options: {
      num_ctx: 100,
      temperature: 0.1,
      top_p: 0.2,
      seed: 3,
      stop: ["a"],
      num_predict: 5,
      presence_penalty: 1,
      frequency_penalty: -1,
    },
    tools,
    format: schema,
    think: "low",
  });
  expect(made({ response_format: { type: "json_object" } }).format).toBe("json");
  expect(made({ tools, tool_choice: "none" }).tools).toBeUndefined();
  expect(made({ reasoning_effort: "none" }).think).toBe(false);
});

test("messages keep their parts: images as bytes, arguments as objects, answers by the tool's name", () => {
  const messages = [
    { role: "developer", content: "be brief" },
    {
      role: "user",
      content: [
        { type: "text", text: "what is" },
        { type: "image_url", image_url: { url: "data:image/png;base64,QUJD" } },
        { type: "text", text: "this?" },
      ],
    },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "call_1", type: "function", function: { name: "look", arguments: '{"a":[1]}' } }],
    },
    { role: "tool", tool_call_id: "call_1", content: "a cat" },
  ];
  expect(made({ messages }).messages).toEqual([
    { role: "system", content: "be brief" },
    { role: "user", content: "what is\nthis?", images: ["QUJD"] },
    {
      role: "assistant",
      content: "",
      tool_calls: [{ id: "call_1", function: { name: "look", arguments: { a: [1] } } }],
    },
    { role: "tool", content: "a cat", tool_call_id: "call_1", tool_name: "look" },
  ]);
});
