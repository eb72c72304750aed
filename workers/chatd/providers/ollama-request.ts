/** OpenAI's request as Ollama's native one. A field that would change the answer and has no equivalent is refused. */

import type { Json } from "../schemas/schemas.ts";
import { chosenTools, formOf, wordsFor } from "./forced-call.ts";
import { failure, type ProviderCall, type ProviderFailure } from "./provider.ts";

/** Sampling fields and their names among Ollama's options. */
const optionNames: Readonly<Record<string, string>> = {
  temperature: "temperature",
  top_p: "top_p",
  seed: "seed",
  stop: "stop",
  frequency_penalty: "frequency_penalty",
  presence_penalty: "presence_penalty",
  max_tokens: "num_predict",
  max_completion_tokens: "num_predict",
};

const mapped = new Set([
  ...Object.keys(optionNames),
  "prompt",
  "suffix",
  "echo",
  "best_of",
  "messages",
  "tools",
  "tool_choice",
  "response_format",
  "reasoning_effort",
  "n",
]);

/** Fields that change the answer and have no equivalent. */
const impossible = [
  "logprobs",
  "top_logprobs",
  "logit_bias",
  "functions",
  "function_call",
  "audio",
  "modalities",
  "web_search_options",
];

/** Fields that have no meaning for Ollama and change no answer by being left out. */
export const ignoredByOllama = (body: Json): string[] =>
  Object.keys(body).filter((name) => !mapped.has(name) && !impossible.includes(name));

/** The body of `/api/generate`, which continues a text. Throws as `ollamaRequest`. */
export function ollamaTextRequest(call: ProviderCall, streamed: boolean): Json {
  const { body, model, id } = call;
  refuseImpossible(body, id);
  const { prompt, suffix, echo, best_of: bestOf } = body;
  if (echo === true) throw cannot(id, "echo", "does not repeat the prompt: leave it out");
  if (bestOf !== undefined && bestOf !== 1) throw cannot(id, "best_of", "gives one answer: leave it out");
  const [text, ...others] = Array.isArray(prompt) ? prompt : [prompt];
  if (typeof text !== "string" || others.length > 0)
    throw cannot(id, "prompt", "takes one text: send it as text, not as tokens, and one at a time");
  return {
    model,
    prompt: text,
    ...(suffix !== undefined && { suffix }),
    ...commonOf(call, streamed),
  };
}

/** The body of `/api/chat`. Throws a ProviderFailure for what Ollama cannot do: another provider may. */
export function ollamaRequest(call: ProviderCall, streamed: boolean): Json {
  const { body, model, id } = call;
  refuseImpossible(body, id);
  const { tools, forced } = chosenTools(body);
  const format = forced ? formOf(forced) : formatOf(body.response_format as Json | undefined);
  const messages = messagesOf(body.messages as Json[], id);
  return {
    model,
    messages: forced ? withWords(messages, wordsFor(forced)) : messages,
    ...commonOf(call, streamed),
    // Given tools, Ollama would look for calls of its own in the output.
    ...(tools.length > 0 && !forced && { tools }),
    ...(format !== undefined && { format }),
    ...thinking(body.reasoning_effort),
  };
}

function commonOf({ body, contextTokens }: ProviderCall, streamed: boolean): Json {
  const options: Json = { num_ctx: contextTokens };
  for (const [name, option] of Object.entries(optionNames))
    if (body[name] !== undefined) options[option] = body[name];
  // By default Ollama truncates a prompt that does not fit, and shifts the context while answering.
  return { stream: streamed, truncate: false, shift: false, options };
}

function refuseImpossible(body: Json, id: string): void {
  const { n, tools } = body;
  if (n !== undefined && n !== 1) throw cannot(id, "n", "gives one answer: send n: 1");
  const named = impossible.find((name) => body[name] !== undefined && body[name] !== false);
  if (named !== undefined) throw cannot(id, named, "cannot be asked for that: leave it out");
  const custom = (tools as Json[] | undefined)?.findIndex(({ type }) => type !== "function") ?? -1;
  if (custom >= 0) throw cannot(id, `tools.${custom}.type`, "knows tools of type function");
}

