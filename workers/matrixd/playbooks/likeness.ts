/** Finds, among playbooks of one answer, the one that a wording already belongs to. */
import { plainText, sameWording } from "./merge.ts";
import type { PlaybookEntry, Wording } from "./state.ts";
import { cosine, type ModelVectors, type WordingVectors } from "./wordings.ts";

/** Playbooks of one answer that a recording is compared with, the latest; beyond it consolidation finds the rest. */
const comparedMax = 200;

interface Ask {
  /** Of the corpus; undefined when it is gone, and then only equal texts are the same. */
  model: string | undefined;
  signal: AbortSignal;
}

/** The playbook with an equal wording, else that with the nearest one from `sameWording` on. Rejects with embedd's error. */
export async function likeOf(
  vectors: WordingVectors,
  wording: Wording,
  among: readonly PlaybookEntry[],
  { model, signal }: Ask,
): Promise<PlaybookEntry | undefined> {
  const text = plainText(wording.text);
  const equal = among.find(({ wordings }) => wordings.some((known) => plainText(known.text) === text));
  if (equal || among.length === 0 || model === undefined) return equal;
  const compared = among.slice(-comparedMax);
  const known = vectors(model);
  const wordings = [wording, ...compared.flatMap((entry) => entry.wordings)];
  const unknown = wordings.filter((one) => !known.get(one));
  if (unknown.length > 0) await known.embed(unknown, signal);
  const vector = known.get(wording);
  if (!vector) return undefined;
  let best: { entry: PlaybookEntry; similarity: number } | undefined;
  for (const entry of compared) {
    const similarity = bestSimilarity(vector, entry, known);
    if (best ? similarity > best.similarity : similarity >= sameWording) best = { entry, similarity };
  }
  return best?.entry;
}

/** The cosine of the wording of the playbook that is nearest to the vector; -1 when none is known. */
export function bestSimilarity(
  vector: Float32Array,
  { wordings }: PlaybookEntry,
  known: ModelVectors,
): number {
  let best = -1;
  for (const wording of wordings) {
    const other = known.get(wording);
    if (other) best = Math.max(best, cosine(vector, other));
  }
  return best;
}
