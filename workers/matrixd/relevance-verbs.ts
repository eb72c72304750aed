/** The relevance filter as a verb. */
import type { Clock } from "../../runtime/clock.ts";
import type { VerbsOf } from "../../runtime/contract.ts";
import { fail } from "../../runtime/errors.ts";
import type { Matrixd } from "./contract.ts";
import { createTurn } from "./playbook-turns.ts";
import { relevanceTo, thresholdDefault } from "./relevance.ts";

interface Scored {
  id: string;
  score: number;
  because: string[];
  retrieved: number;
}

/** Scores and parts the chunks, each part best first; equal ones in the order of the retrieval's own scores. */
export function relevanceVerbs(clock: Pick<Clock, "elapsed">): Pick<VerbsOf<Matrixd>, "relevance"> {
  return {
    relevance: async ({ focus, chunks, threshold = thresholdDefault }, { signal }) => {
      const { path = "", symbols = [], terms = [] } = focus;
      if (path.trim() === "" && symbols.length === 0 && terms.length === 0)
        throw fail("invalid_field", "focus: expected a path, symbols or terms to compare with, got none", {
          details: { field: "focus" },
        });
      checkIds(chunks);
      const relevance = relevanceTo(focus);
      const turn = createTurn({ clock, signal });
      const scored: Scored[] = [];
      for (const chunk of chunks) {
        scored.push({ id: chunk.id, retrieved: chunk.score ?? 0, ...relevance(chunk) });
        await turn.pass();
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
}

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
