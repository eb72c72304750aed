/** Files of open tables: where they may be, metadata and snapshots as they are read. */
export {
  checkPathProperties,
  confined,
  type Homes,
  isInside,
  keyOf,
  movedBy,
  normalised,
  pathProperties,
  placeFor,
  type Root,
  resolved,
} from "./addresses.ts";
export { type FileStatistics, statisticsOf } from "./file-statistics.ts";
export { formerRoots } from "./former-roots.ts";
export { createMetadataFiles, type MetadataFiles } from "./metadata-file.ts";
export {
  concurrency,
  createSnapshotFiles,
  type ReadFile,
  readFilesOf,
  type SnapshotFiles,
  withDeletes,
} from "./snapshot-files.ts";
