/** A bucket on an S3 server. */
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { S3Keys } from "../../runtime/secrets.ts";
import type { Bucket } from "./bucket.ts";

export interface S3Server {
  bucket: string;
  region: string;
  endpoint: string;
  pathStyle: boolean;
  keys: S3Keys;
  timeoutMs: number;
  retries: number;
}

/** Not there yet: S3 follows. */
export function openS3Bucket({
  name,
}: {
  name: string;
  server: S3Server;
  clock: Clock;
  log: Log;
  newId: () => string;
}): Promise<Bucket> {
  return Promise.reject(new Error(`[buckets.${name}] kind "s3" is not available yet`));
}
