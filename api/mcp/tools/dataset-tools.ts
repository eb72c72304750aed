/** `list_datasets`, `get_manifest` and `dataset_versions`: what there is to query, and what there was. */
import type { Static } from "@sinclair/typebox";
import { type InputOf, inputSchema, t } from "../../../runtime/contract/contract.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import {
  catalogd,
  type Manifest,
  type Summary,
  View as ViewSchema,
} from "../../../workers/catalogd/contract.ts";
import { truncated, truncatedOrEmpty } from "../answers/answers.ts";
import { allViews, type GatewayClient, type View } from "../gateway/gateway.ts";
import { isLike, likeInput, likePages } from "./like.ts";
import { derive } from "./schemas.ts";
import { reading, type Tool } from "./tool.ts";

/** How statements name a dataset or an open table: one in a namespace has quotes around each part; a version stands within the last. */
export function tableOf({ name, version }: { name: string; version?: number }): string {
  const parts = name.split(".");
  const last = parts.pop() ?? "";
  return [...parts, version === undefined ? last : `${last}@${version}`].map(quoteName).join(".");
}

type Dataset = Static<typeof Summary>;
type BoundedManifest = Static<typeof Manifest> & {
  columns_omitted?: number;
  objects_omitted?: number;
};

const { list, manifest, versions } = catalogd.endpoints;
const datasetsPerPage = 50;

const listInput = derive(inputSchema(list), {
  refine: {
    page_size: { maximum: 200, default: datasetsPerPage, description: "Most datasets of one answer." },
    page_token: { description: "The next_page_token of the answer before." },
  },
  add: likeInput,
});

/** A dataset in one line. */
export const datasetLine = ({ name, row_count, columns, version, created_at }: Dataset): string =>
  `${name}: ${row_count} rows, ${columns} columns, version ${version} of ${created_at}`;

/** A view in one line. */
export const viewLine = ({ name, columns, description = "", problem }: View): string =>
  `${name}: a view of ${columns.length} columns${description && `, ${description}`}${problem === undefined ? "" : `; it cannot be read: ${problem}`}`;

export const listDatasets = (gateway: GatewayClient): Tool => ({
  name: "list_datasets",
  description:
    "Lists the datasets (SQL tables) and views of this Lakehouse by name, with their sizes; names such as open.jobs are open tables (Iceberg), which other engines write too. Start here. get_manifest tells a dataset's columns; query_sql reads its rows.",
  annotations: reading("List datasets"),
  input: listInput,
  output: derive(list.reply, {
    add: {
      views: t.Optional(
        t.Array(ViewSchema, {
          description: "Views, which statements read by their names as they do datasets.",
        }),
      ),
    },
  }),
  lookUp: "list_datasets names the datasets.",
  call: async (input, { signal }) => {
    const asked = input as { like?: string; page_size?: number; page_token?: string };
    let rest: { catalog_etag: string; unreadable?: { name: string; reason: string }[] } = {
      catalog_etag: "",
    };
    const found = await likePages({ ...asked, perPage: datasetsPerPage }, async (page) => {
      const { datasets: items, next_page_token, ...more } = await gateway.call(list, page, { signal });
      rest = more;
      return { items, next_page_token };
    });
    const { next_page_token } = found;
    // Views are few: they follow the last of the datasets.
    const views = next_page_token === undefined ? await allViews(gateway, signal) : [];
    const likely = views.filter(({ name }) => isLike(name, asked.like));
    const shown = truncatedOrEmpty(likely, { share: 0.4 }).kept;
    const structured = {
      datasets: found.items,
      ...(shown.length > 0 && { views: shown }),
      ...rest,
      ...(next_page_token !== undefined && { next_page_token }),
    };
    const { unreadable = [] } = rest;
    const lines = [...found.items.map(datasetLine), ...shown.map(viewLine)];
    if (shown.length < likely.length)
      lines.push(`… and ${likely.length - shown.length} views more; list_views pages them`);
    if (lines.length === 0 && asked.like !== undefined)
      lines.push(`No dataset's name is like '${asked.like}'.`);
    else if (lines.length === 0)
      lines.push(
        "There are no datasets yet: POST a file to /v1/ingest?name=… of the gateway, or documents to /v1/documents?corpus=….",
      );
    for (const { name, reason } of unreadable) lines.push(`${name}: cannot be read (${reason})`);
    if (next_page_token !== undefined)
      lines.push(
        `There are more: list_datasets ${JSON.stringify({ ...asked, page_token: next_page_token })}`,
      );
    return { structured, text: lines.join("\n") };
  },
});

