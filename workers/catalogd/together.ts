/** Versions of several names by one write: the manifest of the first holds the others whole, and theirs follow. */
import { describe, type Log } from "../../runtime/log.ts";
import { fold } from "../../runtime/sql-name.ts";
import { isNothingDone } from "../../runtime/unanswered.ts";
import type { ManifestStore } from "./manifest-store.ts";
import type { Registry } from "./registry.ts";
import type { Version } from "./version.ts";

export interface Together {
  /** Writes the versions, and makes them the heads; false, and nothing done, when the number of the first is taken. */
  write: (versions: readonly [Version, ...Version[]], requestId: string) => Promise<boolean>;
  /** Writes what earlier writes to these names have left to be written. Rejects as storage does. */
  settle: (folded: ReadonlySet<string>, requestId: string) => Promise<void>;
  /** Finds out what became of writes that were cut off, and shows it. Rejects as storage does. */
  findOut: (concerns: (folded: string) => boolean, requestId: string) => Promise<void>;
  /** Writes a version that is committed already; its number may be taken by itself alone. */
  follow: (version: Version, requestId: string) => Promise<void>;
}

/** Versions that one manifest commits, and whose own files are not known to be there. */
interface Owed {
  carrier: Version;
  also: readonly Version[];
  /** False when it is not known whether the carrier was written. */
  landed: boolean;
  /** Under way: whoever needs its outcome shares it. */
  settling?: Promise<void> | undefined;
}

export function createTogether(deps: {
  store: ManifestStore;
  registry: Registry;
  log: Log;
  /** Called after each change of the registry. */
  announce: () => void;
}): Together {
  const { store, registry, log, announce } = deps;
  const owed = new Set<Owed>();

  const follow = async (version: Version, requestId: string) => {
    if (await store.append(version, requestId)) return;
    const there = await store.read(version.name, version.version);
    if (Bun.deepEquals(there, version, true)) return;
    log.error("another writer took the number of a committed version: give the catalog one owner", {
      dataset: version.name,
      version: version.version,
    });
  };
  /** Makes them the heads at once, where they are not: another commit may have settled this and gone on. */
  const show = (versions: readonly Version[]) => {
    for (const version of versions)
      if ((registry.head(version.name, true)?.version ?? 0) < version.version) registry.put(version);
    announce();
  };
  const payOff = async (debt: Owed, requestId: string) => {
    const { carrier, also } = debt;
    if (!debt.landed) {
      const there = ((await store.latest(carrier.name)).get(carrier.name) ?? 0) >= carrier.version;
      debt.landed = there && Bun.deepEquals(await store.read(carrier.name, carrier.version), carrier, true);
      if (debt.landed) show([carrier, ...also]);
    }
    if (debt.landed) for (const version of also) await follow(version, requestId);
    owed.delete(debt);
  };
  const settle = (debt: Owed, requestId: string): Promise<void> => {
    debt.settling ??= payOff(debt, requestId).finally(() => {
      debt.settling = undefined;
    });
    return debt.settling;
  };
  const settleOf = async (isMeant: (debt: Owed) => boolean, requestId: string) => {
    for (const debt of owed) if (isMeant(debt)) await settle(debt, requestId);
  };
  const namesOf = ({ carrier, also }: Owed) => [carrier, ...also].map(({ name }) => fold(name));
  const write: Together["write"] = async ([carrier, ...also], requestId) => {
    const debt: Owed = { carrier, also, landed: false };
    try {
      debt.landed = await store.append(carrier, requestId, also);
    } catch (cause) {
      if (!isNothingDone(cause)) owed.add(debt);
      throw cause;
    }
    if (!debt.landed) return false;
    show([carrier, ...also]);
    if (also.length === 0) return true;
    owed.add(debt);
    await settle(debt, requestId).catch((cause) =>
      log.warn("a committed version is written at the next change, or at the start", {
        dataset: carrier.name,
        ...describe(cause),
      }),
    );
    return true;
  };
  return {
    write,
    follow,
    settle: (names, requestId) =>
      settleOf((debt) => namesOf(debt).some((name) => names.has(name)), requestId),
    findOut: (concerns, requestId) =>
      settleOf((debt) => !debt.landed && namesOf(debt).some(concerns), requestId),
  };
}
