/** What a request of `/responses` says, as a conversation: items become messages. */
import { invalidField } from "../../../runtime/errors/errors.ts";
import type { Json } from "../schemas/schemas.ts";

/** Kinds of items that say what is kept on the other side; here nothing is. */
const ofState = new Set(["item_reference", "compaction"]);

interface Conversation {
  messages: Json[];
  /** Kinds of items that no provider takes in a conversation. */
  ignored: string[];
}

/** Throws `invalid_field` naming the item that has no equivalent. */
export function conversationOf(input: unknown, instructions: string | undefined): Conversation {
  const messages: Json[] = instructions === undefined ? [] : [{ role: "system", content: instructions }];
  const ignored = new Set<string>();
  if (typeof input === "string")
    return { messages: [...messages, { role: "user", content: input }], ignored: [] };
  if (!Array.isArray(input) || input.length === 0)
    throw invalidField("input", "expected a text or a list of items that is not empty");
  for (const [at, item] of (input as unknown[]).entries()) {
    const place = `input.${at}`;
    if (typeof item !== "object" || item === null) throw invalidField(place, "expected an object");
    const said = item as Json;
    if (said.type === "reasoning") ignored.add("input.reasoning");
    else if (said.type === "function_call") addCall(messages, callOf(said, place));
    else messages.push(messageOf(said, place));
  }
  return { messages, ignored: [...ignored] };
}

/** Calls that follow on each other, and on what the assistant said, are one message. */
function addCall(messages: Json[], call: Json): void {
  const last = messages.at(-1);
  if (last?.role === "assistant")
    last.tool_calls = [...((last.tool_calls as Json[] | undefined) ?? []), call];
  else messages.push({ role: "assistant", content: null, tool_calls: [call] });
}

function callOf({ call_id: id, name, arguments: given }: Json, place: string): Json {
  for (const [field, value] of Object.entries({ call_id: id, name, arguments: given }))
    if (typeof value !== "string") throw invalidField(`${place}.${field}`, "expected text");
  return { id, type: "function", function: { name, arguments: given } };
}

function messageOf(item: Json, place: string): Json {
  const { type = "message", role } = item;
  if (type === "function_call_output") {
    if (typeof item.call_id !== "string") throw invalidField(`${place}.call_id`, "expected text");
    return { role: "tool", tool_call_id: item.call_id, content: contentOf(item.output, `${place}.output`) };
  }
  if (ofState.has(String(type)))
    throw invalidField(
      `${place}.type`,
      `'${type}' means what was kept, and nothing is: send the items themselves`,
    );
  if (type !== "message")
    throw invalidField(
      `${place}.type`,
      `expected message, function_call, function_call_output or reasoning, got ${JSON.stringify(type)}`,
    );
  return { role, content: contentOf(item.content, `${place}.content`) };
}

/** Parts of the newer format in the older one; plain text stays text. */
function contentOf(content: unknown, place: string): unknown {
  if (!Array.isArray(content)) return content;
  const parts = content.map((part, at) => partOf(Object(part), `${place}.${at}`));
  return parts.every(({ type }) => type === "text") ? parts.map(({ text }) => text).join("") : parts;
}

function partOf({ type, text, refusal: refused, image_url: url, detail }: Json, place: string): Json {
  if (type === "input_text" || type === "output_text" || type === "text") return { type: "text", text };
  if (type === "refusal") return { type: "text", text: refused };
  if (type !== "input_image")
    throw invalidField(`${place}.type`, "expected input_text, output_text or input_image");
  if (typeof url !== "string")
    throw invalidField(`${place}.image_url`, "expected the image's URL; files are not kept here");
  return { type: "image_url", image_url: { url, ...(detail !== undefined && { detail }) } };
}
