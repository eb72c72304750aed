/** Checks the messages of a conversation, with errors that name the message and what was expected of it. */
import { invalidField } from "../../../runtime/errors/errors.ts";
import type { Json } from "../schemas/schemas.ts";

const roles = ["system", "developer", "user", "assistant", "tool", "function"];

/** Throws `invalid_field` at the first message that no provider could understand. */
export function checkMessages(messages: readonly Json[]): void {
  for (const [at, message] of messages.entries()) {
    const place = `messages.${at}`;
    if (typeof message.role !== "string" || !roles.includes(message.role))
      throw invalidField(`${place}.role`, `expected one of ${roles.join(", ")}, got ${shown(message.role)}`);
    checkContent(message, place);
    if (message.role === "tool" && typeof message.tool_call_id !== "string")
      throw invalidField(`${place}.tool_call_id`, "expected the id of the call that this answers");
    if (message.tool_calls !== undefined && message.tool_calls !== null)
      checkToolCalls(message, `${place}.tool_calls`);
  }
}

function checkContent(
  { role, content, tool_calls, refusal: refused, function_call, audio }: Json,
  place: string,
) {
  const isAbsent = content === undefined || content === null;
  const hasOther = [tool_calls, refused, function_call, audio].some((value) => value !== undefined);
  if (isAbsent && role === "assistant" && hasOther) return;
  if (isAbsent) throw invalidField(`${place}.content`, "expected text or a list of parts, it is missing");
  if (typeof content === "string") return;
  if (!Array.isArray(content) || content.length === 0)
    throw invalidField(`${place}.content`, `expected text or a list of parts, got ${shown(content)}`);
  for (const [at, part] of (content as unknown[]).entries()) checkPart(part, `${place}.content.${at}`);
}

function checkPart(part: unknown, place: string): void {
  const { type, text, image_url: image } = Object(part) as Json;
  if (typeof type !== "string")
    throw invalidField(`${place}.type`, `expected a type, as text, got ${shown(type)}`);
  if (type === "text" && typeof text !== "string")
    throw invalidField(`${place}.text`, `expected text, got ${shown(text)}`);
  if (type === "image_url" && typeof (Object(image) as Json).url !== "string")
    throw invalidField(`${place}.image_url.url`, "expected a URL, it is missing");
}

function checkToolCalls({ role, tool_calls: calls }: Json, place: string): void {
  if (role !== "assistant") throw invalidField(place, "only messages of the assistant call tools");
  if (!Array.isArray(calls) || calls.length === 0)
    throw invalidField(place, `expected a list of calls, got ${shown(calls)}`);
  for (const [at, call] of (calls as unknown[]).entries()) {
    const { id, type, function: called } = Object(call) as Json;
    if (typeof id !== "string" || id === "") throw invalidField(`${place}.${at}.id`, "expected an id");
    if (type === "custom") continue;
    const { name, arguments: given } = Object(called) as Json;
    if (typeof name !== "string" || name === "")
      throw invalidField(`${place}.${at}.function.name`, "expected a name");
    if (typeof given !== "string")
      throw invalidField(`${place}.${at}.function.arguments`, `expected JSON as text, got ${shown(given)}`);
  }
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 80);
