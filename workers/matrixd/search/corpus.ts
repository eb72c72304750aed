/** The candidates of one corpus for a search. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Catalogd } from "../../catalogd/contract.ts";
import type { Embedd } from "../../embedd/contract.ts";
import type { Queryd } from "../../queryd/contract.ts";
import type { Vectord } from "../../vectord/contract.ts";
import type { Corpora, LiveCorpus } from "../corpora/corpora.ts";
import type { CorpusRow } from "../lexicon/lexicon.ts";
import type { PlaybookMatches } from "../playbooks/playbooks.ts";
import type { Profile } from "../schemas/schemas.ts";
import type { Stopwatch } from "./deadline.ts";
import { checkFields } from "./metadata-filter.ts";
import type { SearchPlan } from "./plan.ts";
import type { RowSet } from "./row-set.ts";
import type { SqlFilters } from "./sql-filter.ts";
import { searchVectors } from "./vectors.ts";
import { searchWords } from "./words.ts";

/** What a search is made of: the service puts it together and hands it to `searchVerbs`. */
export interface SearchParts {
  corpora: Pick<Corpora, "hold">;
  playbooks: PlaybookMatches;
  /** The active profile: defaults of searches that name no corpora. */
  profile: () => Profile | undefined;
  clock: Clock;
  /** [matrixd] corpus_timeout_ms. */
  corpusTimeoutMs: number;
  peers: { catalogd: Peer<Catalogd>; embedd: Peer<Embedd>; queryd: Peer<Queryd>; vectord: Peer<Vectord> };
}

/** A row that may become a hit. */
export interface Candidate {
  corpus: string;
  row: CorpusRow;
  /** Cosine, when it was found by vector. */
  vector?: number;
  /** BM25, when it was found by words, and over the most that any row could have. */
  lexical?: number;
  share?: number;
  /** How alike text and query are in their spelling; in hybrid searches alone. */
  spelling?: number;
  /** The cosine of the sentence that is nearest, where the model's vectors are means of words. */
  sentence?: number;
}

/** A corpus that answered. */
export interface CorpusAnswer {
  name: string;
  live: LiveCorpus;
  candidates: Map<number, Candidate>;
  /** The rows that sql_filter lets through. */
  among: RowSet | undefined;
  /** The query as the corpus's model sees it; absent when nothing needed it. */
  vector: Float32Array | undefined;
}

export interface Tools {
  parts: SearchParts;
  sqlFilters: SqlFilters;
  /** The query's vector by a model, made once for all corpora that use it. */
  vectorOf: (model: string) => Promise<Float32Array>;
  watch: Stopwatch;
}

/** Runs the modes side by side. Throws what any of them throws: half an answer would look like a whole one. */
export async function searchCorpus(
  { parts, sqlFilters, vectorOf, watch }: Tools,
  live: LiveCorpus,
  plan: SearchPlan,
  signal: AbortSignal,
): Promise<CorpusAnswer> {
  const { name } = live.info;
  const { sqlFilter, filter, candidates: k, mode, text, ef } = plan;
  if (filter !== undefined) checkFields(filter, live.info);
  const needsVector = mode !== "lexical" || plan.usePlaybook;
  const [among, vector] = await Promise.all([
    sqlFilter === undefined
      ? undefined
      : watch("sql_filter", () => sqlFilters.rowsWhere(live, sqlFilter, signal)),
    needsVector ? watch("embed", () => vectorOf(live.model)) : undefined,
  ]);
  signal.throwIfAborted();
  const [near, worded] = await Promise.all([
    mode === "lexical" || vector === undefined
      ? []
      : watch("vector", () =>
          searchVectors(parts.peers.vectord, live, { vector, k, filter, among, ef, signal }),
        ),
    mode === "vector" || text === undefined
      ? []
      : watch("lexical", () => searchWords(live, { text, k, filter, among, signal })),
  ]);
  const candidates = new Map<number, Candidate>();
  for (const { row, score } of near) candidates.set(row.number, { corpus: name, row, vector: score });
  for (const { row, score, share } of worded) {
    const known = candidates.get(row.number) ?? { corpus: name, row };
    candidates.set(row.number, Object.assign(known, { lexical: score, share }));
  }
  return { name, live, candidates, among, vector };
}
