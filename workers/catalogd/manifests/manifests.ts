/** Manifests: one Parquet file a version, sealed by a checksum, under one prefix of the bucket. */
export { manifestKey } from "./key.ts";
export { madeBy } from "./made-by.ts";
export { createManifestStore, type ManifestStore } from "./store.ts";
