/** Tokens and cost of an operation, from the attributes of those who report them: chatd, and OpenTelemetry's conventions. */
import type { Operation } from "../contract.ts";

export interface Usage {
  prompt_tokens: number | undefined;
  completion_tokens: number | undefined;
  cost_usd: number | undefined;
}

/** Under each name: chatd's, OpenTelemetry's, and those of its earlier conventions. */
const names = {
  prompt_tokens: ["prompt_tokens", "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"],
  completion_tokens: ["completion_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"],
  cost_usd: ["cost_usd", "gen_ai.usage.cost"],
} as const;

/** What is said and is a number that can be; attributes are their senders'. */
export function usageOf({ attributes = {} }: Pick<Operation, "attributes">): Usage {
  const first = (keys: readonly string[], isOne: (value: number) => boolean) =>
    keys.map((key) => Number(attributes[key] ?? Number.NaN)).find(isOne);
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
  return {
    prompt_tokens: first(names.prompt_tokens, isCount),
    completion_tokens: first(names.completion_tokens, isCount),
    cost_usd: first(names.cost_usd, (value) => Number.isFinite(value) && value >= 0),
  };
}
