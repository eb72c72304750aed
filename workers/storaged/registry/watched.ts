/** The buckets as the service uses them: every change of an object passes the write barrier. */
import type { Bucket, Upload } from "../bucket/bucket.ts";
import type { BucketRegistry } from "./configured.ts";
import type { WriteBarrier } from "./write-barrier.ts";

/** The same buckets; commits and removals wait for those who keep what was there. */
export function withWriteBarrier(registry: BucketRegistry, barrier: WriteBarrier): BucketRegistry {
  const buckets = new Map(registry.all().map((bucket) => [bucket.describe().name, watched(bucket, barrier)]));
  return {
    ...registry,
    get: (name) => buckets.get(name) ?? registry.get(name),
    all: () => [...buckets.values()],
  };
}

function watched(bucket: Bucket, barrier: WriteBarrier): Bucket {
  const { name } = bucket.describe();
  const upload = (key: string, arrived: Upload): Upload => ({
    ...arrived,
    commit: (conditions) => barrier.change(name, key, () => arrived.commit(conditions)),
  });
  const { staging } = bucket;
  return {
    ...bucket,
    receive: async (key, body, options) => upload(key, await bucket.receive(key, body, options)),
    remove: (key, conditions, signal) =>
      barrier.change(name, key, () => bucket.remove(key, conditions, signal)),
    ...(staging && {
      staging: {
        ...staging,
        adopt: async (key, ...file) => upload(key, await staging.adopt(key, ...file)),
      },
    }),
  };
}
