/** The tools, in the order in which an agent meets them. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { GatewayClient } from "../gateway/gateway.ts";
import { datasetVersions, getManifest, listDatasets } from "./dataset-tools.ts";
import { listCorpora, listIndexes, listModels } from "./discovery-tools.ts";
import { describeDataset, explainSql, sampleDataset } from "./looking-tools.ts";
import { recordPlaybook, searchMatrix } from "./matrix-tools.ts";
import { querySql } from "./query-sql.ts";
import { listSavedQueries, listViews, runSavedQuery } from "./saved-query-tools.ts";
import type { Tool } from "./tool.ts";
import { addVectors, embedText, searchVectors } from "./vector-tools.ts";
import { addDocuments, erasePerson, ingestText, recall, recordFeedback, remember } from "./writing-tools.ts";

export { createResources, datasetUri, type Resources } from "./resources.ts";
export { plain } from "./schemas.ts";
export type { Tool } from "./tool.ts";

interface ToolOptions {
  /** Memory for results of `query_sql` that are paged through. */
  resultBytesMax?: number;
  /** Whether there are the tools that load data and remember. */
  writes?: boolean;
}

/** The tools over a gateway. */
export const createTools = (
  gateway: GatewayClient,
  clock: Clock,
  { resultBytesMax, writes = false }: ToolOptions = {},
): Tool[] => [
  listDatasets(gateway),
  getManifest(gateway),
  datasetVersions(gateway),
  describeDataset(gateway),
  sampleDataset(gateway),
  querySql(gateway, clock, resultBytesMax),
  explainSql(gateway),
  listViews(gateway),
  listSavedQueries(gateway),
  runSavedQuery(gateway),
  listModels(gateway),
  embedText(gateway),
  listIndexes(gateway),
  searchVectors(gateway),
  listCorpora(gateway),
  searchMatrix(gateway),
  recordPlaybook(gateway),
  recall(gateway),
  ...(writes
    ? [ingestText, addDocuments, addVectors, remember, recordFeedback, erasePerson].map((tool) =>
        tool(gateway),
      )
    : []),
];
