/**
 * Addresses that buckets had: metadata of Iceberg names files by them, so that a store that was moved, or restored somewhere
 * else, finds its tables' files by the bucket each address was in.
 */
import type { Peer } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { Root } from "./addresses.ts";

const key = "_catalog/addresses.json";
/** Moves that are remembered of each bucket. */
const formerMax = 100;
const attemptsMax = 8;

interface Kept {
  format: number;
  /** Of each bucket its addresses, the latest last. */
  buckets: Record<string, string[]>;
}

/**
 * Remembers the roots as they are, and gives those that the buckets had before. While what was remembered is damaged, which
 * storaged and fsck report, tables are found at the roots as they are alone.
 */
export async function formerRoots(
  { read, write }: Pick<Peer<Storaged>["verbs"], "read" | "write">,
  roots: readonly Root[],
): Promise<Root[]> {
  for (let attempt = 1; ; attempt++) {
    const found = await stored(read);
    if (!found) return [];
    const { kept, condition } = found;
    const buckets = Object.fromEntries(Object.entries(kept.buckets));
    let isNew = false;
    for (const { bucket, address } of roots) {
      const known = buckets[bucket] ?? [];
      if (known.at(-1) === address) continue;
      isNew = true;
      buckets[bucket] = [...known.filter((each) => each !== address), address].slice(-formerMax);
    }
    const former = Object.entries(buckets).flatMap(([bucket, addresses]) =>
      addresses.flatMap((address) =>
        roots.some((root) => root.bucket === bucket && root.address !== address) ? [{ bucket, address }] : [],
      ),
    );
    if (!isNew) return former;
    try {
      await write({
        key,
        bytes: new TextEncoder().encode(JSON.stringify({ ...kept, buckets })),
        ...condition,
      });
      return former;
    } catch (cause) {
      const isLost = cause instanceof ServiceError && cause.type === "precondition_failed";
      if (!isLost || attempt >= attemptsMax) throw cause;
    }
  }
}

async function stored(
  read: Peer<Storaged>["verbs"]["read"],
): Promise<{ kept: Kept; condition: { if_match: string } | { if_none_match: "*" } } | undefined> {
  try {
    const { bytes, info } = await read({ key });
    return {
      kept: JSON.parse(new TextDecoder().decode(bytes)) as Kept,
      condition: { if_match: info.etag },
    };
  } catch (cause) {
    if (cause instanceof SyntaxError || (cause instanceof ServiceError && cause.type === "corrupt"))
      return undefined;
    if (!(cause instanceof ServiceError) || cause.type !== "not_found") throw cause;
    return { kept: { format: 1, buckets: {} }, condition: { if_none_match: "*" } };
  }
}
