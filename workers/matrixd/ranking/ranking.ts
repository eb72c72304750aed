/** How candidates are ordered: fusion and reranking. */
export {
  byDistance,
  byPlace,
  byWords,
  fusedMax,
  type Scored,
  type Weights,
  weightsOf,
  worthOf,
} from "./fusion.ts";
export { type RerankScores, rerank, termsOf } from "./rerank.ts";
