/** The limits of each provider, concurrent calls and tokens and dollars a day, and the record of what was spent. */
import type { ModelFacts } from "../../../runtime/models/models.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { failure, type ProviderSetting } from "../providers/providers.ts";
import type { Json } from "../schemas/schemas.ts";
import type { SpendBook, Spent } from "./spend-book.ts";

export { openSpendBook, type SpendBook } from "./spend-book.ts";

// The limits of a provider: concurrent calls, and dollars and tokens a day.

export interface Quota {
  /** Takes one of the concurrent calls, until the returned function is called. Throws a ProviderFailure when there is none. */
  enter: () => () => void;
  /** Counts what a call took. */
  spend: (amount: Spent) => void;
  inFlight: () => number;
}

const dayMs = 24 * 60 * 60 * 1000;

/** A call is admitted while anything of the budget is left, so the calls in flight may exceed it. */
export function createQuota(setting: ProviderSetting, book: SpendBook, clock: Pick<Clock, "now">): Quota {
  const { name, maxConcurrent, budgetUsdPerDay, budgetTokensPerDay } = setting;
  let inFlight = 0;
  const refuseSpent = () => {
    if (budgetUsdPerDay === undefined && budgetTokensPerDay === undefined) return;
    const { usd, tokens } = book.spent(name);
    const over =
      budgetUsdPerDay !== undefined && usd >= budgetUsdPerDay
        ? `${budgetUsdPerDay} USD`
        : budgetTokensPerDay !== undefined && tokens >= budgetTokensPerDay
          ? `${budgetTokensPerDay} tokens`
          : undefined;
    if (over === undefined) return;
    const retryAfterSeconds = Math.ceil((dayMs - (clock.now() % dayMs)) / 1000);
    throw failure("too_many_requests", `the budget of ${over} a day for ${name} is used up`, "next", {
      retryAfterSeconds,
    });
  };
  return {
    inFlight: () => inFlight,
    spend: (amount) => book.add(name, amount),
    enter: () => {
      refuseSpent();
      if (inFlight >= maxConcurrent)
        throw failure(
          "too_many_requests",
          `${name} has ${maxConcurrent} calls in flight, all it may`,
          "next",
          {
            retryAfterSeconds: 1,
          },
        );
      inFlight += 1;
      let isHeld = true;
      return () => {
        if (isHeld) inFlight -= 1;
        isHeld = false;
      };
    },
  };
}

// The usage of an answer: tokens as the provider counted them, and dollars where the price is known.

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
