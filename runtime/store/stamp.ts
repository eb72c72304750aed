/** What a place says of itself: of which store it is, and which of its places. */
import { seal, unseal } from "../durable/durable.ts";

/** The folder of a service, or a bucket. */
export interface Place {
  kind: "service" | "bucket";
  name: string;
}

interface Stamp {
  store_id: string;
  kind: Place["kind"];
  name: string;
}

/** What was found where the stamp belongs. */
type Found = Stamp | "damaged" | undefined;

export const stampText = (storeId: string, { kind, name }: Place): string =>
  seal({ format: 1, store_id: storeId, kind, name });

/** Reads a stamp's file; null is that there is none. */
export function readStamp(bytes: Uint8Array | null): Found {
  if (bytes === null) return undefined;
  const stamp = unseal(bytes) as Stamp | undefined;
  return typeof stamp?.store_id === "string" ? stamp : "damaged";
}

interface Known {
  storeId: string;
  /** When the store began this place; undefined when it never did. */
  begunAt: string | undefined;
  /** Where it is, for people. */
  at: string;
}

/** `ours`: as it should be. `new`: to be begun. Else why it stays closed. */
export type Verdict = "ours" | "new" | { refusal: string };

/** Whether the place is the one that belongs here. Nothing is asked but what is given. */
export function judge(place: Place, { storeId, begunAt, at }: Known, found: Found): Verdict {
  const named = nameOf(place);
  const accept = `or accept what is there with bun run supervisor --adopt=${place.name}`;
  if (found === "damaged")
    return { refusal: `the stamp of ${named} in ${at} is damaged: restore it from a backup, ${accept}` };
  if (found === undefined) {
    if (begunAt === undefined) return "new";
    return {
      refusal:
        `${named} is gone or emptied: it was begun at ${begunAt}, and ${at} has no stamp of it. Bring it back ` +
        `(is its disk mounted, is it the right place?), restore a backup, ${accept}`,
    };
  }
  if (found.store_id === storeId && found.kind === place.kind && found.name === place.name) return "ours";
  const owner = found.store_id === storeId ? "this store" : `another store (${found.store_id})`;
  return {
    refusal:
      `${at} is ${nameOf(found)} of ${owner}, where ${named} of store ${storeId} is expected: correct the ` +
      `configuration or bring the right one back, ${accept}`,
  };
}

const nameOf = ({ kind, name }: Place): string =>
  kind === "bucket" ? `bucket '${name}'` : `the folder of ${name}`;
