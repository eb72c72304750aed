/** What every kind of chat provider must do: one suite, run for each against the model server, streaming and not. */
import { beforeEach, describe, expect, test } from "bun:test";
import { expectOpenAi } from "../support/clients/api-case.ts";
import { eventsIn, readTo, textOfEvents } from "../support/clients/sse-text.ts";
import { ask, type ChatdStack, chatKey } from "../support/stacks/chatd.ts";

interface FaultRow {
  fault: string;
  /** Of the whole answer, and of a stream that failed before its first token. */
  status: number;
  type: string;
  /** Calls that reach the provider with one retry. */
  calls: number;
  /** At the doors with OpenAI's errors: the code where it is not the type, the status where it is another. */
  code?: string;
  openAiStatus?: number;
  says?: string;
}

/** Faults before anything was said. */
const faults: FaultRow[] = [
  {
    fault: "busy",
    status: 429,
    type: "too_many_requests",
    code: "rate_limit_exceeded",
    calls: 2,
    says: "limits its callers",
  },
  { fault: "full", status: 503, type: "overloaded", code: "server_overloaded", calls: 2, says: "overloaded" },
  { fault: "broken", status: 502, type: "bad_gateway", calls: 2, says: "failed with 500" },
  { fault: "page", status: 502, type: "bad_gateway", calls: 2, says: "500" },
  { fault: "moved", status: 502, type: "bad_gateway", calls: 1, says: "302" },
  { fault: "missing", status: 404, type: "not_found", code: "model_not_found", calls: 1, says: "missing" },
  { fault: "refused", status: 400, type: "bad_request", calls: 1, says: "temperature" },
  {
    fault: "long",
    status: 422,
    type: "unprocessable",
    code: "context_length_exceeded",
    openAiStatus: 400,
    calls: 1,
    says: "longer than",
  },
  {
    fault: "poor",
    status: 502,
    type: "bad_gateway",
    code: "insufficient_quota",
    openAiStatus: 429,
    calls: 1,
    says: "credit",
  },
  {
    fault: "forbidden",
    status: 502,
    type: "bad_gateway",
    code: "provider_key_refused",
    calls: 1,
    says: "refused the key",
  },
  { fault: "cut", status: 502, type: "bad_gateway", calls: 2 },
  { fault: "error", status: 502, type: "bad_gateway", calls: 2, says: "it went wrong" },
  { fault: "malformed", status: 502, type: "bad_gateway", calls: 2, says: "no answer of" },
  { fault: "strange", status: 502, type: "bad_gateway", calls: 2 },
  { fault: "silent", status: 502, type: "bad_gateway", calls: 2 },
  { fault: "hang", status: 504, type: "deadline_exceeded", calls: 1, says: "within" },
  { fault: "bomb", status: 502, type: "bad_gateway", calls: 1, says: "more than" },
  { fault: "huge", status: 502, type: "bad_gateway", calls: 1, says: "more than" },
];

/** Faults after two tokens of a stream. */
const midway = [
  { fault: "cut@2", type: "bad_gateway" },
  { fault: "error@2", type: "bad_gateway" },
  { fault: "malformed@2", type: "bad_gateway" },
  { fault: "silent@2", type: "bad_gateway" },
  { fault: "hang@2", type: "deadline_exceeded" },
];

