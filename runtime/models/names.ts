/**
 * What a model's name means, for conversations and vectors alike: an alias, a provider's prefix, or a bare name for
 * Ollama. And what `[models.*]` says of it.
 */
import type { Static } from "@sinclair/typebox";
import type { Config } from "../config/config.ts";
import { checkTable, closed, t } from "../contract/contract.ts";
import { fail } from "../errors/errors.ts";

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

/** The model inside, of embedd alone. */
export const localModel = "local";

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
