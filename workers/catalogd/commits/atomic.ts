/**
 * Atomic commits across datasets: the manifest of the first (the carrier) holds the versions of the others whole, and
 * their own manifests are written after it. What is not finished is rolled forward.
 */

import { isNothingDone } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { ManifestStore } from "../manifests/manifests.ts";
import type { Registry } from "../registry/registry.ts";
import type { Version } from "../versions/versions.ts";

interface AtomicWrites {
  /** Writes the versions, and makes them the heads; false, and nothing done, when the number of the first is taken. */
  write: (versions: readonly [Version, ...Version[]], requestId: string) => Promise<boolean>;
  /** Finishes earlier writes to these names. Rejects as storage does. */
  rollForward: (folded: ReadonlySet<string>, requestId: string) => Promise<void>;
  /** Resolves writes whose outcome is unknown, and shows readers what is there. Rejects as storage does. */
  resolve: (concerns: (folded: string) => boolean, requestId: string) => Promise<void>;
  /** Writes a version that is committed already; its number may be taken by itself alone. */
  writeFollower: (version: Version, requestId: string) => Promise<void>;
}

/** Versions that one manifest commits, and whose own manifests are not known to be written. */
interface Pending {
  carrier: Version;
  also: readonly Version[];
  /** False when it is not known whether the carrier was written. */
  landed: boolean;
  /** Under way: whoever needs its outcome shares it. */
  finishing?: Promise<void> | undefined;
}

export function createAtomicWrites(deps: {
  store: ManifestStore;
  registry: Registry;
  log: Log;
  /** Called after each change of the registry. */
  announce: () => void;
}): AtomicWrites {
  const { store, registry, log, announce } = deps;
  const unfinished = new Set<Pending>();

  const writeFollower = async (version: Version, requestId: string) => {
    if (await store.append(version, requestId)) return;
    const there = await store.read(version.name, version.version);
    if (Bun.deepEquals(there, version, true)) return;
    log.error("another writer took the number of a committed version: give the catalog one owner", {
      dataset: version.name,
      version: version.version,
    });
  };
  /** Makes them the heads at once, where they are not: another commit may have finished this and gone on. */
  const show = (versions: readonly Version[]) => {
    for (const version of versions)
      if ((registry.head(version.name, true)?.version ?? 0) < version.version) registry.put(version);
    announce();
  };
  const finishNow = async (pending: Pending, requestId: string) => {
    const { carrier, also } = pending;
    if (!pending.landed) {
      const there = ((await store.latest(carrier.name)).get(carrier.name) ?? 0) >= carrier.version;
      pending.landed =
        there && Bun.deepEquals(await store.read(carrier.name, carrier.version), carrier, true);
      if (pending.landed) show([carrier, ...also]);
    }
    if (pending.landed) for (const version of also) await writeFollower(version, requestId);
    unfinished.delete(pending);
  };
  const finish = (pending: Pending, requestId: string): Promise<void> => {
    pending.finishing ??= finishNow(pending, requestId).finally(() => {
      pending.finishing = undefined;
    });
    return pending.finishing;
  };
  const finishAll = async (isMeant: (pending: Pending) => boolean, requestId: string) => {
    for (const pending of unfinished) if (isMeant(pending)) await finish(pending, requestId);
  };
  const namesOf = ({ carrier, also }: Pending) => [carrier, ...also].map(({ name }) => fold(name));
  const write: AtomicWrites["write"] = async ([carrier, ...also], requestId) => {
    const pending: Pending = { carrier, also, landed: false };
    try {
      pending.landed = await store.append(carrier, requestId, also);
    } catch (cause) {
      if (!isNothingDone(cause)) unfinished.add(pending);
      throw cause;
    }
    if (!pending.landed) return false;
    show([carrier, ...also]);
    if (also.length === 0) return true;
    unfinished.add(pending);
    await finish(pending, requestId).catch((cause) =>
      log.warn("a committed version is written at the next change, or at the start", {
        dataset: carrier.name,
        ...describe(cause),
      }),
    );
    return true;
  };
  return {
    write,
    writeFollower,
    rollForward: (names, requestId) =>
      finishAll((pending) => namesOf(pending).some((name) => names.has(name)), requestId),
    resolve: (concerns, requestId) =>
      finishAll((pending) => !pending.landed && namesOf(pending).some(concerns), requestId),
  };
}
