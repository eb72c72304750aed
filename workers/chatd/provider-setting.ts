/** The tables `[providers.*]`, each joined with what `[chatd]` says for all: read and checked once, at the start. */
import type { Static } from "@sinclair/typebox";
import { closed, t } from "../../runtime/contract.ts";
import { ServiceError } from "../../runtime/errors.ts";
import type { Deps } from "../../runtime/service.ts";
import { settings } from "../../runtime/settings.ts";
import { check } from "../../runtime/validate.ts";

const ms = (least: number) => t.Optional(t.Integer({ minimum: least, maximum: 86_400_000 }));
const positive = t.Optional(t.Number({ exclusiveMinimum: 0 }));

const Table = closed({
  kind: t.Union([t.Literal("ollama"), t.Literal("openai")]),
  base_url: t.String({ pattern: "^https?://[^/@?#\\s]+(/[^@?#\\s]*)?$" }),
  enabled: t.Optional(t.Boolean()),
  needs_key: t.Optional(t.Boolean()),
  stream_usage: t.Optional(t.Boolean()),
  budget_usd_per_day: positive,
  budget_tokens_per_day: positive,
  connect_timeout_ms: ms(0),
  first_token_timeout_ms: ms(10),
  idle_timeout_ms: ms(10),
  total_timeout_ms: ms(10),
  retry_wait_ms: ms(1),
  retry_after_max_ms: ms(0),
  retries: t.Optional(t.Integer({ minimum: 0, maximum: 10 })),
  max_concurrent: t.Optional(t.Integer({ minimum: 1, maximum: 65_535 })),
  context_tokens: t.Optional(t.Integer({ minimum: 64, maximum: 16_777_216 })),
});

/** One provider as configured. Times in milliseconds. */
export interface ProviderSetting {
  name: string;
  kind: Static<typeof Table>["kind"];
  /** Without a slash at its end. */
  baseUrl: string;
  needsKey: boolean;
  /** Whether a stream may be asked for its usage. */
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

const nameForm = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const isLocal = (url: string): boolean =>
  /^(localhost|127\.[\d.]+|\[::1\]|10\.[\d.]+|192\.168\.[\d.]+)$/.test(new URL(url).hostname);

/**
 * Checks every table. Those that come with the product are there unless they say `enabled = false`; a table of the
 * same name changes what it names. Throws an Error that names table and field.
 */
export function readProviderSettings(config: Deps["config"]): ProviderSetting[] {
  const usual: Record<string, Readonly<Record<string, unknown>>> = settings.providers.default;
  const names = [...new Set([...Object.keys(usual), ...Object.keys(config.providers)])];
  return names.flatMap((name) => {
    const table = { ...usual[name], ...config.providers[name] };
    const read = readOne(name, table, config.chatd);
    return table.enabled === false ? [] : [read];
  });
}

function readOne(
  name: string,
  given: Readonly<Record<string, unknown>>,
  all: Deps["config"]["chatd"],
): ProviderSetting {
  if (!nameForm.test(name))
    throw new Error(`[providers.${name}]: expected a name of 1 to 64 lower-case letters, digits, '_' or '-'`);
  if ("api_key" in given)
    throw new Error(
      `[providers.${name}] api_key: keys are not kept here, but in the secrets file or ${name.replace(/\W/g, "_").toUpperCase()}_API_KEY`,
    );
  const table = checked(name, given);
  const baseUrl = table.base_url.replace(/\/+$/, "");
  return {
    name,
    kind: table.kind,
    baseUrl,
    needsKey: table.needs_key ?? !isLocal(baseUrl),
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

function checked(name: string, given: unknown): Static<typeof Table> {
  try {
    return check(Table, given, `[providers.${name}]`);
  } catch (cause) {
    const why = cause instanceof ServiceError ? cause.message : "is not valid";
    throw new Error(`[providers.${name}] ${why}`, { cause });
  }
}
