/** A completion as the items of a response, and the response around them. */
import type { Json } from "../schemas/schemas.ts";

export interface Head {
  /** Of the response; items have it in their ids. */
  id: string;
  /** Seconds since the epoch. */
  at: number;
  given: Json;
}

export const itemId = (kind: "msg" | "fc" | "rs", { id }: Head, at: number): string =>
  `${kind}_${id.replace(/^resp_/, "")}_${at}`;

/** The items that a message of the assistant is. */
export function itemsOf({ message, finish_reason: finish }: Json, head: Head): Json[] {
  const { content, refusal, reasoning, tool_calls: calls } = Object(message) as Json;
  const status = isTruncated(finish) ? "incomplete" : "completed";
  const items: Json[] = [];
  if (typeof reasoning === "string" && reasoning !== "")
    items.push({
      ...reasoningItem(head, items.length),
      content: [{ type: "reasoning_text", text: reasoning }],
    });
  const parts = [
    ...(typeof content === "string" && content !== "" ? [textPart(content)] : []),
    ...(typeof refusal === "string" && refusal !== "" ? [{ type: "refusal", refusal }] : []),
  ];
  if (parts.length > 0) items.push({ ...messageItem(head, items.length), status, content: parts });
  for (const call of (calls ?? []) as Json[]) items.push({ ...callItem(call, head, items.length), status });
  return items;
}

export const textPart = (text: string): Json => ({
  type: "output_text",
  text,
  annotations: [],
  logprobs: [],
});

export const messageItem = (head: Head, at: number): Json => ({
  id: itemId("msg", head, at),
  type: "message",
  status: "in_progress",
  role: "assistant",
  content: [],
});

/** What a model thought, as servers of open models write it. */
export const reasoningItem = (head: Head, at: number): Json => ({
  id: itemId("rs", head, at),
  type: "reasoning",
  summary: [],
  content: [],
});

export function callItem({ id, function: called }: Json, head: Head, at: number): Json {
  const { name, arguments: given } = Object(called) as Json;
  return {
    id: itemId("fc", head, at),
    type: "function_call",
    status: "in_progress",
    call_id: id,
    name,
    arguments: given ?? "",
  };
}

export const isTruncated = (finish: unknown): boolean => finish === "length" || finish === "content_filter";

interface Ending {
  finish: unknown;
  model: unknown;
  usage: unknown;
}

/** The response, which repeats the request; `ending` is of a complete answer. */
export function responseOf(output: Json[], { id, at, given }: Head, ending?: Ending): Json {
  const { finish, model, usage } = ending ?? { finish: undefined, model: given.model, usage: undefined };
  const status = !ending ? "in_progress" : isTruncated(finish) ? "incomplete" : "completed";
  const reason = finish === "length" ? "max_output_tokens" : "content_filter";
  const { effort = null, summary = null } = Object(given.reasoning) as Json;
  const { text, tools = [], tool_choice: choice = "auto" } = given;
  return {
    id,
    object: "response",
    created_at: at,
    status,
    background: false,
    error: null,
    incomplete_details: status === "incomplete" ? { reason } : null,
    instructions: given.instructions ?? null,
    max_output_tokens: given.max_output_tokens ?? null,
    max_tool_calls: null,
    metadata: given.metadata ?? {},
    model: model ?? null,
    output,
    parallel_tool_calls: given.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort, summary },
    service_tier: given.service_tier ?? null,
    // Nothing is stored, whatever the request says.
    store: false,
    temperature: given.temperature ?? null,
    text: { format: { type: "text" }, ...Object(text) },
    tool_choice: choice,
    tools,
    top_logprobs: 0,
    top_p: given.top_p ?? null,
    truncation: "disabled",
    usage: ending ? usageOf(usage) : null,
    user: given.user ?? null,
  };
}

function usageOf(usage: unknown): Json | null {
  const { prompt_tokens: read, completion_tokens: written, ...more } = Object(usage) as Json;
  if (typeof read !== "number" && typeof written !== "number") return null;
  const { cached_tokens: cached = 0 } = Object(more.prompt_tokens_details) as Json;
  const { reasoning_tokens: thought = 0 } = Object(more.completion_tokens_details) as Json;
  const [input, output] = [Number(read ?? 0), Number(written ?? 0)];
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: thought },
    total_tokens: input + output,
  };
}
