/** The product as MCP reaches it: one HTTP client, what its failures mean, changes of the catalog, and the record of tool calls. */
export { type CatalogWatch, createCatalogWatch } from "./catalog-changes.ts";
export {
  chunksOf,
  createGatewayClient,
  type GatewayClient,
  isLoopback,
  textOf,
  type Upload,
} from "./client.ts";
export { failureText, GatewayFailure, withNames } from "./failure.ts";
export { createObservation, type Observation, startTimer, summaryOf } from "./observation.ts";
export { createPeerClient } from "./peer-client.ts";
export { allViews, datasetOrView, type View, viewInstead } from "./views.ts";
