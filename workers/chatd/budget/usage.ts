/** The usage of an answer: tokens as the provider counted them, and dollars where the price is known. */
import type { ModelFacts } from "../../../runtime/models/models.ts";
import type { Json } from "../schemas/schemas.ts";

export interface Usage {
  promptTokens: number | undefined;
  completionTokens: number | undefined;
  costUsd: number | undefined;
}

const count = (value: unknown): number | undefined =>
  typeof value === "number" && value >= 0 ? Math.round(value) : undefined;

/** From OpenAI's `usage`. A price that the provider reports (OpenRouter: `cost`) has precedence over `[models]`. */
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
  const reported = typeof cost === "number" && Number.isFinite(cost) && cost >= 0 ? cost : undefined;
  return { promptTokens, completionTokens, costUsd: reported ?? priced };
}

/** Characters of English per token on average, for budgets where the provider reports no usage or the caller hung up. */
const charactersPerToken = 4;

/** Estimated tokens of a text, so that hanging up does not bypass a budget. */
export const roughTokens = (characters: number): number => Math.ceil(characters / charactersPerToken);
