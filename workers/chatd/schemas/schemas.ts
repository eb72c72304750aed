/** The shapes that chatd's contract speaks of: OpenAI's conversations, and the product's own. */
import type { TProperties } from "@sinclair/typebox";
import { closed, t } from "../../../runtime/contract/contract.ts";

/** JSON in OpenAI's format. Unknown fields pass through unchanged. */
export type Json = Record<string, unknown>;

const anything = t.Optional(t.Unknown());
const number = (minimum: number, maximum: number) => t.Optional(t.Number({ minimum, maximum }));
const countFrom = (minimum: number, maximum = 10_000_000) => t.Optional(t.Integer({ minimum, maximum }));
const modelName = t.String({ minLength: 1, maxLength: 200 });
/** An object whose unknown fields are passed on. */
const open = <P extends TProperties>(fields: P) => t.Object(fields, { additionalProperties: true });
const object = open({});
const FunctionTool = open({
  name: t.String({ pattern: "^[A-Za-z0-9_.-]{1,128}$" }),
  description: t.Optional(t.String()),
  parameters: t.Optional(object),
});

/** Fields that conversations and texts have alike. */
export const sampling = {
  model: t.Optional(modelName),
  models: t.Optional(t.Array(modelName, { minItems: 1, maxItems: 8 })),
  stream: t.Optional(t.Boolean()),
  stream_options: t.Optional(open({ include_usage: t.Optional(t.Boolean()) })),
  temperature: number(0, 2),
  top_p: number(0, 1),
  frequency_penalty: number(-2, 2),
  presence_penalty: number(-2, 2),
  max_tokens: countFrom(1),
  n: countFrom(1, 128),
  seed: t.Optional(t.Integer()),
  stop: anything,
};

/** Fields of OpenAI's API that are read or mapped here. */
const fields = {
  ...sampling,
  messages: t.Array(object, { minItems: 1, maxItems: 10_000 }),
  max_completion_tokens: countFrom(1),
  tools: t.Optional(
    t.Array(open({ type: t.String(), function: t.Optional(FunctionTool) }), {
      maxItems: 512,
    }),
  ),
  tool_choice: anything,
  parallel_tool_calls: t.Optional(t.Boolean()),
  response_format: t.Optional(
    open({
      type: t.Union([t.Literal("text"), t.Literal("json_object"), t.Literal("json_schema")]),
      json_schema: t.Optional(open({ name: t.String({ minLength: 1 }), schema: t.Optional(object) })),
    }),
  ),
  logprobs: t.Optional(t.Boolean()),
  top_logprobs: countFrom(0, 20),
  reasoning_effort: t.Optional(t.String()),
};

export const OpenAiShape = open(fields);

/** `/chat` names every field it takes, so that a misspelt one is refused. */
export const OwnShape = closed({
  ...fields,
  cache: t.Optional(t.Union([t.Literal("off"), t.Literal("use"), t.Literal("refresh")])),
  context_tokens: countFrom(64, 16_777_216),
  audio: anything,
  function_call: anything,
  functions: anything,
  logit_bias: anything,
  metadata: anything,
  modalities: anything,
  prediction: anything,
  prompt_cache_key: anything,
  safety_identifier: anything,
  service_tier: anything,
  store: anything,
  user: anything,
  verbosity: anything,
  web_search_options: anything,
});

/** OpenAI's older shape, which continues a text. */
export const TextShape = open({
  ...sampling,
  prompt: t.Unknown(),
  suffix: t.Optional(t.String()),
  echo: t.Optional(t.Boolean()),
  best_of: t.Optional(t.Integer({ minimum: 1, maximum: 128 })),
  logprobs: t.Optional(t.Integer({ minimum: 0, maximum: 20 })),
});

/** OpenAI's Responses: what is read of a request. */
export const ResponsesShape = open({
  input: t.Unknown(),
  instructions: t.Optional(t.String()),
  max_output_tokens: t.Optional(t.Integer({ minimum: 1 })),
  tools: t.Optional(t.Array(object, { maxItems: 512 })),
  tool_choice: t.Optional(t.Unknown()),
  text: t.Optional(open({ format: t.Optional(object), verbosity: t.Optional(t.String()) })),
  reasoning: t.Optional(open({ effort: t.Optional(t.String()) })),
  store: t.Optional(t.Boolean()),
  background: t.Optional(t.Boolean()),
  truncation: t.Optional(t.String()),
  include: t.Optional(t.Array(t.String())),
  stream_options: t.Optional(object),
});

const count = t.Integer({ minimum: 0 });

/** OpenAI's answer. Providers add fields of their own, which are passed on. */
export const Completion = open({
  id: t.String(),
  object: t.Literal("chat.completion"),
  created: count,
  model: t.String(),
  choices: t.Array(
    open({
      index: count,
      message: open({
        role: t.String(),
        content: t.Optional(t.Union([t.String(), t.Null()])),
        tool_calls: t.Optional(t.Array(object)),
      }),
      finish_reason: t.Optional(t.Union([t.String(), t.Null()])),
    }),
  ),
  usage: t.Optional(
    t.Union([
      open({
        prompt_tokens: t.Optional(count),
        completion_tokens: t.Optional(count),
        total_tokens: t.Optional(count),
      }),
      t.Null(),
    ]),
  ),
});

/** The same with what the product adds. */
export const OwnCompletion = open({
  ...Completion.properties,
  lakehouse: open({
    provider: t.String(),
    model: t.String(),
    cache: t.String(),
    retries: count,
    ignored: t.Array(t.String()),
    cost_usd: t.Optional(t.Number()),
  }),
});

export const TextCompletion = open({
  id: t.String(),
  object: t.Literal("text_completion"),
  created: count,
  model: t.String(),
  choices: t.Array(open({ index: count, text: t.String() })),
});

export const ResponsesAnswer = open({
  id: t.String(),
  object: t.Literal("response"),
  status: t.String(),
  model: t.Union([t.String(), t.Null()]),
  output: t.Array(object),
});
