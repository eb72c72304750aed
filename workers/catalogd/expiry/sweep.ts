/** Orphans: objects under `datasets/` that no version names, left by what was cut off, once they are old enough. */
import pMap from "p-map";
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Catalogd } from "../contract.ts";
import { isDamaged } from "../registry/registry.ts";
import { unlessUnreadable } from "../retention/retention.ts";
import { firstOf, isOpen, type OpenVersion } from "../versions/versions.ts";
import type { ExpiryDeps, RemovalCall } from "./expiry.ts";
import type { NamedObjects } from "./named-objects.ts";
import { ownPrefix, pMapAll } from "./scan.ts";

type Swept = ReplyOf<Catalogd["endpoints"]["sweep"]>;

/** Objects looked at in one step. */
const pageSize = 10_000;
/** Keys in an answer; more are counted. */
const namedMax = 10_000;

/**
 * Removes the orphans whose last change is older than the grace period, step by step. What is held stays: by an ingest that
 * has stored it and is about to register it, and by readers, who have it under a name of their own.
 */
export async function sweepOrphans(
  deps: ExpiryDeps,
  named: NamedObjects,
  { name, grace_days, dry_run = false }: { name?: string; grace_days: number; dry_run?: boolean },
  { signal }: RemovalCall,
): Promise<Swept> {
  const { storage, clock, removals, committed } = deps;
  const before = clock.now() - grace_days * 24 * 60 * 60 * 1000;
  const prefix = name === undefined ? ownPrefix : `${ownPrefix}${name}/`;
  const swept: Swept = { dry_run, objects: [], count: 0, bytes: 0, seen: 0 };
  const add = (key: string, bytes: number) => {
    if (swept.objects.length < namedMax) swept.objects.push({ key, bytes });
    swept.count += 1;
    swept.bytes += bytes;
  };
  for (let page_token: string | undefined; ; ) {
    signal.throwIfAborted();
    const page = await storage.list(
      { prefix, page_size: pageSize, ...(page_token !== undefined && { page_token }) },
      { signal },
    );
    swept.seen += page.objects.length;
    const old = page.objects.filter(({ last_modified }) => Date.parse(last_modified) < before);
    const isNamed = old.length > 0 ? await named.refresh() : () => true;
    const orphans = new Map(old.flatMap(({ key, bytes }) => (isNamed(key) ? [] : [[key, bytes] as const])));
    const idle = [...orphans.keys()].filter((key) => !removals.isHeld(key));
    if (dry_run) for (const key of idle) add(key, orphans.get(key) ?? 0);
    else if (idle.length > 0)
      await removals.during(idle, async (taken) => {
        // A version that was checked before may name one since.
        await committed();
        const isNamedNow = await named.refresh();
        await pMapAll(taken, async (key) => {
          if (isNamedNow(key)) return;
          await storage.erase({ key });
          add(key, orphans.get(key) ?? 0);
        });
      });
    page_token = page.next_page_token;
    if (page_token === undefined) break;
  }
  const inTables = Math.min(before, clock.now() - engineGraceMs);
  for (const head of deps.registry.manifests()) {
    if (!isOpen(head) || (name !== undefined && head.name !== name)) continue;
    signal.throwIfAborted();
    const numbers = Array.from({ length: head.version - firstOf(head) }, (_, at) => firstOf(head) + at);
    const versions = await pMap(numbers, (number) => deps.store.read(head.name, number), { concurrency });
    const open = versions.filter((each): each is OpenVersion => !isDamaged(each) && isOpen(each));
    try {
      for await (const { key, bytes } of deps.retention.orphans(head, open, inTables)) {
        if (!dry_run) await storage.erase({ key });
        add(key, bytes);
      }
    } catch (cause) {
      // One that cannot be read keeps its files, and the others are swept.
      unlessUnreadable(cause);
      deps.log.warn("orphans of a table are left", { table: head.name, ...describe(cause) });
    }
  }
  return swept;
}

/** Engines write files before they commit them, and tell nobody: such a file is left alone for a day in any case. */
const engineGraceMs = 24 * 60 * 60 * 1000;
/** Manifests read at once. */
const concurrency = 16;
