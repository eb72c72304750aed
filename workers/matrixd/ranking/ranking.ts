/** How candidates are ordered: fusion and reranking. */
export {
  byDistance,
  byPlace,
  fusedMax,
  type Parts,
  type Scored,
  scoreOf,
  type Weights,
  weightsOf,
  worthOf,
} from "./fusion.ts";
export { type RerankScores, rerank, termsOf } from "./rerank.ts";
export { sentencesOf } from "./sentences.ts";
export { charactersRead, spelledAlike } from "./spelling.ts";
