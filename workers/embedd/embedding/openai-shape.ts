/** `/embeddings` as OpenAI's API defines it: what comes in, and what goes out. */

import { bufferedResponse } from "../../../runtime/bodies/bodies.ts";
import { invalidField, namesInHeader } from "../../../runtime/errors/errors.ts";
import { type OpenAiBody, OpenAiRequest } from "../contract.ts";
import type { Model } from "../providers/providers.ts";
import type { Embedded } from "./embedder.ts";

/** What `input` holds: texts, or lists of token numbers, as JSON. */
interface Input {
  texts: string[];
  inTokens: boolean;
  /** One text, not in a list. */
  isOne: boolean;
}

/**
 * Reads `input`: a text, a list of texts, a list of token numbers, or a list of such lists. Token numbers mean something
 * to the tokenizer of the model alone: providers that do not take them refuse them, with what to do.
 */
export function inputOf(input: unknown, { id, provider }: Model): Input {
  const isOne = !Array.isArray(input) || typeof input[0] === "number";
  const list = isOne ? [input] : input;
  if (list.length === 0) throw invalidField("input", "expected text or a list of texts, got an empty list");
  const inTokens = Array.isArray(list[0]);
  const texts = list.map((item, at) => {
    const field = isOne ? "input" : `input.${at}`;
    if (Array.isArray(item) && inTokens) return tokensOf(item, field);
    if (typeof item === "string" && !inTokens) return item;
    const came = item === null ? "null" : Array.isArray(item) ? "a list" : typeof item;
    throw invalidField(
      field,
      `expected ${inTokens ? "a list of token numbers, as the first is" : "text"}, got ${came}`,
    );
  });
  if (inTokens && !provider.open)
    throw invalidField(
      "input",
      `token numbers mean nothing to '${id}'; send the text itself (LangChain: check_embedding_ctx_length=False)`,
    );
  return { texts, inTokens, isOne };
}

function tokensOf(tokens: readonly unknown[], field: string): string {
  if (tokens.length === 0) throw invalidField(field, "expected token numbers, got an empty list");
  const wrong = tokens.findIndex((token) => !Number.isInteger(token) || (token as number) < 0);
  if (wrong >= 0)
    throw invalidField(`${field}.${wrong}`, `expected a token number, got ${JSON.stringify(tokens[wrong])}`);
  return JSON.stringify(tokens);
}

const ours = new Set(Object.keys(OpenAiRequest.properties));

/** The extras of a request that the model supports, and the names of those that it ignores. */
export function shapeOf(
  { provider }: Model,
  body: OpenAiBody,
): { extras?: Record<string, unknown>; ignored: string[] } {
  const names = Object.keys(body).filter((name) => !ours.has(name) && body[name] !== null);
  if (names.length === 0) return { ignored: [] };
  if (!provider.open) return { ignored: names };
  return { extras: Object.fromEntries(names.map((name) => [name, body[name]])), ignored: [] };
}

/** Vectors written between two pauses: 50,000 numbers take some milliseconds. */
const rowsAtOnce = 64;

/**
 * The answer. base64 is of little-endian 32-bit floats, as the package decodes them. Written in parts, so that the
 * text of a million numbers does not hold up the thread.
 */
export async function openAiAnswer(
  model: string,
  { rows, tokens }: Embedded,
  { format, ignored }: { format: "float" | "base64"; ignored: readonly string[] },
): Promise<Response> {
  const parts: string[] = [];
  for (let from = 0; from < rows.length; from += rowsAtOnce) {
    if (from > 0) await new Promise<void>((resolve) => setImmediate(resolve));
    const items = rows.slice(from, from + rowsAtOnce).map((row, at) => ({
      object: "embedding",
      index: from + at,
      embedding: format === "base64" ? base64Of(row) : Array.from(row),
    }));
    parts.push(JSON.stringify(items).slice(1, -1));
  }
  const usage = JSON.stringify({ prompt_tokens: tokens, total_tokens: tokens });
  const body = `{"object":"list","data":[${parts.join(",")}],"model":${JSON.stringify(model)},"usage":${usage}}`;
  return bufferedResponse(new TextEncoder().encode(body), {
    headers: {
      "content-type": "application/json",
      ...(ignored.length > 0 && { "x-lakehouse-ignored": namesInHeader(ignored) }),
    },
  });
}

const base64Of = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("base64");
