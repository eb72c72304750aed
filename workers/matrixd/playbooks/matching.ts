/** Finds the playbooks that fit a query: every wording of the corpora asked is compared, slice by slice. */
import { type Clock, createSlices } from "../../../runtime/scheduling/scheduling.ts";
import { type BoostFacts, boostBecause, boostOf } from "./boost.ts";
import { bestSimilarity } from "./likeness.ts";
import type { PlaybookEntry, Wording } from "./state.ts";
import type { PlaybookStore } from "./store.ts";
import type { PlaybookTraces } from "./traces.ts";
import { unit, type WordingVectors } from "./wordings.ts";

/** What playbooks say about one query, as searches see it. */
export interface PlaybookMatch {
  playbook_id: string;
  corpus: string;
  /** The row's id in its dataset; absent where the note is all there is. */
  answer_id: string | undefined;
  note: string | undefined;
  /** Cosine between the query and the nearest wording of the playbook. */
  similarity: number;
  /** Added to the score of the answer; 0 or more, at most `boostMax` of boost.ts. */
  boost: number;
  /** One sentence with the numbers that made it. */
  because: string;
}

export interface PlaybookMatches {
  /**
   * Playbooks of these corpora that fit the query, largest boost first; those of retired traces are left out. Vectors
   * are compared only with wordings embedded by the same model; `text` is needed to embed those not yet seen.
   */
  match: (
    query: { text: string | undefined; vector: Float32Array; model: string },
    corpora: readonly string[],
    signal: AbortSignal,
  ) => Promise<PlaybookMatch[]>;
}

/** Answers that playbooks boost in one search; filters of the search may still leave some of them out. */
const matchesMax = 50;
/** Steps of a slice that judging one playbook takes: about a microsecond. */
const stepsOfFacts = 100;

interface MatchingParts {
  store: Pick<PlaybookStore, "state">;
  vectors: WordingVectors;
  traces: PlaybookTraces;
  clock: Pick<Clock, "now">;
  settings: { playbook_half_life_days: number; playbook_similarity_percent: number };
}

interface Candidate {
  entry: PlaybookEntry;
  facts: BoostFacts;
  boost: number;
}

/** An answer is boosted once, by the playbook with the largest boost: boosts do not add up. */
export function createPlaybookMatches(parts: MatchingParts): PlaybookMatches {
  const { store, vectors, traces, clock, settings } = parts;
  const least = settings.playbook_similarity_percent / 100;
  const factsOf = ({ playbook }: PlaybookEntry, similarity: number): BoostFacts => ({
    similarity,
    leastSimilarity: least,
    score: playbook.score,
    helpful: playbook.helpful,
    harmful: playbook.harmful,
    ageMs: Math.max(0, clock.now() - Date.parse(playbook.confirmed_at)),
    halfLifeDays: settings.playbook_half_life_days,
  });
  return {
    match: async ({ vector, model }, corpora, signal) => {
      const entries = corpora.flatMap((corpus) => [...store.state.ofCorpus(corpus)]);
      if (entries.length === 0) return [];
      const known = vectors(model);
      const unknown: Wording[] = [];
      // One that misled or faded adds nothing even at the best similarity: it is not compared.
      const compared: PlaybookEntry[] = [];
      const slices = createSlices(signal);
      for (const entry of entries) {
        const rest = slices(stepsOfFacts);
        if (rest) await rest;
        if (boostOf(factsOf(entry, 1)) === 0) continue;
        compared.push(entry);
        for (const wording of entry.wordings) if (!known.get(wording)) unknown.push(wording);
      }
      if (unknown.length > 0) await known.fill(unknown, signal);

      const query = unit(vector);
      const near: Candidate[] = [];
      for (const entry of compared) {
        const rest = slices(entry.wordings.length * vector.length);
        if (rest) await rest;
        const similarity = bestSimilarity(query, entry, known);
        if (similarity < least) continue;
        const facts = factsOf(entry, similarity);
        near.push({ entry, facts, boost: boostOf(facts) });
      }
      const matched = near.map(({ entry }) => entry);
      const alive = new Set(await traces.surelyAlive(matched, signal));
      return bestOfAnswers(near.filter(({ entry }) => alive.has(entry)));
    },
  };
}

const shown = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text);

const byBoost = (a: Candidate, b: Candidate): number =>
  b.boost - a.boost || (a.entry.playbook.playbook_id < b.entry.playbook.playbook_id ? -1 : 1);

function bestOfAnswers(near: Candidate[]): PlaybookMatch[] {
  const answers = new Map<string, PlaybookMatch>();
  for (const { entry, facts, boost } of near.filter((one) => one.boost > 0).sort(byBoost)) {
    const { playbook_id, corpus, answer_id, query_text, note } = entry.playbook;
    const key = answer_id === undefined ? playbook_id : JSON.stringify([corpus, answer_id]);
    if (answers.has(key)) continue;
    const did = answer_id === undefined ? "helped with" : "answered";
    const because = `it ${did} '${shown(query_text)}': ${boostBecause(facts)}`;
    const { similarity } = facts;
    answers.set(key, { playbook_id, corpus, answer_id, note, similarity, boost, because });
    if (answers.size === matchesMax) break;
  }
  return [...answers.values()];
}
