/** What clients are told of the storage with a table: where S3 is, and keys to read it where the operator gives them. */
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import type { Secrets } from "../../../runtime/secrets/secrets.ts";
import type { Place } from "../publishing/publishing.ts";

/** By this header a client says that it takes keys. */
const delegation = "x-iceberg-access-delegation";

/** What a loaded table comes with; clients take keys from either. */
export interface StorageConfig {
  config: Record<string, string>;
  "storage-credentials"?: { prefix: string; config: Record<string, string> }[];
}

/**
 * Properties of Iceberg's `S3FileIO`, which all clients read; nothing for a disk. Keys are those of `[s3.<bucket>.reader]`
 * alone, and only for a client that takes them: ours may write.
 */
export function storageConfig(
  place: Place,
  { headers }: HttpRequest,
  secrets: Pick<Secrets, "s3">,
  bucket: "primary" | "warehouse" = "primary",
): StorageConfig {
  if (place.kind === "local") return { config: {} };
  const where = {
    "s3.endpoint": place.endpoint,
    "s3.region": place.region,
    "client.region": place.region,
    "s3.path-style-access": String(place.path_style),
  };
  // Of open tables the keys write as well, where the operator gives out any that do.
  const keys = secrets.s3(bucket);
  const reader = bucket === "warehouse" ? (keys?.writer ?? keys?.reader) : keys?.reader;
  if (!reader || !headers.get(delegation)?.split(",").some(isVended)) return { config: where };
  const config = {
    ...where,
    "s3.access-key-id": reader.accessKeyId,
    "s3.secret-access-key": reader.secretAccessKey,
    ...(reader.sessionToken !== undefined && { "s3.session-token": reader.sessionToken }),
  };
  // Two, as DuckDB takes a single one to be for the table's location alone, where no data is.
  const prefixes =
    bucket === "warehouse" ? [`${place.url}/`] : [`${place.url}/`, `${place.url}/_catalog/iceberg/`];
  return { config, "storage-credentials": prefixes.map((prefix) => ({ prefix, config })) };
}

const isVended = (word: string): boolean => word.trim() === "vended-credentials";
