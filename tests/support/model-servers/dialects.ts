/** The two languages of the model server: what it says, in Ollama's words and in OpenAI's. Tokens are words. */
import { fakeTokens } from "./fake-server.ts";

type Json = Record<string, unknown>;

/** An answer before it is put in any language. */
export interface Said {
  model: string;
  tokens: string[];
  tool?: { name: string; given: Json };
  promptTokens: number;
  finish: string;
}

export interface Dialect {
  streamType: string;
  malformed: string;
  answer: (body: Json, kind: string, text: string | undefined) => Said | { refusal: string };
  whole: (said: Said) => Json;
  /** Lines of a stream: the tokens, and what ends it. */
  lines: (said: Said, body: Json) => string[];
  error: (words: string, code?: string) => Json;
  errorEvent: (words: string) => string;
}

/** A value that follows a JSON schema, for answers in a form that was asked for. */
function example(schema: Json, root: Json = schema): unknown {
  if (typeof schema.$ref === "string") {
    const path = schema.$ref.split("/").slice(1);
    return example(
      path.reduce((at, key) => at[key] as Json, root),
      root,
    );
  }
  // The last of several, so that it is told from the first.
  if (Array.isArray(schema.anyOf)) return example(schema.anyOf.at(-1) as Json, root);
  if (Array.isArray(schema.enum)) return schema.enum[0];
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        Object.entries((schema.properties ?? {}) as Record<string, Json>).map(([name, each]) => [
          name,
          example(each, root),
        ]),
      );
    case "array":
      return [example((schema.items ?? { type: "string" }) as Json, root)];
    case "integer":
    case "number":
      return 7;
    case "boolean":
      return true;
    default:
      return "Ann";
  }
}

const textsOf = (body: Json): string =>
  ((body.messages ?? []) as Json[])
    .map(({ content }) => (typeof content === "string" ? content : JSON.stringify(content ?? "")))
    .join("\n");

function said(body: Json, { text, schema }: { text: string | undefined; schema: unknown }): Said {
  const messages = body.messages as Json[];
  const tools = (body.tools ?? []) as { function: { name: string; parameters?: Json } }[];
  const choice = Object(body.tool_choice) as { function?: { name?: string } };
  const named = tools.find((each) => each.function.name === choice.function?.name);
  // As OpenAI's models with several tools and no preference: any of them, here the last.
  const tool = named ?? (body.tool_choice === "required" ? tools.at(-1) : tools[0]);
  const wantsTool = tool !== undefined && messages.at(-1)?.role === "user";
  const spoken = schema ? JSON.stringify(example(schema as Json)) : (text ?? "the answer is forty two");
  return {
    model: String(body.model),
    tokens: wantsTool ? [] : (spoken.match(/\s*\S+/g) ?? []),
    promptTokens: fakeTokens(textsOf(body)),
    finish: wantsTool && !named ? "tool_calls" : "stop",
    ...(wantsTool && {
      tool: {
        name: tool.function.name,
        given: example(tool.function.parameters ?? { type: "object" }) as Json,
      },
    }),
  };
}

const usageOf = ({ promptTokens, tokens }: Said): Json => ({
  prompt_tokens: promptTokens,
  completion_tokens: Math.max(1, tokens.length),
  total_tokens: promptTokens + Math.max(1, tokens.length),
});

