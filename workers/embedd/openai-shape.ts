/** `/embeddings` as OpenAI's API defines it: what comes in, and what goes out. */
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

/** The answer's JSON. base64 is of little-endian 32-bit floats, as the package decodes them. */
export function openAiAnswer(
  model: string,
  { rows, tokens }: Embedded,
  format: "float" | "base64",
): Record<string, unknown> {
  return {
    object: "list",
    data: rows.map((row, index) => ({
      object: "embedding",
      index,
      embedding:
        format === "base64"
          ? Buffer.from(row.buffer, row.byteOffset, row.byteLength).toString("base64")
          : Array.from(row),
    })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}
