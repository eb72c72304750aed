/** Iceberg's formats (v2, and v3 as far as it is kept): metadata, manifests, types. Pure: bytes and values in and out. */
export { singleValue } from "./bounds.ts";
export { type ContentFile, contentFilesOf, contentId } from "./content-files.ts";
export { exactText, type Id, parseExact, sameId } from "./json.ts";
export {
  type AddedFile,
  decodeManifestList,
  encodeManifestFile,
  encodeManifestList,
  entriesOf,
  type ListedManifest,
  type ManifestContent,
  type ManifestEntry,
  rewrittenManifest,
} from "./manifest.ts";
export * as refusals from "./refusals.ts";
export { checkRequirement, type Requirement } from "./requirements.ts";
export { lastUpdatedColumn, rowIdColumn, rowIdsFormat, withFirstRowIds } from "./row-ids.ts";
export { highestId, type IcebergSchema, nameMapping, schemaOf, Unpublishable } from "./schema.ts";
export { mainBranch } from "./snapshot-updates.ts";
export {
  emptyTable,
  metadataText,
  newTable,
  noSnapshot,
  type Snapshot,
  type SnapshotRef,
  type TableMetadata,
  type TableRequest,
} from "./table-metadata.ts";
export {
  type IcebergField,
  type IcebergType,
  icebergTypeOf,
  NoSuchType,
  sqlTypeOf,
} from "./type-map.ts";
export { applyUpdates, type Update } from "./updates.ts";
