/** What an answer took: tokens as the provider counted them, and dollars where its price is known. */
import type { ModelFacts } from "../../runtime/model-names.ts";
import type { Json } from "./provider.ts";

export interface Usage {
  promptTokens: number | undefined;
  completionTokens: number | undefined;
  costUsd: number | undefined;
}

const count = (value: unknown): number | undefined =>
  typeof value === "number" && value >= 0 ? Math.round(value) : undefined;

/** From OpenAI's `usage`. A price that the provider itself tells (OpenRouter: `cost`) goes before `[models]`. */
export function usageOf(usage: unknown, facts: ModelFacts): Usage {
  const { prompt_tokens: prompt, completion_tokens: completion, cost } = Object(usage) as Json;
  const promptTokens = count(prompt);
  const completionTokens = count(completion);
  const { input_usd_per_million: input, output_usd_per_million: output } = facts;
  const isPriced = input !== undefined || output !== undefined;
  const isCounted = promptTokens !== undefined || completionTokens !== undefined;
  const priced =
    isPriced && isCounted
      ? ((promptTokens ?? 0) * (input ?? 0) + (completionTokens ?? 0) * (output ?? 0)) / 1_000_000
      : undefined;
  const told = typeof cost === "number" && Number.isFinite(cost) && cost >= 0 ? cost : undefined;
  return { promptTokens, completionTokens, costUsd: told ?? priced };
}

/** Characters of English a token has on average: for budgets, where a provider does not count or was left early. */
const charactersPerToken = 4;

/** Tokens of so much text, for a budget that must not be gone around by hanging up. */
export const roughTokens = (characters: number): number => Math.ceil(characters / charactersPerToken);
