/** What a search asks for once the profile and the defaults have filled its gaps. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import type { Weights } from "../../../runtime/ranking/ranking.ts";
import type { Matrixd } from "../contract.ts";
import type { Mode, Profile } from "../schemas/schemas.ts";

export type SearchInput = InputOf<Matrixd["endpoints"]["search"]>;

export interface SearchPlan {
  text: string | undefined;
  /** Given by the caller instead of being made of the text. */
  vector: Float32Array | undefined;
  corpora: readonly string[];
  k: number;
  /** Candidates of each corpus by each mode. */
  candidates: number;
  mode: Mode;
  /** As search and profile say; what they leave open follows from each corpus's model. */
  weights: Partial<Weights>;
  filter: Record<string, unknown> | undefined;
  sqlFilter: string | undefined;
  usePlaybook: boolean;
  /** By what the best rows are ordered again. */
  rerank: "words" | "model" | undefined;
  /** The cross-encoder; embedd's own unless given. */
  rerankModel: string | undefined;
  includeText: boolean;
  timeoutMs: number;
  ef: number | undefined;
  /** The profile that had a say. */
  profile: string | undefined;
}

/** Hits of one search unless the request says otherwise. */
const kDefault = 10;
/** Candidates of a corpus by each mode: the last of them is what a cosine counts from (ADR 0208). */
const candidatesMin = 100;
const candidatesPerHit = 3;
/** The contract's bound on `per_corpus_k`. */
const candidatesMax = 1000;

/** Throws `bad_request` or `invalid_field` for what contradicts itself. */
export function planSearch(
  input: SearchInput,
  active: Profile | undefined,
  corpusTimeoutMs: number,
): SearchPlan {
  const profile = input.corpora === undefined ? active : undefined;
  const corpora = input.corpora ?? profile?.corpora;
  if (corpora === undefined)
    throw fail(
      "bad_request",
      "corpora: name those to search, or activate a profile; GET /matrix/corpora lists them",
      { details: { field: "corpora" } },
    );
  const mode = modeOf(input, profile);
  checkQuery(input, mode);
  const k = input.k ?? profile?.k ?? kDefault;
  const spread = Math.min(candidatesMax, Math.max(candidatesMin, candidatesPerHit * k));
  return {
    text: input.query_text,
    vector: input.query_vector && Float32Array.from(input.query_vector),
    corpora,
    k,
    candidates: input.per_corpus_k ?? spread,
    mode,
    weights: weightsOf(input, profile, mode),
    filter: input.filter,
    sqlFilter: input.sql_filter,
    usePlaybook: input.use_playbook ?? profile?.use_playbook ?? false,
    rerank: input.rerank === "model" ? "model" : input.rerank ? "words" : undefined,
    rerankModel: input.rerank_model,
    includeText: input.include_text ?? false,
    timeoutMs: input.timeout_ms ?? corpusTimeoutMs,
    ef: profile?.index?.ef,
    profile: profile?.name,
  };
}

/** A vector alone can only be searched by vector. */
function modeOf(input: SearchInput, profile: Profile | undefined): Mode {
  const onlyVector = input.query_vector !== undefined && input.query_text === undefined;
  return input.mode ?? (onlyVector ? "vector" : (profile?.mode ?? "hybrid"));
}

function checkQuery({ query_text: text, query_vector: vector, rerank, ...input }: SearchInput, mode: string) {
  if (text === undefined && vector === undefined)
    throw fail("bad_request", "expected query_text, query_vector or both");
  if (text !== undefined && text.trim() === "")
    throw invalidField("query_text", "expected words, got white space alone");
  if (text === undefined && mode !== "vector")
    throw invalidField("mode", `'${mode}' needs query_text; with query_vector alone use mode 'vector'`);
  if (text === undefined && rerank)
    throw invalidField("rerank", "reranking reads the query's words: give query_text");
  if (input.rerank_model !== undefined && rerank !== "model")
    throw invalidField("rerank_model", `it is asked with rerank 'model' alone; rerank is ${rerank ?? false}`);
  if (vector?.every((number) => number === 0))
    throw invalidField("query_vector", "all its numbers are 0: it has no direction to compare");
  if (vector?.some((number) => !Number.isFinite(Math.fround(number))))
    throw invalidField("query_vector", "expected numbers that fit into 32-bit floats");
  if (input.sql_filter !== undefined && input.sql_filter.trim() === "")
    throw invalidField("sql_filter", "expected a predicate such as state = 'IL', got white space alone");
}

function weightsOf({ weights }: SearchInput, profile: Profile | undefined, mode: string): Partial<Weights> {
  if (weights !== undefined && mode !== "hybrid")
    throw invalidField("weights", `only hybrid searches are weighted; mode is '${mode}'`);
  const merged = { ...profile?.weights, ...weights };
  if (mode === "hybrid" && merged.vector === 0 && merged.lexical === 0)
    throw invalidField("weights", "vector and lexical are both 0: one of them must count");
  return merged;
}
