/** What queries see: snapshots of the catalog, the names in a statement, and datasets as views, macros and system tables. */
export { resolveDatasets, withObjects } from "./datasets.ts";
export { isLive, type LiveTables, openLiveTables } from "./live-tables.ts";
export { createOpenTables, hasSchema, type OpenTables, schemaViews } from "./open-tables.ts";
export { pastName, pastNameHint } from "./past-name.ts";
export { type Catalog, createCatalog, type Manifest, type Snapshot, type View } from "./snapshots.ts";
export {
  allTables,
  hasSystemView,
  isSystemView,
  systemReads,
  systemRelation,
  systemSources,
} from "./system-views.ts";
export { createVersions, type Versions } from "./versions.ts";
export { columnsOfSchema, createViews, emptyRows, type Views } from "./views.ts";