const omitted = (what: string) =>
  t.Optional(t.Integer({ minimum: 1, description: `${what} left out, because the answer has a bound.` }));

const manifestOutput = derive(manifest.reply, {
  add: { columns_omitted: omitted("Columns"), objects_omitted: omitted("Objects") },
});

/** The manifest with as many columns, and then objects, as fit into an answer. */
export function boundedManifest(whole: Static<typeof Manifest>): {
  manifest: BoundedManifest;
  lines: string[];
} {
  const instead = "GET /v1/catalog/manifest/{name} of the gateway gives it whole";
  const columns = truncated(whole.columns, {
    line: ({ name, type, nullable }) => `  ${name} ${type}${nullable ? "" : " NOT NULL"}`,
    instead,
    share: 0.6,
  });
  // With statistics of very wide rows not even one object may fit: then none is shown.
  const objects = truncatedOrEmpty(whole.objects, { share: 0.4 });
  return {
    manifest: {
      ...whole,
      columns: columns.kept,
      objects: objects.kept,
      ...(columns.omitted > 0 && { columns_omitted: columns.omitted }),
      ...(objects.omitted > 0 && { objects_omitted: objects.omitted }),
    },
    lines: columns.lines,
  };
}

export const getManifest = (gateway: GatewayClient): Tool => ({
  name: "get_manifest",
  description:
    "Describes one dataset: its columns with their SQL types, its row count, version and Parquet objects with column statistics (null counts, smallest and largest values). Call it before writing SQL. With version or as_of it describes an earlier version.",
  annotations: reading("Describe a dataset"),
  input: derive(inputSchema(manifest), {
    refine: { name: { description: "The dataset's name, as list_datasets gives it." } },
  }),
  output: manifestOutput,
  lookUp: "list_datasets names the datasets, list_views the views with their columns.",
  call: async (input, { signal }) => {
    const asked = input as InputOf<typeof manifest>;
    const whole = await gateway.call(manifest, asked, { signal });
    const { manifest: structured, lines } = boundedManifest(whole);
    const head = `${whole.name}, version ${whole.version} of ${whole.created_at} (${whole.operation} by ${whole.made_by}): ${whole.row_count} rows, ${whole.bytes} bytes ${whole.metadata_location === undefined ? `in ${whole.objects.length} objects` : "(an open table, whose files Iceberg's metadata names)"}, ${whole.columns.length} columns:`;
    const more = structured.columns_omitted;
    const tail =
      more === undefined
        ? []
        : [`  … and ${more} columns more; DESCRIBE ${tableOf(whole)} with query_sql pages them`];
    return { structured, text: [head, ...lines, ...tail].join("\n") };
  },
});

const versionsPerPage = 20;

export const datasetVersions = (gateway: GatewayClient): Tool => ({
  name: "dataset_versions",
  description:
    'Lists the versions of one dataset, the latest first: when each was made, by whom, by what kind of change, and how many rows it has. query_sql reads version 3 as "name@3", of an open table as open."jobs@3"; get_manifest with version describes it. Commits of other engines to open tables are versions too.',
  annotations: reading("List a dataset's versions"),
  input: derive(inputSchema(versions), {
    refine: {
      name: { description: "The dataset's name, as list_datasets gives it; one that was dropped, too." },
      page_size: { maximum: 200, default: versionsPerPage, description: "Most versions of one answer." },
      page_token: { description: "The next_page_token of the answer before." },
    },
  }),
  output: versions.reply,
  lookUp: "list_datasets names the datasets, list_views the views with their columns.",
  call: async (input, { signal }) => {
    const asked = { page_size: versionsPerPage, ...(input as InputOf<typeof versions>) };
    const structured = await gateway.call(versions, asked, { signal });
    const { name, unreadable = [], next_page_token } = structured;
    const lines = structured.versions.map(
      ({ version, created_at, operation, made_by, row_count, columns }) =>
        operation === "drop"
          ? `version ${version} of ${created_at}: dropped`
          : `${name.includes(".") ? tableOf({ name, version }) : `${name}@${version}`} of ${created_at}: ${operation} by ${made_by}, ${row_count} rows, ${columns} columns`,
    );
    for (const { version, reason } of unreadable)
      lines.push(`version ${version}: cannot be read (${reason})`);
    if (next_page_token !== undefined)
      lines.push(`There are more: dataset_versions ${JSON.stringify({ name, page_token: next_page_token })}`);
    return { structured, text: lines.join("\n") };
  },
});
