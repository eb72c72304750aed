/** The objects of an index in storage: read, written, checked, and removed when nothing names them. */
export {
  type Contents,
  checkEngine,
  loadCheckpoint,
  loadEngine,
  saveCheckpoint,
  saveEngine,
} from "./checkpoints.ts";
export { createManifest, type ManifestFile, manifestFile, readManifest } from "./manifest-file.ts";
export { acceptance, createIndexMarks, type IndexMarks, lost } from "./marks.ts";
export { eraseAll, neededBy } from "./orphans.ts";
export { loadSegment, replay, type SegmentRef } from "./recovery.ts";
export { writeSegment } from "./segments.ts";
export { createObjectSizes, type ObjectSizes } from "./sizes.ts";
export { isFailure, type ObjectStore, objectsFolder, openObjectStore } from "./store.ts";
