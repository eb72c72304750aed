/** What is nearest to a question: the planner, filters on metadata, named vectors, hits that differ. */
export type { Neighbour } from "../engine/engine.ts";
export { diverse } from "./diverse.ts";
export { type FusedHit, type FusedQuery, fusedNeighbours } from "./fused.ts";
export { createMetadataIndex, type MetadataIndex } from "./metadata-index.ts";
export { createNamedIndex, type NamedIndex } from "./named-index.ts";
export { nearestNeighbours, type Query, rowsMatching, type Searched } from "./nearest.ts";
export { defaultEf } from "./planner.ts";
