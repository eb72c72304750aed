/**
 * What the lease of a bucket looked like when this data directory last wrote it. The lock on the directory proves that
 * whoever wrote that is not running any more, so that a start after a kill need not wait for the lease to expire.
 */
import { stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { makeDirectory, readOrNull, seal, unseal, writeAtomic } from "../../../runtime/durable/durable.ts";

export interface LeaseTokens {
  /** The tokens that the object in the bucket may have by our last writings. */
  known: () => readonly string[];
  /** Whether the lease is as this directory, or the one that it is a copy of, left it: nobody else had it since. */
  isLast: (token: string) => boolean;
  /** Durable before the object is written. */
  remember: (tokens: readonly string[]) => Promise<void>;
}

interface Remembered {
  /** The directory it was written in: in a copy elsewhere it is not valid. */
  place: string;
  tokens: string[];
}

export async function openLeaseTokens(directory: string, bucket: string): Promise<LeaseTokens> {
  await makeDirectory(directory);
  const { dev, ino } = await stat(directory, { bigint: true });
  const place = `${hostname()} ${dev} ${ino}`;
  const path = join(directory, `${bucket}.json`);
  const bytes = await readOrNull(path);
  const found = bytes === null ? undefined : (unseal(bytes) as Remembered | undefined);
  let tokens: readonly string[] = found?.place === place ? found.tokens : [];
  let last: readonly string[] = found?.tokens ?? [];
  return {
    known: () => tokens,
    isLast: (token) => last.includes(token),
    remember: async (next) => {
      tokens = last = next;
      await writeAtomic(path, seal({ place, tokens: next }));
    },
  };
}
