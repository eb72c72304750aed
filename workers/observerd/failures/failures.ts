/** Failures alike in clusters: what makes two the same, and their counts over time. */
export {
  type Clusters,
  type ClustersCheckpoint,
  createClusters,
  type FailureCluster,
  inOrder,
} from "./clusters.ts";
export { normaliseEndpoint } from "./signature.ts";
