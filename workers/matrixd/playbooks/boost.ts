/**
 * How much a playbook moves its answer. Every factor is between 0 and 1, and the answer names all of them.
 *
 * Sources: helpful and harmful counters on what was learnt, Zhang et al. 2025, "Agentic Context Engineering" (ACE,
 * arXiv 2510.04618); usefulness as the mean of a Beta distribution under Jeffreys' prior, Jeffreys 1946, which needs no
 * least number of votes; decay by half-lives as search engines weigh age (Elasticsearch's `exp` decay functions).
 */

/**
 * Most that one playbook adds. Reciprocal rank fusion gives the first place of a list 1/61 and the 20th 1/80 (Cormack
 * et al. 2009, k = 60), two lists 2/61 at most. A playbook of full similarity and nothing known against it adds half of
 * this, two lists' first places: enough to bring in an answer that no list has. One that proved itself adds at most
 * four, and only to its own answer: the others keep their order.
 */
export const boostMax = 4 / 60;

/** Below five half-lives' weight a playbook has faded: it no longer boosts, and consolidation drops it. */
const fadedBelow = 1 / 32;

/** Harmful feedback before a playbook that lost its boost is dropped for good: until then helpful feedback brings it back. */
const harmfulMin = 3;

const dayMs = 24 * 60 * 60 * 1000;

interface Feedback {
  helpful: number;
  harmful: number;
}

/**
 * 2p − 1, at least 0, for the mean p of Beta(1 + helpful + ½, harmful + ½): the recording counts as
 * the first helpful one. Half without feedback; 0 as soon as harmful feedback outweighs or equals that for it.
 */
export const usefulnessOf = ({ helpful, harmful }: Feedback): number =>
  Math.max(0, (1 + helpful - harmful) / (2 + helpful + harmful));

/** 1 when fresh, a half after each half-life; 1 for ever with a half-life of 0 days. */
export const freshnessOf = (ageMs: number, halfLifeDays: number): number =>
  halfLifeDays === 0 ? 1 : 0.5 ** (Math.max(0, ageMs) / (halfLifeDays * dayMs));

export const hasFaded = (ageMs: number, halfLifeDays: number): boolean =>
  freshnessOf(ageMs, halfLifeDays) < fadedBelow;

/** Whether enough feedback says that it misleads to drop it. */
export const misleads = (feedback: Feedback): boolean =>
  feedback.harmful >= harmfulMin && usefulnessOf(feedback) === 0;

export interface BoostFacts extends Feedback {
  /** Cosine of the query and the nearest wording. */
  similarity: number;
  /** [matrixd] playbook_similarity_percent, as a cosine: less is another question. */
  leastSimilarity: number;
  /** How good the answer was, 0 to 1. */
  score: number;
  /** Since it was last recorded or called helpful. */
  ageMs: number;
  halfLifeDays: number;
}

/** What it adds, 0 to `boostMax`; 0 when it faded or when there is as much feedback against it as for it. */
export function boostOf(facts: BoostFacts): number {
  if (hasFaded(facts.ageMs, facts.halfLifeDays)) return 0;
  const freshness = freshnessOf(facts.ageMs, facts.halfLifeDays);
  return boostMax * near(facts) * facts.score * usefulnessOf(facts) * freshness;
}

/** The boost as one sentence with the numbers that made it. */
export function boostBecause(facts: BoostFacts): string {
  const { score, helpful, harmful, ageMs, halfLifeDays } = facts;
  return (
    `nearness ${near(facts).toFixed(3)} (similarity ${facts.similarity.toFixed(3)}, from ${facts.leastSimilarity} on) × score ${score.toFixed(2)} × usefulness ${usefulnessOf(facts).toFixed(2)} ` +
    `(${helpful} helpful, ${harmful} harmful) × freshness ${freshnessOf(ageMs, halfLifeDays).toFixed(2)} ` +
    `(${Math.floor(ageMs / dayMs)} days) = ${boostOf(facts).toFixed(4)} of at most ${boostMax.toFixed(4)}`
  );
}

/**
 * 0 where similarity begins to count, 1 for the same words. Similarity itself would let a question about another place
 * count half as much as the same question: on labelled queries that cost more than all true matches gained (ADR 0096).
 */
function near({ similarity, leastSimilarity }: BoostFacts): number {
  const reach = 1 - leastSimilarity;
  return reach > 0
    ? Math.min(1, Math.max(0, (similarity - leastSimilarity) / reach))
    : Number(similarity >= 1);
}
