/** Where an object's bytes are: on this machine's disk, or to be copied. */
import { stat } from "node:fs/promises";
import type { Static } from "@sinclair/typebox";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Manifest as ManifestSchema } from "../../catalogd/contract.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { ObjectAddress } from "./fetch.ts";

export { idOf, type ObjectCache, openObjectCache } from "./cache.ts";
export {
  openMemoryFolder,
  openReadableFolder,
  type Readable,
  type ReadableFolder,
} from "./readable-folder.ts";

type Manifest = Static<typeof ManifestSchema> & { files?: ReadonlyMap<string, string> };
type DataObject = Manifest["objects"][number];

/** One object, found: a file of this machine, checked, or one that is checked when it is copied. */
export type Found = { address: ObjectAddress } & ({ file: string } | { remote: true });

export interface Objects {
  /** Finds one object of a dataset, and checks it; rejects with `corrupt` naming dataset and object. */
  find: (manifest: Manifest, object: DataObject, signal: AbortSignal) => Promise<Found>;
}

export function createObjects(options: {
  storaged: Peer<Storaged>;
  /** Folders of local buckets. */
  inPlace: readonly string[];
  timeoutMs: number;
}): Objects {
  const { storaged, inPlace, timeoutMs } = options;
  const isInPlace = (path: string) => inPlace.some((folder) => path.startsWith(folder));

  const find: Objects["find"] = async (manifest, object, signal) => {
    const own = manifest.files?.get(object.key);
    if (own !== undefined) return { address: { ...object, bucket: "" }, file: own };
    const address = addressOf(object);
    const { bucket, key } = address;
    // A first look at a large object reads all of it: the deadline is the query's.
    const location = await storaged.verbs
      .locate({ bucket, key }, { signal, timeoutMs })
      .catch((cause) => Promise.reject(explain(cause, manifest, key)));
    const { etag, bytes } = location.info;
    if ((etag !== object.etag && object.etag !== "") || bytes !== object.bytes) {
      throw corrupt(
        manifest,
        key,
        `it has ${bytes} bytes and etag ${etag}, the catalog says ${object.bytes} and ${object.etag}`,
      );
    }
    if (location.kind === "local" && isInPlace(location.path) && (await sizeOf(location.path)) === bytes)
      return { address: { ...address, etag }, file: location.path };
    return { address: { ...address, etag }, remote: true };
  };
  return { find };
}

/** `name://key` addresses a bucket; a bare key is in `primary`. */
function addressOf({ key, bytes, etag }: DataObject): ObjectAddress {
  const [, bucket = "primary", rest = key] = /^([A-Za-z0-9._-]+):\/\/(.*)$/s.exec(key) ?? [];
  return { bucket, key: rest, bytes, etag };
}

/** A file of this machine, or undefined: a storaged on another machine names paths that are not here. */
const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    () => undefined,
  );

export const corrupt = (manifest: Manifest, key: string, reason: string, cause?: unknown): ServiceError =>
  fail("corrupt", `dataset '${manifest.name}' cannot be read: object '${key}': ${reason}`, {
    details: { dataset: manifest.name, version: manifest.version, object: key },
    cause,
  });

/** A lost or damaged object makes the dataset `corrupt`; a storaged that does not answer makes it `unavailable`. */
export function explain(cause: unknown, manifest: Manifest, key: string): unknown {
  if (!(cause instanceof ServiceError)) return cause;
  if (cause.type === "not_found") return corrupt(manifest, key, "it is missing", cause);
  if (cause.type === "corrupt") return corrupt(manifest, key, cause.message, cause);
  if (cause.type === "unavailable" || cause.type === "deadline_exceeded" || cause.type === "bad_gateway") {
    return fail("unavailable", `dataset '${manifest.name}' cannot be read now: ${cause.message}`, {
      retryAfterSeconds: 1,
      cause,
    });
  }
  return cause;
}
