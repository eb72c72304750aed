/**
 * What must hold before a profile is kept or made active: its corpora are there, were embedded with its `model`, and
 * were built from datasets whose objects lie in its `bucket`. A profile is a promise about what its searches touch.
 */
import type { ClientOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField, suggestionsFor } from "../../../runtime/errors/errors.ts";
import { recordedModel } from "../../../runtime/models/models.ts";
import { type Catalogd, viewIn } from "../../catalogd/contract.ts";
import type { Corpora } from "../corpora/corpora.ts";
import type { ProfileFields } from "./state.ts";

export interface ProfileChecks {
  corpora: Pick<Corpora, "hold" | "list">;
  catalogd: Pick<ClientOf<Catalogd>, "manifest">;
}

/** Where catalogd's objects lie unless their key says `bucket://`. */
const bucketDefault = "primary";

/**
 * Throws `not_found` for a corpus that is not there, `conflict` for one of another model or bucket, `unavailable` for
 * one whose first build has not ended when its model must be known, `invalid_field` for weights that are all 0.
 */
export async function checkProfile(
  { corpora, catalogd }: ProfileChecks,
  { name, corpora: wanted, model, bucket, weights }: ProfileFields,
  signal: AbortSignal,
): Promise<void> {
  if (weights && (weights.vector ?? 1) === 0 && (weights.lexical ?? 1) === 0)
    throw invalidField("weights", "one of vector and lexical must be more than 0");
  const known = new Map(corpora.list().map((corpus) => [corpus.name, corpus]));
  for (const each of wanted) {
    const corpus = known.get(each);
    if (!corpus) throw unknownCorpus(each, [...known.keys()]);
    if (model !== undefined) checkModel(corpora, each, { name, model });
    if (bucket === undefined) continue;
    if (corpus.dataset === undefined)
      throw fail(
        "conflict",
        `bucket: corpus '${each}' is made by SQL, so nothing says which bucket its rows come from`,
      );
    const { objects } = await catalogd.manifest({ name: corpus.dataset }, { signal }).catch((cause) => {
      const view = viewIn(cause);
      if (view === undefined) throw cause;
      const what = `corpus '${each}' is made of the view '${view}'`;
      throw fail("conflict", `bucket: ${what}, so nothing says which bucket its rows come from`, { cause });
    });
    const other = objects.map(({ key }) => bucketOf(key)).find((found) => found !== bucket);
    if (other !== undefined)
      throw fail(
        "conflict",
        `bucket: dataset '${corpus.dataset}' of corpus '${each}' has objects in '${other}', not only in '${bucket}'`,
      );
  }
}

function unknownCorpus(name: string, known: readonly string[]) {
  const near = suggestionsFor(name, known);
  const hint = near.length > 0 ? `did you mean ${near.join(", ")}?` : "POST /matrix/corpora builds one";
  return fail("not_found", `corpora: there is no corpus '${name}'; ${hint}`);
}

function checkModel(
  corpora: Pick<Corpora, "hold">,
  corpus: string,
  { name, model }: { name: string; model: string },
): void {
  const held = corpora.hold(corpus);
  held.release();
  // A profile of a store from before models had versions says `local` of what is `lexical` now.
  if (recordedModel(model, held.dimension) !== recordedModel(held.model, held.dimension))
    throw fail(
      "conflict",
      `model: corpus '${corpus}' was embedded with '${held.model}', and profile '${name}' says '${model}'`,
    );
}

const bucketOf = (key: string): string => /^([a-z0-9][a-z0-9_-]*):\/\//i.exec(key)?.[1] ?? bucketDefault;
