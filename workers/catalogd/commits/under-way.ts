/** Commits that are under way, for whoever stops the service. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Commit } from "./commit.ts";

/** Tracks commits: `stop` waits for those under way, and new ones are refused. */
export function createWriting(commit: Commit): { commit: Commit; stop: () => Promise<void> } {
  const open = new Set<Promise<unknown>>();
  let stopping = false;
  return {
    commit: async (proposal, context) => {
      if (stopping) throw fail("unavailable", "catalogd is stopping", { retryAfterSeconds: 1 });
      const work = commit(proposal, context);
      open.add(work);
      try {
        return await work;
      } finally {
        open.delete(work);
      }
    },
    stop: async () => {
      stopping = true;
      await Promise.allSettled([...open]);
    },
  };
}
