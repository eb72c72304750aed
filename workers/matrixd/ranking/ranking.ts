/** How candidates are ordered: fusion and reranking. */
export {
  byDistance,
  byPlace,
  fusedMax,
  type Scored,
  worthOf,
} from "./fusion.ts";
export { type RerankScores, rerank, termsOf } from "./rerank.ts";
export { sentencesOf } from "./sentences.ts";