/** `prefix` is of the provider's models; retries of the stack must be one, answers at most 1 MB. */
export function chatProviderSuite(kind: string, prefix: string, stackOf: () => ChatdStack): void {
  const post = (model: string, more: object = {}) =>
    stackOf().post("/chat/completions", ask(prefix + model, more));

  describe(`${kind} provider`, () => {
    beforeEach(async () => {
      await stackOf().models.reset();
      await stackOf().models.set({ retryAfter: "0" });
    });

    test("answers whole", async () => {
      const response = await post("good");
      expect(response.status).toBe(200);
      const body = await response.json();
      expect(body).toMatchObject({
        object: "chat.completion",
        model: `${prefix}good`,
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: "the answer is forty two" },
            finish_reason: "stop",
          },
        ],
        usage: { prompt_tokens: 4, completion_tokens: 5, total_tokens: 9 },
      });
    });

    test("answers in a stream of the same text, ended by [DONE]", async () => {
      const response = await post("good", { stream: true });
      expect(response.headers.get("content-type")).toStartWith("text/event-stream");
      const events = eventsIn(await response.text());
      expect(textOfEvents(events)).toBe("the answer is forty two");
      expect(events.at(-1)?.data).toBe("[DONE]");
      const chunks = events.slice(0, -1).map(({ data }) => JSON.parse(data));
      expect(chunks.every(({ model, usage }) => model === `${prefix}good` && usage === undefined)).toBe(true);
      expect(chunks.at(-1).choices[0].finish_reason).toBe("stop");
    });

    test.each([false, true])("reads what the provider compressed (stream: %p)", async (stream) => {
      expect(await (await post("coded", { stream })).text()).toContain("forty");
    });

    test("tells a stream's usage to who asked for it", async () => {
      const response = await post("good", { stream: true, stream_options: { include_usage: true } });
      const events = eventsIn(await response.text());
      const last = JSON.parse(events.at(-2)?.data ?? "");
      expect(last).toMatchObject({ choices: [], usage: { prompt_tokens: 4, completion_tokens: 5 } });
    });

    test("calls tools: ids and arguments as text, and takes their answers", async () => {
      const parameters = { type: "object", properties: { city: { type: "string" } } };
      const tools = [{ type: "function", function: { name: "weather", parameters } }];
      const called = await (await post("good", { tools })).json();
      const [call] = called.choices[0].message.tool_calls;
      expect(call).toMatchObject({
        type: "function",
        function: { name: "weather", arguments: '{"city":"Ann"}' },
      });
      expect(called.choices[0].finish_reason).toBe("tool_calls");
      const messages = [
        { role: "user", content: "weather?" },
        { role: "assistant", content: null, tool_calls: [call] },
        { role: "tool", tool_call_id: call.id, content: "rain" },
      ];
      const after = await stackOf().post("/chat/completions", { model: `${prefix}good`, messages, tools });
      expect((await after.json()).choices[0].message.content).toBe("the answer is forty two");
      const events = eventsIn(await (await post("good", { tools, stream: true })).text());
      const deltas = events
        .slice(0, -1)
        .flatMap(({ data }) => JSON.parse(data).choices[0]?.delta.tool_calls ?? []);
      expect(deltas[0]).toMatchObject({ index: 0, type: "function", function: { name: "weather" } });
      expect(typeof deltas[0].id).toBe("string");
      expect(deltas.map((delta) => delta.function.arguments).join("")).toBe('{"city":"Ann"}');
    });

    test.each([false, true])("calls the tool that it must call (stream: %p)", async (stream) => {
      const number = { type: "object", properties: { n: { $ref: "#/$defs/count" } }, required: ["n"] };
      const tools = [
        { type: "function", function: { name: "city", parameters: { type: "object", properties: {} } } },
        {
          type: "function",
          function: { name: "count", parameters: { ...number, $defs: { count: { type: "integer" } } } },
        },
        { type: "function", function: { name: "stop" } },
      ];
      const named = (name: string) => ({ type: "function", function: { name } });
      // As OpenAI itself ends such answers: `stop` where a function was named.
      const rows = [
        { tool_choice: named("count"), called: "count", given: { n: 7 }, finish: "stop" },
        { tool_choice: named("stop"), called: "stop", given: {}, finish: "stop" },
        { tool_choice: "required", tools: tools.slice(0, 2), called: "count", given: { n: 7 } },
        { tool_choice: "required", tools: tools.slice(0, 1), called: "city", given: {} },
      ];
      for (const { called, given, finish = "tool_calls", ...row } of rows) {
        const response = await post("good", { tools, stream, ...row });
        const [choice] = stream
          ? [joined(eventsIn(await response.text()))]
          : (await response.json()).choices.map((each: { message: object }) => ({
              ...each,
              ...each.message,
            }));
        expect(choice).toMatchObject({ content: null, finish_reason: finish });
        expect(choice.tool_calls.length).toBe(1);
        const [{ id, type, function: made }] = choice.tool_calls;
        expect([typeof id, type, made.name]).toEqual(["string", "function", called]);
        expect(JSON.parse(made.arguments)).toEqual(given);
      }
    });

    test("goes on with a text, whole and in a stream", async () => {
      const send = (more: object) =>
        stackOf().post("/completions", { model: `${prefix}good`, prompt: "and so on", ...more });
      const whole = await (await send({ max_tokens: 9, suffix: "." })).json();
      expect(whole).toMatchObject({
        object: "text_completion",
        model: `${prefix}good`,
        choices: [{ text: "the answer is forty two", index: 0, logprobs: null, finish_reason: "stop" }],
        usage: { prompt_tokens: 3, completion_tokens: 5 },
      });
      expect(whole.id).toStartWith("cmpl-");
      const events = eventsIn(await (await send({ stream: true })).text());
      expect(events.pop()?.data).toBe("[DONE]");
      const chunks = events.map(({ data }) => JSON.parse(data));
      expect(chunks.map(({ choices }) => choices[0].text).join("")).toBe("the answer is forty two");
      expect(chunks.every(({ object, usage }) => object === "text_completion" && !usage)).toBe(true);
      expect(chunks.at(-1).choices[0].finish_reason).toBe("stop");
      const [first] = await stackOf().models.requests();
      expect(first?.body).toMatchObject({ prompt: "and so on", suffix: "." });
    });

    test("keeps to a JSON schema", async () => {
      const schema = { type: "object", properties: { name: { type: "string" }, age: { type: "integer" } } };
      const response_format = { type: "json_schema", json_schema: { name: "person", schema } };
      const answer = await (await post("good", { response_format })).json();
      expect(JSON.parse(answer.choices[0].message.content)).toEqual({ name: "Ann", age: 7 });
    });

    for (const row of faults)
      for (const stream of [false, true])
        test(`${row.fault}${stream ? ", streamed," : ""} is ${row.status} ${row.type}`, async () => {
          const failing = async (path: string) => {
            const answer = stackOf().post(path, ask(prefix + row.fault, { stream }));
            if (row.fault === "hang") await stackOf().models.until({ active: 1 });
            if (row.fault === "hang") stackOf().clock.pass();
            return answer;
          };
          const response = await failing("/chat/completions");
          const text = await response.text();
          const status = row.openAiStatus ?? row.status;
          expect(`${response.status} ${text}`).toStartWith(`${status} `);
          const { error } = JSON.parse(text);
          expectOpenAi(error, status, row.code ?? row.type);
          // What was tried here, and what no trying mends, OpenAI's clients do not try again.
          expect(response.headers.get("x-should-retry")).toBe("false");
          expect(error.message).toContain(row.says ?? row.fault);
          expect(error.message).not.toContain("<");
          expect(error.message.length).toBeLessThan(600);
          expect(text).not.toContain(chatKey);
          expect((await stackOf().models.requests()).length).toBe(row.calls);
          if (row.fault === "busy") expect(response.headers.get("retry-after")).toBe("1");
          await stackOf().models.until({ active: 0 });
          const own = await failing("/chat");
          const { error: told } = JSON.parse(await own.text());
          expect(told).toMatchObject({ type: row.type, code: row.status, message: error.message });
        });

    for (const { fault, type } of midway)
      test(`${fault} is told by an error event, and never by [DONE]`, async () => {
        const response = await post(fault, { stream: true });
        expect(response.status).toBe(200);
        const text = await readTo(response, " answer", () => {
          if (fault === "hang@2") stackOf().clock.pass();
          if (fault === "cut@2") void stackOf().models.release();
        });
        const events = eventsIn(text);
        expect(textOfEvents(events)).toBe("the answer");
        const last = events.at(-1);
        expect(last?.event).toBe("error");
        const { error } = JSON.parse(last?.data ?? "");
        expectOpenAi(error, 502, type);
        expect(error.request_id).toBe(response.headers.get("x-request-id"));
        expect(text).not.toContain("[DONE]");
        expect(text).not.toContain(chatKey);
        expect((await stackOf().models.requests()).length).toBe(1);
        await stackOf().models.until({ active: 0 });
      });

    test.each([false, true])("a fault that passes is tried again (stream: %p)", async (stream) => {
      for (const fault of ["busy*1", "full*1", "broken*1", "cut*1", "malformed*1", "error*1", "silent*1"]) {
        const response = await post(fault, { stream });
        expect(`${fault} ${response.status}`).toBe(`${fault} 200`);
        expect(await response.text()).toContain("forty");
        expect(response.headers.get("x-lakehouse-retries")).toBe("1");
      }
    });

    test.each([false, true])("who goes away ends the call (stream: %p)", async (stream) => {
      const { models } = stackOf();
      const controller = new AbortController();
      const model = `${prefix}${stream ? "hang@2" : "held"}`;
      const sent = stackOf().post("/chat/completions", ask(model, { stream }), { signal: controller.signal });
      const failed = sent.then((response) => response.text()).catch(() => "gone");
      await models.until({ active: 1 });
      if (stream) await sent;
      controller.abort();
      await models.until({ active: 0, cancelled: 1 });
      await failed;
      const { calls } = await stackOf().service.peer.verbs.calls({ after: 0 });
      expect(calls.at(-1)?.outcome).toBe("client_closed");
    });
  });
}

/** What the deltas of a stream make together, where one tool is called. */
function joined(events: { data: string }[]) {
  const choices = events.slice(0, -1).flatMap(({ data }) => JSON.parse(data).choices);
  const made = { id: "", type: "", function: { name: "", arguments: "" } };
  const text = choices.map(({ delta }) => delta.content ?? "").join("");
  for (const call of choices.flatMap(({ delta }) => delta.tool_calls ?? [])) {
    Object.assign(made, call.id && { id: call.id, type: call.type });
    made.function.name += call.function.name ?? "";
    made.function.arguments += call.function.arguments;
  }
  const finish = choices.findLast(({ finish_reason }) => finish_reason !== null);
  return { content: text === "" ? null : text, tool_calls: [made], finish_reason: finish?.finish_reason };
}
