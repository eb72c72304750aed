/** LHV1, the format of an index's objects: frames, segments, checkpoints, manifests, and the keys they are stored under. */
export { readCheckpoint, type VectorsAt, writeCheckpoint } from "./checkpoint.ts";
export { corrupt, type Source, sourceOf } from "./frame.ts";
export {
  checkpointKey,
  engineKey,
  indexesPrefix,
  indexPrefix,
  manifestKey,
  segmentKey,
  segmentOf,
  segmentsPrefix,
} from "./keys.ts";
export {
  type Checkpoint,
  decodeManifest,
  encodeManifest,
  type KeptSnapshot,
  type Manifest,
  objectsOf,
} from "./manifest.ts";
export { decodeSegment, encodeSegment, type SegmentPlace } from "./segment.ts";
