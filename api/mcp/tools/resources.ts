/** Datasets as resources: `lakehouse://datasets/{name}` is the manifest, or what a view is, with sample rows. */

import type {
  CompleteResult,
  ListResourcesResult,
  ListResourceTemplatesResult,
  ReadResourceResult,
} from "@modelcontextprotocol/server";
import { parseRows } from "../../../runtime/json/json.ts";
import { catalogd, TableName } from "../../../workers/catalogd/contract.ts";
import { queryd } from "../../../workers/queryd/contract.ts";
import { truncatedOrEmpty } from "../answers/answers.ts";
import { allViews, datasetOrView, type GatewayClient, textOf, viewInstead } from "../gateway/gateway.ts";
import { boundedManifest, datasetLine, tableOf, viewLine } from "./dataset-tools.ts";

const prefix = "lakehouse://datasets/";
/** The resource of a dataset. */
export const datasetUri = (name: string): string => prefix + name;
const isDatasetName = new RegExp(TableName.pattern ?? "(?!)");
const mimeType = "application/json";
const resourcesPerPage = 100;
const sampleRows = 20;
/** As many as the protocol lets a completion answer. */
const completionsMax = 100;

export interface Resources {
  list: (cursor: string | undefined, signal: AbortSignal) => Promise<ListResourcesResult>;
  templates: () => ListResourceTemplatesResult;
  /** Undefined when the address is none of a dataset. Throws what the gateway says, `not_found` among it. */
  read: (uri: string, signal: AbortSignal) => Promise<ReadResourceResult> | undefined;
  /** Undefined when the address is none of a dataset. Throws `not_found` where there never was one of this name. */
  find: (uri: string, signal: AbortSignal) => Promise<void> | undefined;
  /** Names of datasets that begin so. */
  complete: (begin: string, signal: AbortSignal) => Promise<CompleteResult>;
}

export function createResources(gateway: GatewayClient): Resources {
  const { list, versions } = catalogd.endpoints;
  return {
    list: async (cursor, signal) => {
      const page = { page_size: resourcesPerPage, ...(cursor !== undefined && { page_token: cursor }) };
      const { datasets, next_page_token } = await gateway.call(list, page, { signal });
      // Views are few: they follow the last of the datasets.
      const views = next_page_token === undefined ? await allViews(gateway, signal) : [];
      return {
        resources: [
          ...datasets.map((dataset) => ({
            title: `Dataset ${dataset.name}`,
            description: datasetLine(dataset),
            name: dataset.name,
          })),
          ...views.map((view) => ({
            title: `View ${view.name}`,
            description: viewLine(view),
            name: view.name,
          })),
        ].map((resource) => ({ ...resource, uri: datasetUri(resource.name), mimeType })),
        ...(next_page_token !== undefined && { nextCursor: next_page_token }),
      };
    },
    templates: () => ({
      resourceTemplates: [
        {
          uriTemplate: `${prefix}{name}`,
          name: "dataset",
          title: "Dataset",
          description:
            "A dataset's manifest (columns, types, counts), or a view's SQL and columns, with its first rows.",
          mimeType,
        },
      ],
    }),
    read: (uri, signal) => {
      const name = datasetOf(uri);
      if (name === undefined) return undefined;
      return (async () => {
        const found = await datasetOrView(gateway, name, signal);
        const what = "sql" in found ? { view: found } : { manifest: boundedManifest(found).manifest };
        const content = { ...what, ...(await sample(gateway, name, signal)) };
        return { contents: [{ uri, mimeType, text: JSON.stringify(content, null, 1) }] };
      })();
    },
    find: (uri, signal) => {
      const name = datasetOf(uri);
      if (name === undefined) return undefined;
      const dataset = gateway.call(versions, { name, page_size: 1 }, { signal });
      return dataset.catch((cause) => viewInstead(gateway, signal, cause)).then(() => undefined);
    },
    complete: async (begin, signal) => {
      const { datasets } = await gateway.call(list, { page_size: 1000 }, { signal });
      const all = [...datasets, ...(await allViews(gateway, signal))];
      const names = all.map(({ name }) => name).filter((name) => name.startsWith(begin));
      const values = names.slice(0, completionsMax);
      return { completion: { values, total: names.length, hasMore: names.length > values.length } };
    },
  };
}

function datasetOf(uri: string): string | undefined {
  if (!uri.startsWith(prefix)) return undefined;
  const name = uri.slice(prefix.length);
  return isDatasetName.test(name) ? name : undefined;
}

/** The first rows, as many of them as fit. */
async function sample(gateway: GatewayClient, name: string, signal: AbortSignal): Promise<object> {
  // The name holds letters, digits and _ alone.
  const statement = { sql: `SELECT * FROM ${tableOf({ name })} LIMIT ${sampleRows}` };
  const response = await gateway.post(`${queryd.endpoints.sql.path}?numbers=json`, statement, { signal });
  const rows = parseRows(await textOf(response, signal, gateway.url)) as unknown[];
  const { kept, omitted } = truncatedOrEmpty(rows, {});
  return { sample_rows: kept, ...(omitted > 0 && { sample_rows_omitted: omitted }) };
}
