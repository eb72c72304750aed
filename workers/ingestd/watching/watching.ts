/** Places whose files are taken as they appear, each exactly once. */
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { inRounds } from "../../../runtime/scheduling/scheduling.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { Ingestd } from "../contract.ts";
import { createLook, type Look, type Looking } from "./look.ts";
import type { Watch } from "./settings.ts";

export { readWatches } from "./settings.ts";

export interface Watching {
  verbs: Pick<VerbsOf<Ingestd>, "watches">;
  /** Resolves when nothing is looked at any more; the lifetime ends it. */
  ended: Promise<unknown>;
}

/**
 * Looks at every place again and again until the lifetime ends; at those of one dataset one after the other. `within` runs
 * the work on a file.
 */
export function openWatches(watches: readonly Watch[], looking: Looking): Watching {
  const { lifetime, parts } = looking;
  const { config, clock } = parts.deps;
  const looks = watches.map((watch) => createLook(watch, looking));
  const byDataset = Map.groupBy(looks, ({ watch }) => fold(watch.input.name));
  const everyMs = config.ingestd.watch_interval_ms;
  const pace = { clock, signal: lifetime, firstMs: 0, restMs: everyMs, afterFailureMs: everyMs };
  const follow = (of: readonly Look[]) =>
    inRounds(
      pace,
      async () => {
        for (const { look } of of) await look();
      },
      () => undefined,
    );
  return {
    verbs: { watches: async () => ({ watches: looks.map(({ facts }) => facts()) }) },
    ended: Promise.all([...byDataset.values()].map(follow)),
  };
}
