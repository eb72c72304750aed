/**
 * Expiry: versions that are old and replaced go, and the objects that no version names any more. One commit says where the
 * chain begins from then on; objects and manifests before it are removed after that, and by the next run where this one
 * was cut off. Objects that never came to be named are swept.
 */
import pMap from "p-map";
import type {
  CallContext,
  Erasing,
  ErasureReport,
  Peer,
  VerbsOf,
} from "../../../runtime/contract/contract.ts";
import type { KeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { Commit, Committing } from "../commits/commits.ts";
import type { Catalogd } from "../contract.ts";
import type { History } from "../history/history.ts";
import { type ManifestStore, manifestKey } from "../manifests/manifests.ts";
import type { Publishing } from "../publishing/publishing.ts";
import { isDamaged, type Registry, type Removals } from "../registry/registry.ts";
import type { Gone, Retention } from "../retention/retention.ts";
import { firstOf, isOpen, type OpenVersion, planExpiry, type Version } from "../versions/versions.ts";
import { eraseFromManifests } from "./erasure.ts";
import { createNamedObjects } from "./named-objects.ts";
import { pMapAll, type Scan, startScan } from "./scan.ts";
import { sweepOrphans } from "./sweep.ts";

export type Upkeep = "expire" | "sweep" | "crowded" | "hold";
type Expire = VerbsOf<Catalogd>["expire"];
type Asked = Parameters<Expire>[0];
export type RemovalCall = Pick<CallContext, "signal" | "requestId">;

export interface ExpiryDeps extends Pick<Deps, "clock" | "newId" | "metrics" | "log"> {
  store: Pick<ManifestStore, "read" | "readCommit" | "versions">;
  registry: Registry;
  history: History;
  commit: Commit;
  resolveUnknown: Committing["resolveUnknown"];
  removals: Removals;
  /** Removals run one after the other: each needs what all datasets name. */
  removing: KeyedMutex;
  /** Resolves when the commits that are under way now have ended. */
  committed: () => Promise<void>;
  /** The first version of a name that must be there, where the loss of others was accepted. */
  from: (name: string) => number;
  storage: Pick<Peer<Storaged>["verbs"], "erase" | "list">;
  publishing: Pick<Publishing, "removeBefore">;
  retention: Retention;
}

const dayMs = 24 * 60 * 60 * 1000;

export interface Expiry {
  verbs: Pick<VerbsOf<Catalogd>, Upkeep>;
  /** Manifests that name a subject go, with all before them. */
  erase: (erasing: Erasing) => Promise<ErasureReport>;
}

export function createExpiry(deps: ExpiryDeps): Expiry {
  const { removals, removing, metrics, registry } = deps;
  const versions = metrics.counter("catalogd_expired_versions_total", "Versions that were expired.");
  const bytes = metrics.counter("catalogd_expired_bytes_total", "Bytes of objects that went with them.");
  const orphans = metrics.counter(
    "catalogd_orphans_total",
    "Objects that no version named and were removed.",
  );
  const named = createNamedObjects(deps);
  metrics.gauge("catalogd_named_objects", "Objects of all kept versions that are remembered.", named.count);

  const removeBefore = createRemoval(deps, named, (removed) => {
    versions.add(removed.versions.length);
    bytes.add(removed.bytes);
  });
  const expire: Expire = async (asked, context) => {
    const { name, dry_run } = asked;
    await deps.resolveUnknown(undefined, context.requestId);
    const first = await firstKept(deps, asked);
    const gone = await expireSnapshots(deps, { ...asked, first }, context);
    return removeBefore({ name, first, dry_run, gone }, context);
  };
  const sweep: VerbsOf<Catalogd>["sweep"] = async (asked, context) => {
    await deps.resolveUnknown(undefined, context.requestId);
    const swept = await sweepOrphans(deps, named, asked, context);
    if (!swept.dry_run) orphans.add(swept.count);
    return swept;
  };
  const verbs: Expiry["verbs"] = {
    expire: (asked, context) => removing(registryWide, () => expire(asked, context)),
    sweep: (asked, context) => removing(registryWide, () => sweep(asked, context)),
    crowded: async ({ versions }) => {
      const names: string[] = [];
      for (const name of registry.names()) {
        const head = registry.damaged().some((each) => each.name === name) ? undefined : registry.head(name);
        const isOver = isCrowded(registry, name, versions);
        if (isOver || (isOpen(head) && (await deps.retention.hasOwnRules(head)))) names.push(name);
      }
      return { names };
    },
    hold: async ({ keys, ms }) => {
      removals.hold(keys, ms);
      return null;
    },
  };
  const erase: Expiry["erase"] = (erasing) =>
    removing(registryWide, async () => {
      await deps.resolveUnknown(undefined, erasing.requestId);
      return eraseFromManifests(erasing, {
        store: deps.store,
        removeBefore: (name, first) => removeBefore({ name, first, gone: undefined }, erasing),
      });
    });
  return { verbs, erase };
}

/** Removes what is before a version, with what it alone names. */
function createRemoval(
  deps: ExpiryDeps,
  named: ReturnType<typeof createNamedObjects>,
  count: (removed: ReturnType<typeof answer>) => void,
) {
  const { commit, removals, clock, newId, registry } = deps;
  return async (
    { name, first, dry_run = false, gone }: Removal,
    context: RemovalCall & Pick<CallContext, "operation">,
  ) => {
    const { operation } = context;
    const scan = await startScan(deps.store, { name, first });
    const spare = async () => {
      if (scan.objects.size === 0) return;
      const isNamed = await named.refresh({ name, first });
      for (const key of scan.objects.keys()) if (isNamed(key)) scan.objects.delete(key);
    };
    await spare();
    if (dry_run) return answer(scan, { name, first, dry_run, gone });
    const given = { now: clock.now(), newId, operationId: operation?.id };
    const plan = (head: Version | undefined) => planExpiry(head, { name, first }, given);
    await commit({ changes: [{ name, plan }] }, context);
    return removals.during(scan.objects.keys(), async (taken) => {
      // What was checked before the removal began may name an object; what is checked from now on may not.
      await deps.committed();
      await spare();
      // Who holds an object is about to name it; if that comes to nothing it is an orphan.
      for (const key of scan.objects.keys()) if (!taken.has(key)) scan.objects.delete(key);
      await remove(deps, scan, name);
      // An open table goes on with the snapshots that it was published with.
      if (!isOpen(registry.head(name, true))) await deps.publishing.removeBefore(name, first);
      const removed = answer(scan, { name, first, dry_run, gone });
      count(removed);
      return removed;
    });
  };
}

interface Removal {
  name: string;
  /** The first version that stays; with the number after the latest one, that one is written anew as this. */
  first: number;
  dry_run?: boolean | undefined;
  gone: Gone | undefined;
}

const registryWide = "";

/** Whether the chain, dropped or not, has more versions than so many. */
function isCrowded(registry: Registry, name: string, versions: number): boolean {
  if (registry.damaged().some((head) => head.name === name)) return false;
  const head = registry.head(name);
  return head !== undefined && head.version - firstOf(head) + 1 > versions;
}

/** What goes is beyond the latest ones, and was replaced longer ago; or it is beyond the most that are ever kept. */
async function firstKept({ history, clock }: ExpiryDeps, asked: Asked): Promise<number> {
  const { name, keep_versions, older_than_days, max_versions = Number.POSITIVE_INFINITY } = asked;
  const head = history.latest(name);
  // The version that an earlier expiry made counts for the one that it repeats.
  const isRepeated = head.copy_of === `${name}@${head.version - 1}` && /^(expire|drop)$/.test(head.operation);
  const last = isRepeated ? head.version - 1 : head.version;
  const byTime = await history.firstSince(name, clock.now() - older_than_days * dayMs);
  const byAge = Math.min(last - keep_versions + 1, byTime);
  return Math.max(firstOf(head), byAge, last - max_versions + 1);
}

/** Snapshots of an open table, by the table's own rules or by those that are asked for. */
async function expireSnapshots(
  { registry, store, retention, clock }: ExpiryDeps,
  { name, first, keep_versions, older_than_days, table_rules, dry_run = false }: Asked & { first: number },
  context: RemovalCall,
): Promise<Gone | undefined> {
  const head = registry.head(name, true);
  if (!isOpen(head)) return undefined;
  const numbers = Array.from({ length: head.version - first }, (_, at) => first + at);
  const read = await pMap(numbers, (number) => store.read(name, number), { concurrency: manifestsAtOnce });
  const versions = [...read, head].filter((each): each is OpenVersion => !isDamaged(each) && isOpen(each));
  const rules = {
    ...{ keepSnapshots: keep_versions, olderThanMs: older_than_days * dayMs, now: clock.now() },
    ownRules: table_rules ?? true,
  };
  return retention.expire(head, { ...rules, dryRun: dry_run, versions }, context);
}

const manifestsAtOnce = 16;

/** Objects first: what is left to do is known from the manifests that name them. */
async function remove({ storage }: ExpiryDeps, scan: Scan, name: string): Promise<void> {
  await pMapAll(scan.objects.keys(), (key) => storage.erase({ key }));
  await pMapAll(scan.numbers, (number) => storage.erase({ key: manifestKey(name, number) }));
}

function answer(
  scan: Scan,
  asked: { name: string; first: number; dry_run: boolean; gone: Gone | undefined },
) {
  const { name, first, dry_run, gone } = asked;
  const objects = [...scan.objects].map(([key, bytes]) => ({ key, bytes })).concat(gone?.files ?? []);
  const bytes = objects.reduce((sum, object) => sum + object.bytes, 0);
  return {
    ...{ name, dry_run, first_version: first, versions: [...scan.numbers], objects, bytes },
    ...(gone && { snapshots: gone.snapshots, refs: gone.refs }),
  };
}