const event = (data: unknown): string =>
  `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;

export const openai: Dialect = {
  streamType: "text/event-stream",
  malformed: 'data: {"choices": [{"del\n\n',
  answer: (body, _kind, text) => {
    const format = body.response_format as { json_schema?: { schema?: Json } } | undefined;
    return said(body, { text, schema: format?.json_schema?.schema });
  },
  whole: (answer) => ({
    id: "chatcmpl-stand-in",
    object: "chat.completion",
    created: 1,
    model: answer.model,
    system_fingerprint: "fp_tests",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: answer.tool ? null : answer.tokens.join(""),
          refusal: null,
          ...(answer.tool && {
            tool_calls: [
              {
                id: "call_1",
                type: "function",
                function: { name: answer.tool.name, arguments: JSON.stringify(answer.tool.given) },
              },
            ],
          }),
        },
        logprobs: null,
        finish_reason: answer.finish,
      },
    ],
    usage: usageOf(answer),
  }),
  lines: (answer, body) => {
    const chunk = (choices: Json[], more: Json = {}) =>
      event({
        id: "chatcmpl-stand-in",
        object: "chat.completion.chunk",
        created: 1,
        model: answer.model,
        choices,
        ...more,
      });
    const delta = (each: Json, finish: string | null = null) =>
      chunk([{ index: 0, delta: each, finish_reason: finish }]);
    const called = answer.tool;
    const given = called ? JSON.stringify(called.given) : "";
    const toolDeltas = called
      ? [
          { index: 0, id: "call_1", type: "function", function: { name: called.name, arguments: "" } },
          { index: 0, function: { arguments: given.slice(0, 4) } },
          { index: 0, function: { arguments: given.slice(4) } },
        ].map((call, at) =>
          delta({ ...(at === 0 && { role: "assistant", content: null }), tool_calls: [call] }),
        )
      : [];
    const first = answer.tokens.map((content, at) =>
      delta(at === 0 ? { role: "assistant", content } : { content }),
    );
    const options = Object(body.stream_options) as Json;
    return [
      ...first,
      ...toolDeltas,
      delta({}, answer.finish),
      ...(options.include_usage === true ? [chunk([], { usage: usageOf(answer) })] : []),
      event("[DONE]"),
    ];
  },
  error: (message, code) => ({ error: { message, type: "stand_in_error", param: null, code: code ?? null } }),
  errorEvent: (message) => event({ error: { message, type: "server_error", code: 502 } }),
};

/** The same about a text that goes on: `/v1/completions`. */
const asMessages = (body: Json): Json => ({
  ...body,
  messages: [{ role: "user", content: [body.prompt].flat().join(" ") }],
});
export const openaiText: Dialect = {
  ...openai,
  answer: (body, kind, text) => openai.answer(asMessages(body), kind, text),
  whole: (answer) => ({
    id: "cmpl-stand-in",
    object: "text_completion",
    created: 1,
    model: answer.model,
    choices: [{ text: answer.tokens.join(""), index: 0, logprobs: null, finish_reason: answer.finish }],
    usage: usageOf(answer),
  }),
  lines: (answer, body) => {
    const chunk = (choices: Json[], more: Json = {}) =>
      event({
        id: "cmpl-stand-in",
        object: "text_completion",
        created: 1,
        model: answer.model,
        choices,
        ...more,
      });
    const part = (text: string, finish: string | null = null) =>
      chunk([{ text, index: 0, logprobs: null, finish_reason: finish }]);
    const options = Object(body.stream_options) as Json;
    return [
      ...answer.tokens.map((token) => part(token)),
      part("", answer.finish),
      ...(options.include_usage === true ? [chunk([], { usage: usageOf(answer) })] : []),
      event("[DONE]"),
    ];
  },
};

/** The window of the stand-in, where none is asked for. */
const usualWindow = 4096;

export const ollama: Dialect = {
  streamType: "application/x-ndjson",
  malformed: '{"message": {"cont\n',
  answer: (body, kind, text) => {
    const format = typeof body.format === "object" ? body.format : undefined;
    const answer = said(body, { text: body.format === "json" ? '{"name":"Ann"}' : text, schema: format });
    const window = Number((Object(body.options) as Json).num_ctx ?? usualWindow);
    if (answer.promptTokens <= window) return answer;
    if (kind === "old") return { ...answer, promptTokens: window };
    if (kind === "halving") return { ...answer, promptTokens: Math.floor(window / 2) };
    if (body.truncate === false) return { refusal: "the input length exceeds the context length" };
    return { ...answer, promptTokens: window };
  },
  whole: (answer) => ({
    model: answer.model,
    created_at: "2026-01-01T00:00:00Z",
    message: {
      role: "assistant",
      content: answer.tokens.join(""),
      ...(answer.tool && {
        tool_calls: [{ function: { name: answer.tool.name, arguments: answer.tool.given } }],
      }),
    },
    ...endOf(answer),
  }),
  lines: (answer) => {
    const record = (more: Json) =>
      `${JSON.stringify({ model: answer.model, created_at: "2026-01-01T00:00:00Z", ...more })}\n`;
    const message = (more: Json) =>
      record({ message: { role: "assistant", content: "", ...more }, done: false });
    const called = answer.tool;
    return [
      ...answer.tokens.map((content) => message({ content })),
      ...(called
        ? [message({ tool_calls: [{ function: { name: called.name, arguments: called.given } }] })]
        : []),
      record({ message: { role: "assistant", content: "" }, ...endOf(answer) }),
    ];
  },
  error: (words) => ({ error: words }),
  errorEvent: (words) => `${JSON.stringify({ error: words })}\n`,
};

/** `/api/generate`: the text stands beside the rest. */
export const ollamaText: Dialect = {
  ...ollama,
  answer: (body, kind, text) => ollama.answer(asMessages(body), kind, text),
  whole: (answer) => ({ model: answer.model, response: answer.tokens.join(""), ...endOf(answer) }),
  lines: (answer) => [
    ...answer.tokens.map(
      (token) => `${JSON.stringify({ model: answer.model, response: token, done: false })}\n`,
    ),
    `${JSON.stringify({ model: answer.model, response: "", ...endOf(answer) })}\n`,
  ],
};

const endOf = (answer: Said): Json => ({
  done: true,
  done_reason: "stop",
  total_duration: 1_000_000,
  prompt_eval_count: answer.promptTokens,
  eval_count: Math.max(1, answer.tokens.length),
});
