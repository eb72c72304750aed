/** What a version is and must be: registrations, schemas and the next version, decided without I/O. */
export { chainProblems } from "./chain.ts";
export { type Compaction, planCompaction } from "./compaction.ts";
export { planExpiry, planRename, planRollback, planUndrop } from "./copies.ts";
export { evolvedByRequest } from "./evolution.ts";
export {
  isNamePart,
  planOpen,
  type TableContent,
} from "./open.ts";
export { checkMatch, columnsFor, isOf, planDrop, planEvolution, planRegistration } from "./plan.ts";
export { canonicalKey, checkName, checkRegistration, type Registration } from "./registration.ts";
export { schemaDrift, schemaFingerprint } from "./schema.ts";
export { summaryOf, versionSummaryOf } from "./summary.ts";
export {
  type Column,
  type DataObject,
  firstOf,
  isLive,
  isOpen,
  type Manifest,
  type OpenVersion,
  refuseOpen,
  type Version,
} from "./version.ts";
