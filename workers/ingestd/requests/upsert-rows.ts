/** Rows in a JSON body that take the place of those with the same key: an ingest of these rows. */
import { readJson } from "../../../runtime/bodies/bodies.ts";
import type { RawContext } from "../../../runtime/contract/contract.ts";
import type { IngestParts } from "../jobs/jobs.ts";
import { UpsertRows } from "../schemas/schemas.ts";
import { ingest } from "./ingest.ts";

/** As JSON; more rows are a file for `/ingest`. */
const bodyBytesMax = 64 * 1024 * 1024;

/** Throws `not_found` where there is no such dataset, and what an ingest with `mode=upsert` throws. */
export async function upsertRows(
  { name }: { name: string },
  context: RawContext,
  parts: IngestParts,
): Promise<Response> {
  const { request, requestId } = context;
  const { rows, key, ...more } = await readJson(request, UpsertRows, bodyBytesMax);
  const { columns } = await parts.deps.peers.catalogd.verbs.manifest({ name }, { requestId });
  const headers = new Headers({ "content-type": "application/x-ndjson" });
  const job = request.headers.get("x-lakehouse-job-id");
  if (job !== null) headers.set("x-lakehouse-job-id", job);
  // A column that no row has is there for the dataset's sake.
  const absent = Object.fromEntries(columns.map((column) => [column.name, null]));
  const body = rows.map((row) => JSON.stringify({ ...absent, ...row })).join("\n");
  const lines = new Request(request.url, { method: "POST", headers, body, signal: request.signal });
  const given = columns.filter((column) => rows.some((row) => (row[column.name] ?? null) !== null));
  const types = JSON.stringify(Object.fromEntries(given.map((column) => [column.name, column.type])));
  const input = { name, mode: "upsert", key, format: "ndjson", types, ...more } as const;
  return ingest(input, { ...context, request: lines }, parts);
}
