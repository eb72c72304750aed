/** Versions in lists: what they are, without their objects. */
import type { Static } from "@sinclair/typebox";
import type { Summary, VersionSummary } from "../schemas/schemas.ts";
import type { Version } from "./version.ts";

export const summaryOf = ({ columns, objects, ...version }: Version): Static<typeof Summary> => ({
  dataset_id: version.dataset_id,
  name: version.name,
  version: version.version,
  schema_fingerprint: version.schema_fingerprint,
  columns: columns.length,
  objects: objects.length,
  row_count: version.row_count,
  bytes: version.bytes,
  created_at: version.created_at,
});

export const versionSummaryOf = (version: Version): Static<typeof VersionSummary> => ({
  ...summaryOf(version),
  operation: version.operation,
  ...(version.copy_of !== undefined && { copy_of: version.copy_of }),
  ...(version.renamed_to !== undefined && { renamed_to: version.renamed_to }),
  made_by: version.made_by,
});
