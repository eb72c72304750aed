/** The keys of `[chatd]` beside those of every service, and the tables of providers and models it reads. */
import { usualProviders } from "../usual-providers/usual-providers.ts";
import { bytes, flag, GiB, integer, KiB, MiB, minute, ms, second, tables, text } from "./setting.ts";

export const chatdSettings = {
  default_model: text("", "model of requests that name none; empty: they are refused"),
  connect_timeout_ms: ms(
    5 * second,
    [0, 10 * minute],
    "silence after which it is checked whether a provider is there at all",
    "; 0: never",
  ),
  first_token_timeout_ms: ms(2 * minute, [10, 60 * minute], "longest wait for a stream's first token"),
  idle_timeout_ms: ms(minute, [10, 60 * minute], "longest wait between two tokens"),
  total_timeout_ms: ms(
    9 * minute,
    [10, 24 * 60 * minute],
    "longest time of one provider's answer with all its tries",
  ),
  retries: integer(2, [0, 10], "tries again after a provider's 408, 429, 5xx or a connection that broke"),
  retry_wait_ms: ms(
    250,
    [1, minute],
    "first wait between two tries when the provider names none, doubled each time",
  ),
  retry_after_max_ms: ms(
    10 * second,
    [0, 10 * minute],
    "longest Retry-After of a provider that is waited for",
  ),
  max_concurrent: integer(256, [1, 65_535], "calls of one provider at once; more get 429 with Retry-After"),
  context_tokens: integer(
    8192,
    [64, 16 * MiB],
    "window that Ollama is asked for, prompt and answer together, in tokens",
  ),
  answer_max_bytes: bytes(64 * MiB, [KiB, GiB], "largest answer of a provider"),
  heartbeat_ms: ms(15 * second, [10, 10 * minute], "silence in a stream after which a comment is sent"),
  cache_max_bytes: bytes(
    64 * MiB,
    [0, 1024 * GiB],
    "memory for answers that callers asked to be remembered",
    "; 0: none",
  ),
  cache_ttl_ms: ms(60 * minute, [1, 30 * 24 * 60 * minute], "how long an answer is remembered"),
  calls_kept: integer(1000, [1, 1_000_000], "finished calls kept for observerd to read"),
  record_content: flag(false, "keep what was asked and answered with those calls"),
};

export const providerSettings = tables(
  usualProviders,
  'one table a model provider: kind = "ollama" or "openai" (any compatible API), base_url, enabled, needs_key, stream_usage, budget_usd_per_day, budget_tokens_per_day, and chatd\'s timeouts, retries, max_concurrent, context_tokens; a key is the secret [providers.<name>] api_key or <NAME>_API_KEY',
);

export const modelSettings = tables(
  {},
  'one table a model: [models.<alias>] use = ["provider/model", …] in order of preference; or [models."provider/model"] input_usd_per_million, output_usd_per_million, context_tokens',
);
