/** Objects found corrupt and not yet replaced; `/readyz` names them until then. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";

/** Most keys remembered; listings name them too. */
const keysMax = 100_000;
/** Most keys that `/readyz` names. */
const namedMax = 5;

export interface Corruptions {
  /** Records the object; returns the error to throw. */
  found: (key: string, reason: string) => ServiceError;
  /** The object was verified, replaced or deleted. */
  cleared: (key: string) => void;
  keys: () => Iterable<string>;
  has: (key: string) => boolean;
  reasons: () => string[];
}

export function createCorruptions(bucket: string): Corruptions {
  const known = new Map<string, string>();
  return {
    found: (key, reason) => {
      if (known.size < keysMax) known.set(key, reason);
      const text = `object '${key}' in bucket '${bucket}' is corrupt: ${reason}; put it back from a backup, or delete it`;
      return fail("corrupt", text, { details: { bucket, key } });
    },
    cleared: (key) => known.delete(key),
    keys: () => known.keys(),
    has: (key) => known.has(key),
    reasons: () => {
      const named = [...known].slice(0, namedMax);
      const reasons = named.map(
        ([key, reason]) => `bucket '${bucket}': object '${key}' is corrupt: ${reason}`,
      );
      const more = known.size - named.length;
      return more > 0 ? [...reasons, `bucket '${bucket}': ${more} further objects are corrupt`] : reasons;
    },
  };
}
