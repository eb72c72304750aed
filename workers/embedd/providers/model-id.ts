/** Models that make vectors: those inside, and those of the providers by the names that conversations have for them. */
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import {
  earlierLocal,
  embeddedModels,
  lexicalModel,
  localModel,
  type ModelNames,
  noModel,
} from "../../../runtime/models/models.ts";
import type { Provider } from "./provider.ts";

/** What a request asks for besides the texts; vectors of different shapes are cached apart. */
interface Shape {
  /** Length of vectors that is asked for. */
  dimensions?: number;
  /** The texts are lists of token numbers, as JSON. */
  inTokens?: boolean;
  /** Unknown fields of the request. */
  extras?: Readonly<Record<string, unknown>>;
  /** Of a model that may be replaced under its name: what it is made of. */
  version?: string;
}

/** One model at one provider. */
export interface Model extends Shape {
  /** `local-3`, `lexical` or `<provider>/<name>`, as indexes store it. */
  id: string;
  /** As the provider calls it; empty for the models inside, but for an earlier version of one. */
  name: string;
  provider: Provider;
}

/**
 * Finds the provider of a name. Throws `invalid_field` for one that no provider could have or that means several models,
 * `not_found` for one of a provider that does not exist. Whether the provider has the model is not checked.
 */
export function findModel(
  id: string,
  { names, providers }: { names: ModelNames; providers: readonly Provider[] },
): Model {
  if (!/^[\x21-\x7e]+$/.test(id)) throw invalidField("model", `visible ASCII characters only; ${expected}`);
  const named = (name: string) => providers.find((candidate) => candidate.name === name);
  const embedded = embeddedModels.get(id);
  const inside =
    embedded === undefined ? undefined : named(embedded === lexicalModel ? embedded : localModel);
  if (embedded !== undefined && inside)
    return { id: embedded, name: embedded === earlierLocal ? embedded : "", provider: inside };
  const targets = names.resolve([id]);
  const [target] = targets;
  if (targets.length > 1)
    throw invalidField(
      "model",
      `'${id}' means ${targets.map((each) => each.id).join(", ")}, and vectors of several models do not go together; name one`,
    );
  const provider = target && named(target.provider);
  if (!provider) throw fail("not_found", `there is no model '${id}': ${expected}`, { details: noModel });
  return { id: `${provider.name}/${target.model}`, name: target.model, provider };
}

const expected =
  "expected 'local', 'lexical' or '<provider>/<name>'; GET /embed/models lists those that answer";

/** The model with vectors of another length. Throws `invalid_field` where the model has a fixed one. */
export function withDimensions(
  model: Model,
  dimensions: number | undefined,
  known: number | undefined,
): Model {
  if (dimensions === undefined || dimensions === known) return model;
  if (model.provider.open) return { ...model, dimensions };
  const length = known === undefined ? "one length" : `${known} numbers`;
  throw invalidField(
    "dimensions",
    `vectors of '${model.id}' have ${length} alone, got ${dimensions}; leave it out`,
  );
}

/** The key of model and shape, for cache and queue. */
export const keyOf = ({ id, dimensions, inTokens, extras, version }: Model): string =>
  [
    id,
    ...(version === undefined ? [] : [version]),
    ...(dimensions === undefined ? [] : [dimensions]),
    ...(inTokens ? ["tokens"] : []),
    ...(extras ? [JSON.stringify(Object.entries(extras).sort(([a], [b]) => (a < b ? -1 : 1)))] : []),
  ].join("#");
