/** What searches vectors, as the rest of vectord sees it: the interface, the types of index, distances. Nothing native is loaded here. */
export { createTopK, type Distance, distanceOf, type Metric, norm, type TopK } from "./distance.ts";
export { type FaissPlan, factoryFor, type IndexPlan, planIndex, trainingRows } from "./index-type.ts";
export type { Engine, EngineSpec, Engines, Neighbours } from "./interface.ts";
