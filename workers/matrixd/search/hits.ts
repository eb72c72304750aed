/** The best candidates as hits, reranked when that was asked for. */
import type { CorpusRow } from "../lexicon/lexicon.ts";
import { fusedMax, rerank } from "../ranking/ranking.ts";
import type { MatrixHit } from "../schemas/schemas.ts";
import type { Candidate, CorpusAnswer, Tools } from "./corpus.ts";
import { rankByModel } from "./cross-encoder.ts";
import { inOrder, type Ranked, type Reranked } from "./order.ts";
import type { SearchPlan } from "./plan.ts";
import type { Reasons } from "./playbooks.ts";

/** How much of a score reranking decides: ADR 0096. */
const rerankShare = 0.75;
/** Rows that are reranked: further down, what looks right is more and more often wrong (ADR 0096). */
const rerankedMin = 50;
const rerankedPerHit = 3;

interface Material {
  ranked: readonly Ranked[];
  asked: readonly CorpusAnswer[];
  reasons: ReadonlyMap<Candidate, Reasons>;
  /** What failed without failing the search. */
  errors: { corpus: string; error: unknown }[];
  signal: AbortSignal;
}

/** At most k hits, best first. */
export async function toHits(
  { parts, watch }: Pick<Tools, "parts" | "watch">,
  { ranked, asked, reasons, errors, signal }: Material,
  plan: SearchPlan,
): Promise<MatrixHit[]> {
  const best = plan.rerank
    ? ranked.slice(0, Math.max(rerankedMin, rerankedPerHit * plan.k))
    : ranked.slice(0, plan.k);
  const texts =
    plan.rerank || plan.includeText ? await watch("text", () => readTexts(asked, best)) : new Map();
  const order = async (): Promise<readonly Reranked[]> => {
    if (plan.rerank === "words") return reranked(plan.text ?? "", best, { texts, asked });
    return rankByModel(parts, { best, texts, asked, errors, signal }, plan);
  };
  const chosen: readonly Reranked[] = plan.rerank
    ? await watch("rerank", order)
    : best.map((one) => ({ ...one, rerankParts: {} }));
  return chosen.slice(0, plan.k).map(({ candidate, fused, boost, score, rerankParts }) => {
    const { corpus, row, vector, lexical, spelling, sentence } = candidate;
    const why = reasons.get(candidate);
    return {
      id: row.id,
      corpus,
      score,
      parts: {
        ...(vector !== undefined && { vector }),
        ...(lexical !== undefined && { lexical }),
        ...(spelling !== undefined && { spelling }),
        ...(sentence !== undefined && { sentence }),
        fused,
        ...(why && { playbook: boost }),
        ...rerankParts,
      },
      ...(plan.includeText && { text: texts.get(candidate) ?? "" }),
      metadata: row.metadata,
      ...(why && { playbooks: why }),
    };
  });
}

/** The order after reranking: fused and reranked parts share the score, and playbooks add to it as before. */
function reranked(
  query: string,
  best: readonly Ranked[],
  { texts, asked }: { texts: ReadonlyMap<Candidate, string>; asked: readonly CorpusAnswer[] },
): Reranked[] {
  const documents = best.map(({ candidate }) => ({
    text: texts.get(candidate) ?? "",
    metadata: candidate.row.metadata,
  }));
  const places = new Map(asked.map(({ name }, at) => [name, at]));
  return rerank(query, documents)
    .map(({ rerank, coverage, proximity, metadata }, at) => {
      const one = best[at] as Ranked;
      return {
        ...one,
        score: (1 - rerankShare) * one.fused + rerankShare * fusedMax * rerank + one.boost,
        rerankParts: {
          rerank,
          rerank_coverage: coverage,
          rerank_proximity: proximity,
          rerank_metadata: metadata,
        },
      };
    })
    .sort((a, b) => b.score - a.score || inOrder(a.candidate, b.candidate, places));
}

async function readTexts(
  asked: readonly CorpusAnswer[],
  best: readonly Ranked[],
): Promise<Map<Candidate, string>> {
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
