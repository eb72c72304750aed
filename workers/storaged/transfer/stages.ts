/** Staged files that callers on this machine write objects into. Only these can be committed. */

import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Sealed, Staging } from "../bucket/bucket.ts";

/** Most staged files open at once: more mean that callers leak them. */
const openMax = 1024;
/** Age after which a staged file counts as abandoned. */
const forgottenMs = 24 * 60 * 60 * 1000;

interface Stage {
  bucket: string;
  path: string;
  staging: Staging;
  sealed?: Sealed;
}

export function createStages(clock: Clock) {
  const open = new Map<string, Stage & { since: number }>();
  const known = (stage: Stage | undefined): Stage => {
    if (stage) return stage;
    throw fail(
      "not_found",
      "there is no staged file with this token: it was committed, given up or lost in a restart; stage again",
    );
  };
  /** Takes the file out if it is there. */
  const drop = (token: string): Stage | undefined => {
    const stage = open.get(token);
    open.delete(token);
    return stage;
  };
  return {
    add: (token: string, stage: Stage): void => void open.set(token, { ...stage, since: clock.elapsed() }),
    drop,
    /** The file, which stays. `not_found` as below. */
    look: (token: string): Stage => known(open.get(token)),
    /** Takes the file out: it can be committed once. `not_found` for a token that is unknown or used. */
    take: (token: string): Stage => known(drop(token)),
    /** Releases abandoned files; `overloaded` when too many are still open. */
    makeRoom: async (): Promise<void> => {
      for (const [token, { since, staging }] of open) {
        if (clock.elapsed() - since < forgottenMs) break;
        drop(token);
        await staging.release(token);
      }
      if (open.size >= openMax) {
        throw fail("overloaded", `${openMax} staged files are open; commit or discard some`, {
          retryAfterSeconds: 5,
        });
      }
    },
  };
}
