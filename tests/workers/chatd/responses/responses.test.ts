/** `/responses` beside a provider's own words: what goes in, and the events that come out. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { eventsIn } from "../../../support/clients/sse-text.ts";
import { type ChatdStack, startChatdStack } from "../../../support/stacks/chatd.ts";

let stack: ChatdStack;
beforeAll(async () => {
  stack = await startChatdStack();
});
beforeEach(() => stack.models.reset());
afterAll(() => stack.stop());

const ask = (body: object) => stack.post("/responses", { model: "other/good", input: "hi", ...body });
const sent = async () => (await stack.models.requests()).at(-1)?.body ?? {};
const tool = { type: "function", name: "weather", parameters: { type: "object", properties: {} } };

test("fields are said in the words of a conversation, unknown ones as they are", async () => {
  const format = { type: "json_schema", name: "x", schema: { type: "object" }, strict: true };
  const response = await ask({
    instructions: "be brief",
    max_output_tokens: 50,
    temperature: 0.5,
    tools: [{ ...tool, strict: true }],
    tool_choice: { type: "function", name: "weather" },
    text: { format, verbosity: "low" },
    reasoning: { effort: "low", summary: "auto" },
    metadata: { a: "b" },
    store: true,
    include: ["reasoning.encrypted_content"],
    top_k: 5,
    user: null,
  });
  expect(response.status).toBe(200);
  expect(response.headers.get("x-lakehouse-ignored")).toBe(
    "store,include.reasoning.encrypted_content,reasoning.summary",
  );
  const { type, ...called } = tool;
  expect(await sent()).toEqual({
    model: "good",
    messages: [
      { role: "system", content: "be brief" },
      { role: "user", content: "hi" },
    ],
    max_completion_tokens: 50,
    temperature: 0.5,
    tools: [{ type, function: { ...called, strict: true } }],
    tool_choice: { type: "function", function: { name: "weather" } },
    response_format: {
      type: "json_schema",
      json_schema: { name: "x", schema: { type: "object" }, strict: true },
    },
    verbosity: "low",
    reasoning_effort: "low",
    metadata: { a: "b" },
    top_k: 5,
  });
  expect(await response.json()).toMatchObject({
    object: "response",
    status: "completed",
    error: null,
    store: false,
    instructions: "be brief",
    max_output_tokens: 50,
    tool_choice: { type: "function", name: "weather" },
    text: { format },
    metadata: { a: "b" },
    previous_response_id: null,
  });
});

test("items become messages; calls of one turn are one message", async () => {
  await ask({
    input: [
      { role: "developer", content: "be brief" },
      {
        type: "message",
        role: "user",
        content: [
          { type: "input_text", text: "both " },
          { type: "input_text", text: "?" },
        ],
      },
      { type: "reasoning", id: "rs_1", summary: [] },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "I ask" }] },
      { type: "function_call", call_id: "a", name: "weather", arguments: "{}" },
      { type: "function_call", call_id: "b", name: "weather", arguments: "{}" },
      { type: "function_call_output", call_id: "a", output: "rain" },
      { type: "function_call_output", call_id: "b", output: [{ type: "input_text", text: "sun" }] },
      {
        role: "user",
        content: [{ type: "input_image", image_url: "data:image/png;base64,AA==", detail: "low" }],
      },
    ],
  });
  const call = (id: string) => ({ id, type: "function", function: { name: "weather", arguments: "{}" } });
  expect((await sent()).messages).toEqual([
    { role: "developer", content: "be brief" },
    { role: "user", content: "both ?" },
    { role: "assistant", content: "I ask", tool_calls: [call("a"), call("b")] },
    { role: "tool", tool_call_id: "a", content: "rain" },
    { role: "tool", tool_call_id: "b", content: "sun" },
    {
      role: "user",
      content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AA==", detail: "low" } }],
    },
  ]);
});

describe.each(["", "other/"])("a stream of '%sgood'", (prefix) => {
  const events = async (body: object) => {
    const response = await ask({ model: `${prefix}good`, stream: true, ...body });
    const all = eventsIn(await response.text());
    // Each is named as its type, and numbered.
    return all.map(({ event, data }, at) => {
      const value = JSON.parse(data);
      expect([event, value.sequence_number]).toEqual([value.type, at]);
      return value;
    });
  };
  const runs = (all: { type: string }[]) =>
    all.map(({ type }) => type.replace("response.", "")).filter((type, at, list) => type !== list[at - 1]);

  test("of text has OpenAI's events in their order", async () => {
    const all = await events({});
    expect(runs(all)).toEqual([
      "created",
      "in_progress",
      "output_item.added",
      "content_part.added",
      "output_text.delta",
      "output_text.done",
      "content_part.done",
      "output_item.done",
      "completed",
    ]);
    const text = all.map(({ type, delta }) => (type === "response.output_text.delta" ? delta : "")).join("");
    expect(text).toBe("the answer is forty two");
    const { response } = all.at(-1);
    expect(response.output).toEqual([all.at(-2).item]);
    expect(response.output[0].content[0].text).toBe(text);
    expect(response.usage).toMatchObject({ input_tokens: 1, output_tokens: 5, total_tokens: 6 });
    const ids = new Set(all.flatMap(({ item_id: id, item }) => [id ?? item?.id]).filter(Boolean));
    expect(ids.size).toBe(1);
  });

  test("of a call has its events, and the call whole at the end", async () => {
    const all = await events({ tools: [tool], tool_choice: "required" });
    expect(runs(all)).toEqual([
      "created",
      "in_progress",
      "output_item.added",
      "function_call_arguments.delta",
      "function_call_arguments.done",
      "output_item.done",
      "completed",
    ]);
    expect(all.find(({ type }) => type.endsWith("arguments.done")).arguments).toBe("{}");
    expect(all.at(-1).response.output).toMatchObject([
      { type: "function_call", name: "weather", arguments: "{}", status: "completed" },
    ]);
  });
});
