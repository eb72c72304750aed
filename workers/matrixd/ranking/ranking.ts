/** How candidates are ordered: rank fusion and reranking. */
export { defaultWeights, fuse, fusedMax, type Ranking, type Weights, worthOf } from "./fusion.ts";
export { type RerankScores, rerank, termsOf } from "./rerank.ts";
