/** The eight tools, in the order in which an agent meets them. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { GatewayClient } from "../gateway/gateway.ts";
import { datasetVersions, getManifest, listDatasets } from "./dataset-tools.ts";
import { recordPlaybook, searchMatrix } from "./matrix-tools.ts";
import { querySql } from "./query-sql.ts";
import type { Tool } from "./tool.ts";
import { embedText, searchVectors } from "./vector-tools.ts";

export { createResources, datasetUri, type Resources } from "./resources.ts";
export { plain } from "./schemas.ts";
export type { Tool } from "./tool.ts";

interface ToolOptions {
  /** Memory for results of `query_sql` that are paged through. */
  resultBytesMax?: number;
}

/** The tools over a gateway. */
export const createTools = (
  gateway: GatewayClient,
  clock: Clock,
  { resultBytesMax }: ToolOptions = {},
): Tool[] => [
  listDatasets(gateway),
  getManifest(gateway),
  datasetVersions(gateway),
  querySql(gateway, clock, resultBytesMax),
  embedText(gateway),
  searchVectors(gateway),
  searchMatrix(gateway),
  recordPlaybook(gateway),
];