const cannot = (id: string, field: string, why: string): ProviderFailure =>
  failure("invalid_field", `${field}: ollama (model '${id}') ${why}`, "next", { details: { field } });

/** `json_object` is any JSON, `json_schema` what the schema says. */
function formatOf(format: Json | undefined): unknown {
  if (format?.type === "json_object") return "json";
  return format?.type === "json_schema" ? (format.json_schema as Json).schema : undefined;
}

/** In the system message there is, for templates of models know one. */
function withWords(messages: Json[], words: string): Json[] {
  const at = messages.findIndex(({ role }) => role === "system");
  if (at < 0) return [{ role: "system", content: words }, ...messages];
  return messages.map((message, index) =>
    index === at ? { ...message, content: `${message.content}\n\n${words}` } : message,
  );
}

function thinking(effort: unknown): Json {
  if (effort === undefined) return {};
  if (effort === "none" || effort === "minimal") return { think: false };
  return { think: effort === "xhigh" || effort === "max" ? "high" : effort };
}

function messagesOf(messages: readonly Json[], id: string): Json[] {
  const called = new Map<unknown, unknown>();
  return messages.map((message, at) => {
    const { role, tool_calls: calls } = message;
    const { text, images } = contentOf(message.content, { id, at });
    const made = ((calls ?? []) as Json[]).map((call, index) => {
      const { name, arguments: given } = call.function as Json;
      called.set(call.id, name);
      const place = `messages.${at}.tool_calls.${index}.function.arguments`;
      return { id: call.id, function: { name, arguments: argumentsOf(String(given), { id, place }) } };
    });
    return {
      role: role === "developer" ? "system" : role === "function" ? "tool" : role,
      content: text,
      ...(images.length > 0 && { images }),
      ...(made.length > 0 && { tool_calls: made }),
      ...(role === "tool" && {
        tool_call_id: message.tool_call_id,
        // Older releases tell answers of tools apart by the name alone.
        ...(called.has(message.tool_call_id) && { tool_name: called.get(message.tool_call_id) }),
      }),
      ...(role === "function" && message.name !== undefined && { tool_name: message.name }),
    };
  });
}

/** OpenAI has arguments as JSON text, Ollama as an object. */
function argumentsOf(text: string, { id, place }: { id: string; place: string }): unknown {
  try {
    const value: unknown = JSON.parse(text === "" ? "{}" : text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Told below, by the place of the text.
  }
  throw cannot(id, place, "takes arguments that are a JSON object");
}

function contentOf(
  content: unknown,
  { id, at }: { id: string; at: number },
): { text: string; images: string[] } {
  if (!Array.isArray(content)) return { text: typeof content === "string" ? content : "", images: [] };
  const texts: string[] = [];
  const images: string[] = [];
  for (const [index, part] of (content as Json[]).entries()) {
    const place = `messages.${at}.content.${index}`;
    if (part.type === "text") texts.push(String(part.text));
    else if (part.type === "refusal") texts.push(String(part.refusal));
    else if (part.type === "image_url") images.push(imageOf((part.image_url as Json).url, { id, place }));
    else throw cannot(id, `${place}.type`, "takes text and image_url");
  }
  return { text: texts.join("\n"), images };
}

/** Ollama takes the bytes themselves, and fetches nothing. */
function imageOf(url: unknown, { id, place }: { id: string; place: string }): string {
  const [, data] = /^data:image\/[a-z0-9.+-]+;base64,([A-Za-z0-9+/=]+)$/i.exec(String(url)) ?? [];
  if (data === undefined)
    throw cannot(id, `${place}.image_url.url`, "takes images as data:image/…;base64, URLs");
  return data;
}
