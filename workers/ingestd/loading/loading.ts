/** A table becomes Parquet files: types chosen, every value checked, every row counted, runs of rows written beside each other. */
export { numberFields } from "./field-ids.ts";
export {
  eraseUnregistered,
  hold,
  isOvertaken,
  isRefusal,
  type Laid,
  layObjects,
  registeredObject,
} from "./laying.ts";
export { type Loaded, load, rejectMisfits } from "./load.ts";
export { freshKeys, keyOf } from "./object-keys.ts";
export { type Registration, registrationOf } from "./registration.ts";
export {
  checkRejectsName,
  type Rejected,
  refuseOpenRejects,
  storeBeside,
  storeRejectedRows,
} from "./rejected-rows.ts";
export { type NewTarget, type Piece, planOf } from "./run.ts";
export { createSpeculativeWrites, type SpeculativeWrites } from "./speculative.ts";
export { type Committed, lost, placeOf, type StagedObject, stageObject, stagingFolders } from "./staging.ts";
export { type Written, writeQuery } from "./write-parquet.ts";
export { createWriters, type Writers } from "./writers.ts";
