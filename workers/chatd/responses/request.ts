/** A request of `/responses` as a conversation that every provider understands. Nothing is kept between two of them. */

import type { Static } from "@sinclair/typebox";
import { check } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import { type ChatRequest, type RequestOptions, readChatRequest } from "../conversation/conversation.ts";
import { type Json, ResponsesShape } from "../schemas/schemas.ts";
import { conversationOf } from "./input.ts";

/** Fields that mean something kept on the other side. */
const ofState = ["previous_response_id", "conversation", "prompt"];

export interface ResponsesRequest extends ChatRequest {
  /** The request, as the answer repeats it. */
  given: Json;
}

/** Throws `invalid_field` for what has no equivalent in a conversation, or would need stored state. */
export function readResponsesRequest(given: Json, options: Omit<RequestOptions, "own">): ResponsesRequest {
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  const kept = ofState.find((name) => present[name] !== undefined);
  if (kept !== undefined)
    throw invalidField(kept, "nothing is kept between two requests: send the conversation itself as input");
  const read = check(ResponsesShape, present, "the body") as Static<typeof ResponsesShape> & Json;
  const { input, instructions, tools, tool_choice: choice, text, reasoning } = read;
  // biome-ignore format: one line a group
  const { max_output_tokens: most, store, background, truncation, include = [], stream_options: streamOptions, max_tool_calls: calls, ...rest } = read;
  refuse(read);
  const { messages, ignored } = conversationOf(input, instructions);
  const { effort, ...about } = Object(reasoning) as Json;
  const leftOut = [
    ...ignored,
    ...(store === true ? ["store"] : []),
    ...(streamOptions === undefined ? [] : ["stream_options"]),
    ...(calls === undefined ? [] : ["max_tool_calls"]),
    ...include.map((name) => `include.${name}`),
    ...Object.keys(about).map((name) => `reasoning.${name}`),
  ];
  for (const name of ["input", "instructions", "tools", "tool_choice", "text", "reasoning"])
    delete rest[name];
  const body = {
    ...rest,
    messages,
    ...(most !== undefined && { max_completion_tokens: most }),
    ...(tools && tools.length > 0 && { tools: tools.map(toolOf) }),
    ...(choice !== undefined && { tool_choice: choiceOf(choice) }),
    ...(text?.format && { response_format: formatOf(text.format as Json) }),
    ...(text?.verbosity !== undefined && { verbosity: text.verbosity }),
    ...(effort !== undefined && { reasoning_effort: effort }),
  };
  return { ...readChatRequest(body, { ...options, own: false }), given: present, leftOut };
}

function refuse({ background, truncation, include = [], top_logprobs: logprobs }: Json): void {
  if (background === true) throw invalidField("background", "an answer is given at once: leave it out");
  if (truncation !== undefined && truncation !== "disabled")
    throw invalidField("truncation", "nothing is cut: send disabled, or leave it out");
  const wantsLogprobs = (include as string[]).includes("message.output_text.logprobs");
  if (wantsLogprobs || (typeof logprobs === "number" && logprobs > 0))
    throw invalidField(wantsLogprobs ? "include" : "top_logprobs", "POST /chat/completions gives logprobs");
}

/** Functions stand flat here. Tools of OpenAI's own run on its servers. */
function toolOf({ type, ...tool }: Json, at: number): Json {
  if (type !== "function")
    throw invalidField(
      `tools.${at}.type`,
      `expected function, got ${JSON.stringify(type)}: OpenAI alone runs others`,
    );
  if (typeof tool.name !== "string") throw invalidField(`tools.${at}.name`, "expected a name");
  const { name, description, parameters, strict } = tool;
  const known = { name, description, parameters, strict };
  return {
    type,
    function: Object.fromEntries(
      Object.entries(known).filter(([, value]) => value !== undefined && value !== null),
    ),
  };
}

function choiceOf(choice: unknown): unknown {
  if (typeof choice !== "object" || choice === null) return choice;
  const { type, name, mode, tools } = choice as Json;
  if (type === "function") return { type, function: { name } };
  if (type !== "allowed_tools")
    throw invalidField("tool_choice.type", `expected function or allowed_tools, got ${JSON.stringify(type)}`);
  const listed = (Array.isArray(tools) ? (tools as Json[]) : []).map((tool) => ({
    type: "function",
    function: { name: Object(tool).name },
  }));
  return { type, allowed_tools: { mode, tools: listed } };
}

function formatOf({ type, name, schema, strict, description }: Json): Json {
  if (type !== "json_schema") return { type };
  const known = { name, schema, strict, description };
  const json_schema = Object.fromEntries(
    Object.entries(known).filter(([, value]) => value !== undefined && value !== null),
  );
  return { type, json_schema };
}
