/** Models and the servers that have them: `[models.*]`, `[providers.*]` and what a model's name means. */
import type { Static } from "@sinclair/typebox";
import type { Config } from "../config/config.ts";
import { checkTable, closed, t } from "../contract/contract.ts";
import { fail } from "../errors/errors.ts";
import { keyVariable } from "../secrets/secrets.ts";
import { usualProviders } from "../usual-providers/usual-providers.ts";

// What a model's name means, for conversations and vectors alike: an alias, a provider's prefix, or a bare name for
// Ollama. And what `[models.*]` says of it.

const Alias = closed({
  use: t.Array(t.String({ minLength: 1, maxLength: 200 }), { minItems: 1, maxItems: 8 }),
});
const Facts = closed({
  input_usd_per_million: t.Optional(t.Number({ minimum: 0 })),
  output_usd_per_million: t.Optional(t.Number({ minimum: 0 })),
  context_tokens: t.Optional(t.Integer({ minimum: 64, maximum: 16_777_216 })),
});
export type ModelFacts = Static<typeof Facts>;

/** How OpenAI calls a model that is not there. */
export const noModel = { code: "model_not_found", field: "model" };

/** The best model inside, of embedd alone. */
export const localModel = "local";
/** The model inside that knows spelling alone. */
export const lexicalModel = "lexical";
/** What `local` means in this version: vectors are recorded under this id, so that a later `local` is another model. */
const localVersion = "local-3";
/** What `local` meant before: stores that name it go on with it. */
export const earlierLocal = "local-2";
/** The models inside by every name that a caller may use, to the ids that are recorded. */
export const embeddedModels: ReadonlyMap<string, string> = new Map([
  [localModel, localVersion],
  [localVersion, localVersion],
  [earlierLocal, earlierLocal],
  [lexicalModel, lexicalModel],
]);
/** The provider of models that run in a process of embedd's own; no server has its name. */
export const onnxProvider = "onnx";
/** Numbers of a vector of `lexical`. */
export const lexicalDimension = 768;

/**
 * The model that made vectors kept under a name. Until models inside had versions `local` was the lexical one, with 768
 * numbers: what was kept of it goes on with it.
 */
export const recordedModel = (name: string, dimension: number | undefined): string =>
  name === localModel && dimension === lexicalDimension ? lexicalModel : (embeddedModels.get(name) ?? name);

/** One model at one provider. */
export interface Target {
  /** As callers name it; asking for it gives the same model again. */
  id: string;
  provider: string;
  /** As the provider names it. */
  model: string;
}

export interface ModelNames {
  /** The models to try, in order, each once. Throws `not_found` naming what there is. */
  resolve: (names: readonly string[]) => Target[];
  /** The id of a provider's model. */
  idOf: (provider: string, model: string) => string;
  facts: (id: string) => ModelFacts;
  aliases: readonly string[];
}

/** The provider of names without a prefix. */
const bareProvider = "ollama";
/** Models that one request may try. */
const targetsMax = 16;

/** Checks `[models.*]`; throws an Error that names the table and what is wrong. */
export function createModelNames(config: Pick<Config, "models">, providers: readonly string[]): ModelNames {
  const aliases = new Map<string, readonly string[]>();
  const facts = new Map<string, ModelFacts>();
  for (const [name, table] of Object.entries(config.models)) {
    const title = `[models."${name}"]`;
    if ("use" in table) aliases.set(name, checkTable(Alias, table, title).use);
    else facts.set(targetOf(name, providers).id, checkTable(Facts, table, title));
  }
  for (const [alias, use] of aliases) {
    const nested = use.find((name) => aliases.has(name));
    if (nested !== undefined)
      throw new Error(`[models.${alias}] use: '${nested}' is an alias itself; name the models`);
  }

  return {
    resolve: (names) => {
      const all = names
        .flatMap((name) => aliases.get(name) ?? [name])
        .map((name) => targetOf(name, providers));
      const targets = all.filter(({ id }, at) => all.findIndex((other) => other.id === id) === at);
      if (targets.length > targetsMax)
        throw fail("invalid_field", `models: expected at most ${targetsMax}, got ${targets.length}`);
      return targets;
    },
    idOf: (provider, model) => idOf(provider, model, providers),
    facts: (id) => facts.get(id) ?? {},
    aliases: [...aliases.keys()],
  };
}

function targetOf(name: string, providers: readonly string[]): Target {
  const slash = name.indexOf("/");
  const prefix = name.slice(0, Math.max(0, slash));
  const isPrefixed = providers.includes(prefix);
  const provider = isPrefixed ? prefix : bareProvider;
  const model = isPrefixed ? name.slice(slash + 1) : name;
  if (model === "")
    throw fail("not_found", `model '${name}' names a provider and no model: expected ${prefix}/<model>`, {
      details: noModel,
    });
  if (!providers.includes(provider))
    throw fail(
      "not_found",
      `model '${name}': its prefix is no provider, and ollama is switched off; expected <provider>/<model> with one of ${providers.join(", ") || "none"}`,
      { details: noModel },
    );
  return { id: idOf(provider, model, providers), provider, model };
}

/** A bare name, unless it would be read as another provider's. */
const idOf = (provider: string, model: string, providers: readonly string[]): string =>
  provider === bareProvider && !providers.includes(model.split("/")[0] ?? "")
    ? model
    : `${provider}/${model}`;

// The tables `[providers.*]`: the servers of models that chatd and embedd know, read and checked once, at the start of
// each.

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
  const usual: Record<string, Readonly<Record<string, unknown>>> = usualProviders;
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
  if (name === onnxProvider)
    throw new Error(
      `[providers.${name}]: the name of models that bun run model adds: call the server otherwise`,
    );
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
