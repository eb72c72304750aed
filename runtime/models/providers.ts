/**
 * The tables `[providers.*]`: the servers of models that chatd and embedd know, read and checked once, at the start of
 * each.
 */
import type { Static } from "@sinclair/typebox";
import { type Config, keyVariable, settings } from "../config/config.ts";
import { checkTable, closed, t } from "../contract/contract.ts";

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

/** One provider as configured. */
export interface ModelProvider {
  name: string;
  kind: Static<typeof Table>["kind"];
  /** Without a slash at its end. */
  baseUrl: string;
  /** Whether it takes no call without a key; by default all but servers of this machine and of private addresses. */
  needsKey: boolean;
  table: Static<typeof Table>;
}

const nameForm = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** Whether it is a server of this machine, or of a private address. */
export const isLocal = (url: string): boolean =>
  /^(localhost|127\.[\d.]+|\[::1\]|10\.[\d.]+|192\.168\.[\d.]+)$/.test(new URL(url).hostname);

/**
 * Checks every table. Those that come with the product are there unless they say `enabled = false`; a table of the
 * same name changes what it names. `elsewhere` has other addresses by name, for those that are not empty. Throws an
 * Error that names table and field.
 */
export function readModelProviders(
  config: Pick<Config, "providers">,
  elsewhere: Readonly<Record<string, string>> = {},
): ModelProvider[] {
  const usual: Record<string, Readonly<Record<string, unknown>>> = settings.providers.default;
  const names = [...new Set([...Object.keys(usual), ...Object.keys(config.providers)])];
  return names.flatMap((name) => {
    const table = { ...usual[name], ...config.providers[name] };
    const read = readOne(name, table, elsewhere[name]);
    return table.enabled === false ? [] : [read];
  });
}

function readOne(
  name: string,
  given: Readonly<Record<string, unknown>>,
  elsewhere: string | undefined,
): ModelProvider {
  if (!nameForm.test(name))
    throw new Error(`[providers.${name}]: expected a name of 1 to 64 lower-case letters, digits, '_' or '-'`);
  if ("api_key" in given)
    throw new Error(
      `[providers.${name}] api_key: keys are not kept here, but in the secrets file or ${keyVariable(name)}`,
    );
  const table = checkTable(Table, given, `[providers.${name}]`);
  const baseUrl = (elsewhere || table.base_url).replace(/\/+$/, "");
  return { name, kind: table.kind, baseUrl, needsKey: table.needs_key ?? !isLocal(baseUrl), table };
}

/** Where a provider's key is put. */
export const keyAdvice = (name: string): string =>
  `set [providers.${name}] api_key in the secrets file, or the variable ${keyVariable(name)}`;
