/** Model ids: `local`, `ollama/<name>`, `openai/<name>`. */
import { fail } from "../../runtime/errors.ts";
import type { Provider } from "./provider.ts";

/** One model at one provider, and the length of vectors asked of it. */
export interface Model {
  /** As callers write it and indexes remember it. */
  id: string;
  /** As the provider calls it; empty for `local`. */
  name: string;
  provider: Provider;
  dimensions?: number;
}

const expected =
  "expected 'local', 'ollama/<name>' or 'openai/<name>'; GET /embed/models lists those that answer";

/**
 * Finds the provider of an id. Throws `invalid_field` for an id no provider could have, `not_found` for one of a
 * provider that does not exist. Whether the provider has the model, only the provider knows.
 */
export function findModel(id: string, providers: readonly Provider[]): Model {
  if (!/^[\x21-\x7e]+$/.test(id))
    throw fail("invalid_field", `model: visible ASCII characters only; ${expected}`, {
      details: { field: "model" },
    });
  const slash = id.indexOf("/");
  const [prefix, name] = slash < 0 ? [id, ""] : [id.slice(0, slash), id.slice(slash + 1)];
  const provider = providers.find((candidate) => candidate.name === prefix);
  const isNamed = slash >= 0;
  if (!provider || (prefix === "local") === isNamed) throw unknownModel(id, provider);
  if (isNamed && name === "") throw unknownModel(id, provider);
  return { id, name, provider };
}

const unknownModel = (id: string, provider: Provider | undefined) =>
  fail(
    "not_found",
    provider && provider.name !== "local"
      ? `'${id}' names no model of ${provider.name}: ${expected}`
      : `there is no model '${id}': ${expected}`,
    { details: { model: id } },
  );

/** The model with vectors of another length. Throws `invalid_field` where the model has but one. */
export function shortened(model: Model, dimensions: number | undefined, known: number | undefined): Model {
  if (dimensions === undefined || dimensions === known) return model;
  if (model.provider.shortens) return { ...model, dimensions };
  const length = known === undefined ? "one length" : `${known} numbers`;
  throw fail(
    "invalid_field",
    `dimensions: vectors of '${model.id}' have ${length} alone, got ${dimensions}; leave it out`,
    { details: { field: "dimensions" } },
  );
}

/** What cache and queue tell models apart by. */
export const keyOf = ({ id, dimensions }: Model): string =>
  dimensions === undefined ? id : `${id}#${dimensions}`;
