/** The best candidates as hits, after a second look when it was asked for. */
import { fusedMax } from "./fusion.ts";
import type { CorpusRow } from "./lexicon-read.ts";
import { type Looked, lookAgain } from "./rerank.ts";
import type { MatrixHit } from "./schemas.ts";
import type { Asked, Candidate } from "./search-corpus.ts";
import type { SearchPlan } from "./search-plan.ts";
import type { Reasons } from "./search-playbooks.ts";
import { inOrder, type Ranked } from "./search-ranking.ts";
import type { Stopwatch } from "./search-stopwatch.ts";

/** How much of a score the second look decides: ADR 0096. */
const rerankShare = 0.75;
/** Rows that are looked at again: further down, what looks right is more and more often wrong (ADR 0096). */
const lookedMin = 50;
const lookedPerHit = 3;

interface Material {
  ranked: readonly Ranked[];
  asked: readonly Asked[];
  reasons: ReadonlyMap<Candidate, Reasons>;
  watch: Stopwatch;
}

/** At most k hits, best first. */
export async function toHits(
  { ranked, asked, reasons, watch }: Material,
  plan: SearchPlan,
): Promise<MatrixHit[]> {
  const best = plan.rerank
    ? ranked.slice(0, Math.max(lookedMin, lookedPerHit * plan.k))
    : ranked.slice(0, plan.k);
  const texts =
    plan.rerank || plan.includeText ? await watch("text", () => readTexts(asked, best)) : new Map();
  const looks = plan.rerank
    ? await watch("rerank", async () => secondLook(plan.text ?? "", best, { texts, asked }))
    : best.map((one) => ({ ...one, look: undefined }));
  return looks.slice(0, plan.k).map(({ candidate, fused, boost, score, look }) => {
    const { corpus, row, vector, lexical } = candidate;
    const why = reasons.get(candidate);
    return {
      id: row.id,
      corpus,
      score,
      parts: {
        ...(vector !== undefined && { vector }),
        ...(lexical !== undefined && { lexical }),
        fused,
        ...(why && { playbook: boost }),
        ...(look && {
          rerank: look.rerank,
          rerank_coverage: look.coverage,
          rerank_proximity: look.proximity,
          rerank_metadata: look.metadata,
        }),
      },
      ...(plan.includeText && { text: texts.get(candidate) ?? "" }),
      metadata: row.metadata,
      ...(why && { playbooks: why }),
    };
  });
}

/** The order after the second look: fused and looked-at share the score, and playbooks add to it as before. */
function secondLook(
  query: string,
  best: readonly Ranked[],
  { texts, asked }: { texts: ReadonlyMap<Candidate, string>; asked: readonly Asked[] },
): (Ranked & { look: Looked })[] {
  const documents = best.map(({ candidate }) => ({
    text: texts.get(candidate) ?? "",
    metadata: candidate.row.metadata,
  }));
  const places = new Map(asked.map(({ name }, at) => [name, at]));
  return lookAgain(query, documents)
    .map((look, at) => ({ ...(best[at] as Ranked), look }))
    .map((one) => ({
      ...one,
      score: (1 - rerankShare) * one.fused + rerankShare * fusedMax * one.look.rerank + one.boost,
    }))
    .sort((a, b) => b.score - a.score || inOrder(a.candidate, b.candidate, places));
}

async function readTexts(asked: readonly Asked[], best: readonly Ranked[]): Promise<Map<Candidate, string>> {
  const texts = new Map<Candidate, string>();
  for (const { name, live } of asked) {
    const own = best.filter(({ candidate }) => candidate.corpus === name).map(({ candidate }) => candidate);
    if (own.length === 0) continue;
    const rows: CorpusRow[] = await live.read(
      own.map(({ row }) => row.number),
      { text: true },
    );
    const byNumber = new Map(rows.map(({ number, text }) => [number, text]));
    for (const candidate of own) texts.set(candidate, byNumber.get(candidate.row.number) ?? "");
  }
  return texts;
}
