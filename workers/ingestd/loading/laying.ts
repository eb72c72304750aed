/** Written files as objects of a version to come: under keys that maintenance leaves alone, erased where it is refused. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Catalogd } from "../../catalogd/contract.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { freshKeys } from "./object-keys.ts";
import type { Committed, StagedObject } from "./staging.ts";
import type { Written } from "./write-parquet.ts";

type LayingDeps = Pick<Deps<{ storaged: Storaged; catalogd: Catalogd }>, "peers" | "log" | "newId">;
type Writing = Written & Pick<StagedObject, "seal" | "commit">;

/** An object with what stands in it. */
export interface Laid<W extends Written = Written> extends Committed {
  written: W;
}

/** How long maintenance leaves objects alone that are stored to be registered, in milliseconds: storing takes minutes at most. */
const holdMs = 60 * 60 * 1000;

/** To be called before objects are stored: one that is there already may be one that maintenance is about to remove. */
export const hold = ({ peers }: LayingDeps, keys: string[], requestId: string): Promise<unknown> =>
  peers.catalogd.verbs.hold({ keys, ms: holdMs }, { requestId });

/**
 * Stores them all at once, since each waits for the disk, under keys that are not `held`; `done` gets each that is stored.
 * Returns or rejects when all have ended: an object that is being stored cannot be discarded.
 */
export async function layObjects<W extends Writing>(
  deps: LayingDeps,
  pieces: readonly W[],
  {
    name,
    held,
    requestId,
    folder,
  }: {
    name: string;
    held: readonly { key: string }[];
    requestId: string;
    /** Of an open table, whose files others name as well: no two have one name. */
    folder?: string | undefined;
  },
  done: (laid: Laid<W>) => void = () => {},
): Promise<Laid<W>[]> {
  if (pieces.length === 0) return [];
  const hashes = pieces.map((piece) => piece.seal());
  await Promise.allSettled(hashes);
  const sealed = await Promise.all(hashes);
  const keys =
    folder === undefined
      ? freshKeys(
          name,
          sealed,
          held.map(({ key }) => key),
        )
      : sealed.map((hash) => `${folder}/${hash.slice(0, 32)}-${deps.newId()}.parquet`);
  await hold(deps, keys, requestId);
  const laid = pieces.map(async (written, at) => {
    const object = { ...(await written.commit(keys[at] ?? "")), written };
    done(object);
    return object;
  });
  await Promise.allSettled(laid);
  return Promise.all(laid);
}

/** As a registration names it. */
export const registeredObject = ({ object, written: { rows, statistics, partition } }: Laid) => ({
  ...object,
  row_count: rows,
  statistics,
  ...(partition && { partition: [...partition] }),
});

/** True when no version was made for certain; after other failures it may have been. */
export const isRefusal = (error: unknown): error is ServiceError =>
  error instanceof ServiceError &&
  error.status < 500 &&
  error.type !== "timeout" &&
  error.type !== "client_closed";

/** Another writer took the number of the version. */
export const isOvertaken = ({ type, details }: ServiceError): boolean =>
  type === "conflict" && typeof details === "object" && details !== null && "next_version" in details;

/** Erases the objects that we made and that no version has, for certain. What cannot be erased is left to maintenance. */
export async function eraseUnregistered(
  { peers, log }: LayingDeps,
  objects: readonly Committed[],
  requestId: string,
): Promise<void> {
  for (const { object, created } of objects)
    if (created)
      await peers.storaged.verbs.erase({ key: object.key }, { requestId }).catch((cause) => {
        const fields = { request_id: requestId, key: object.key, ...describe(cause) };
        log.warn("an object without a version could not be erased", fields);
      });
}
