/** The configured buckets by name, as the service uses them: changes pass the write barrier, restored objects keep their etags. */
export { openBucketRegistry, placeOf } from "./configured.ts";
export { withFormerEtags } from "./former-etags.ts";
export { createWriteBarrier, type WriteBarrier, withWriteBarrier } from "./write-barrier.ts";
