/** The relevance filter as a verb. */
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { createSlices } from "../../../runtime/scheduling/scheduling.ts";
import type { Matrixd } from "../contract.ts";
import { relevanceTo, thresholdDefault } from "./scoring.ts";

/** Steps of a slice that reading one character takes. */
const stepsOfCharacter = 20;

interface Scored {
  id: string;
  score: number;
  because: string[];
  retrieved: number;
}

/** Scores and parts the chunks, each part best first; equal ones in the order of the retrieval's own scores. */
export const relevanceVerbs: Pick<VerbsOf<Matrixd>, "relevance"> = {
  relevance: async ({ focus, chunks, threshold = thresholdDefault }, { signal }) => {
    const { path = "", symbols = [], terms = [] } = focus;
    if (path.trim() === "" && symbols.length === 0 && terms.length === 0)
      throw invalidField("focus", "expected a path, symbols or terms to compare with, got none");
    checkIds(chunks);
    const relevance = relevanceTo(focus);
    const slices = createSlices(signal);
    const scored: Scored[] = [];
    for (const chunk of chunks) {
      scored.push({ id: chunk.id, retrieved: chunk.score ?? 0, ...relevance(chunk) });
      await slices(chunk.text.length * stepsOfCharacter);
    }
    scored.sort((a, b) => b.score - a.score || b.retrieved - a.retrieved);
    const shown = ({ id, score, because }: Scored) => ({ id, score, because });
    return {
      kept: scored.filter(({ score }) => score >= threshold).map(shown),
      dropped: scored.filter(({ score }) => score < threshold).map(shown),
      threshold,
    };
  },
};

function checkIds(chunks: readonly { id: string }[]): void {
  const seen = new Set<string>();
  for (const [at, { id }] of chunks.entries()) {
    if (seen.has(id))
      throw fail("invalid_field", `chunks.${at}.id: expected an id of its own, '${id}' is given twice`, {
        details: { field: `chunks.${at}.id` },
      });
    seen.add(id);
  }
}
