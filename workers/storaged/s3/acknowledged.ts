/** Holds what an S3 bucket has to what was acknowledged of it (ADR 0123). */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { KeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import { type Conditions, type Corruptions, checkConditions, type ObjectInfo } from "../bucket/bucket.ts";
import {
  type Entry,
  type Found,
  type Inventory,
  isClaim,
  nothingBegun,
  removal,
} from "../inventory/inventory.ts";
import { bareEtag, type S3Answer } from "../s3-client/s3-client.ts";
import { checkBucket, look, markHeader, type S3Objects } from "./object.ts";

interface Parts extends S3Objects {
  inventory: Inventory;
  corruptions: Corruptions;
  lock: KeyedMutex;
}

/** A change that may be sent to the server: its intent is durable. */
interface Change {
  before: S3Answer | undefined;
  /** Whether something was acknowledged to be there. */
  isClaimed: boolean;
  /** The server has refused it. */
  undo: () => void;
}

export interface Acknowledged {
  /** Runs the look until what it finds is what was acknowledged; throws `corrupt` when that is not there. */
  seen: <T extends { info: ObjectInfo }>(
    key: string,
    signal: AbortSignal,
    find: { look: () => Promise<T>; drop?: (found: T) => Promise<void> },
  ) => Promise<T>;
  /** Looks at the object: what is wrong with it, and its etag. */
  inspect: (
    key: string,
    signal: AbortSignal,
  ) => Promise<{ etag: string | undefined; wrong: string | undefined }>;
  /**
   * Looks at what is there and records the intent, both at once: the mark of a write, or `removal`. Throws when the
   * conditions do not hold, and `corrupt` when they are about an object that is not the one acknowledged; then nothing
   * was begun. The caller holds the lock of the key.
   */
  begin: (
    change: { key: string; intent: string; conditions: Conditions },
    signal: AbortSignal,
  ) => Promise<Change>;
}

/** Looks when an object is replaced between two of them. */
const triesMax = 5;

const foundOf = ({ headers }: S3Answer): Found => ({
  etag: bareEtag(headers.get("etag")),
  mark: headers.get(markHeader),
});

export function createAcknowledged(parts: Parts): Acknowledged {
  const { name, inventory, corruptions, lock } = parts;
  /** What the server has, and what is wrong with it. The caller holds the lock: nobody is changing it. */
  const inspect = async (key: string, signal: AbortSignal) => {
    const answer = await look(parts, key, signal);
    // No object either; but nothing is known of what is in the bucket.
    if (!answer) await checkBucket(parts, signal);
    const found = answer && foundOf(answer);
    return { etag: found?.etag, wrong: judge(parts, key, found) };
  };
  const inspectAlone = (key: string, signal: AbortSignal) => lock(key, () => inspect(key, signal));

  return {
    seen: async (key, signal, find) => {
      for (let tried = 1; tried <= triesMax; tried++) {
        const before = inventory.get(key);
        const found = await find.look().catch((error: unknown) => {
          const isMissing = error instanceof ServiceError && error.type === "not_found";
          if (!isMissing || !isClaim(before)) throw error;
          return error;
        });
        const isMissing = found instanceof ServiceError;
        const etag = isMissing ? undefined : found.info.etag;
        // What was right at any moment of the look is.
        const isRight = [before, inventory.get(key)].some((entry) => !entry || entry.etag === etag);
        const now = isRight ? { etag, wrong: undefined } : await inspectAlone(key, signal);
        if (now.wrong === undefined && now.etag === etag) {
          if (isMissing) throw found;
          return found;
        }
        if (!isMissing) await find.drop?.(found);
        if (now.wrong !== undefined) throw corruptions.found(key, now.wrong);
      }
      const text = `bucket '${name}': '${key}' changed ${triesMax} times while it was looked at`;
      throw fail("bad_gateway", text);
    },
    inspect: inspectAlone,
    begin: async ({ key, intent, conditions }, signal) => {
      // What a change before this one has come to, while that can be told.
      if ((inventory.get(key)?.intent ?? null) !== null) await inspect(key, signal);
      const entry = inventory.get(key);
      const { durable, undo } = entry || intent !== removal ? inventory.begin(key, intent) : nothingBegun;
      try {
        const before = await look(parts, key, signal);
        const isConditional = conditions.ifMatch !== undefined || conditions.ifNoneMatch !== undefined;
        const found = before && foundOf(before);
        const wrong = isConditional && entry ? differenceOf(name, entry, found) : undefined;
        if (wrong !== undefined) throw corruptions.found(key, wrong);
        checkConditions(key, found?.etag, conditions);
        if (!before && intent === removal) await checkBucket(parts, signal);
        await durable;
        return { before, isClaimed: entry !== undefined && entry.etag !== null, undo };
      } catch (error) {
        undo();
        throw error;
      }
    },
  };
}

/** Why what is there is not what was acknowledged; undefined when it is. */
function differenceOf(
  bucket: string,
  { etag, mark, intent }: Entry,
  found: Found | undefined,
): string | undefined {
  if (etag === null) return undefined;
  const isRight =
    found === undefined
      ? intent === removal
      : found.etag === etag || (found.mark !== null && [mark, intent].includes(found.mark));
  if (isRight) return undefined;
  const what = found
    ? `what is there (etag "${found.etag}") is not what was stored last ("${etag}"), but an older copy or another program's`
    : "it was stored, was not deleted here, and is gone";
  return `${what}; bun run supervisor --adopt=storaged/${bucket} accepts the bucket as it is`;
}

/** As `differenceOf`; what is right is noted as what is there. */
function judge({ name, inventory }: Parts, key: string, found: Found | undefined): string | undefined {
  const entry = inventory.get(key);
  if (!entry) return undefined;
  const wrong = differenceOf(name, entry, found);
  if (wrong !== undefined) return wrong;
  const { intent } = entry;
  const isDone = intent === null || (intent === removal ? found === undefined : found?.mark === intent);
  // A change whose outcome nobody heard of may still be carried out.
  if (isDone) inventory.settle(key, found ?? null);
  return undefined;
}
