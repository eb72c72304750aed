/** A provider of conversations: its table of `[providers.*]` joined with what `[chatd]` says for all. */
import { type ModelProvider, readModelProviders } from "../../../runtime/models/models.ts";
import type { Deps } from "../../../runtime/service/service.ts";

/** One provider as configured. Times in milliseconds. */
export interface ProviderSetting extends Omit<ModelProvider, "table"> {
  /** Whether usage may be requested of a stream. */
  streamUsage: boolean;
  budgetUsdPerDay: number | undefined;
  budgetTokensPerDay: number | undefined;
  connectTimeoutMs: number;
  firstTokenTimeoutMs: number;
  idleTimeoutMs: number;
  totalTimeoutMs: number;
  retryWaitMs: number;
  retryAfterMaxMs: number;
  retries: number;
  maxConcurrent: number;
  contextTokens: number;
}

/** Throws an Error that names table and field. */
export const readProviderSettings = (config: Deps["config"]): ProviderSetting[] =>
  readModelProviders(config).map((provider) => joined(provider, config.chatd));

function joined({ table, ...provider }: ModelProvider, all: Deps["config"]["chatd"]): ProviderSetting {
  return {
    ...provider,
    streamUsage: table.stream_usage ?? true,
    budgetUsdPerDay: table.budget_usd_per_day,
    budgetTokensPerDay: table.budget_tokens_per_day,
    connectTimeoutMs: table.connect_timeout_ms ?? all.connect_timeout_ms,
    firstTokenTimeoutMs: table.first_token_timeout_ms ?? all.first_token_timeout_ms,
    idleTimeoutMs: table.idle_timeout_ms ?? all.idle_timeout_ms,
    totalTimeoutMs: table.total_timeout_ms ?? all.total_timeout_ms,
    retryWaitMs: table.retry_wait_ms ?? all.retry_wait_ms,
    retryAfterMaxMs: table.retry_after_max_ms ?? all.retry_after_max_ms,
    retries: table.retries ?? all.retries,
    maxConcurrent: table.max_concurrent ?? all.max_concurrent,
    contextTokens: table.context_tokens ?? all.context_tokens,
  };
}
