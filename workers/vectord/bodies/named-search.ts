/** The part of a search's body that asks by named vectors. */
import type { Static } from "@sinclair/typebox";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { mainName, type Unpacked } from "../rows/rows.ts";
import type { IndexConfig, SearchBody } from "../schemas/schemas.ts";
import { unpackedOf } from "./named-vectors.ts";
import type { Options, Question } from "./search.ts";

type Body = Static<typeof SearchBody>;

/** What is looked for by named vectors, and what each vector counts. */
export interface Named {
  vectors: ReadonlyMap<string, Unpacked>;
  weights: ReadonlyMap<string, number>;
}

/** Throws `bad_request` and `invalid_field` for what does not go together. */
export function namedOf(
  { named, weights = {} }: { named: NonNullable<Body["named"]>; weights: Body["weights"] },
  { question, options, config }: { question: Question | undefined; options: Options; config: IndexConfig },
): Named {
  const other = (["mmr", "group_by", "max_distance"] as const).find((field) => options[field] !== undefined);
  if (other !== undefined)
    throw invalidField(other, "expected a search by the main vector alone, without 'named'");
  if (question?.isBatch || question?.kind === "like")
    throw fail("bad_request", "expected 'vector' or 'text' beside 'named', one of each");
  const vectors = new Map(
    Object.entries(named).map(([name, vector]) => [
      name,
      unpackedOf(name, vector, config, `named.${name.slice(0, 100)}`),
    ]),
  );
  const names = [...(question ? [mainName] : []), ...vectors.keys()];
  const stray = Object.keys(weights).find((name) => !names.includes(name));
  if (stray !== undefined)
    throw invalidField("weights", `expected ${names.join(", ")}, got '${stray.slice(0, 100)}'`);
  const all = new Map(names.map((name) => [name, weights[name] ?? 1]));
  if ([...all.values()].every((weight) => weight === 0))
    throw invalidField("weights", "expected one that is above 0");
  return { vectors, weights: all };
}
