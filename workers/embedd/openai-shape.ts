/** `/embeddings` as OpenAI's API defines it: what comes in, and what goes out. */
import { wholeResponse } from "../../runtime/whole.ts";
import type { Embedded } from "./embedder.ts";
import { refusal } from "./texts.ts";

/**
 * The texts of `input`: one, or a list of them. Token numbers are refused, for they mean something to one model's
 * tokenizer alone.
 */
export function textsOf(input: unknown): string[] {
  const list = Array.isArray(input) ? input : [input];
  if (list.length === 0) throw refusal("input", "expected text or a list of texts, got an empty list");
  list.forEach((item, at) => {
    if (typeof item === "string") return;
    const field = Array.isArray(input) ? `input.${at}` : "input";
    if (typeof item === "number" || Array.isArray(item))
      throw refusal(field, "token numbers are not taken; send the text itself");
    throw refusal(field, `expected text, got ${item === null ? "null" : typeof item}`);
  });
  return list as string[];
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
  format: "float" | "base64",
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
  return wholeResponse(new TextEncoder().encode(body), { headers: { "content-type": "application/json" } });
}

const base64Of = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("base64");
