/** Which snapshots of a table stay: what branches and tags hold, by the table's own properties. Pure. */
import { mainBranch, type Snapshot, type SnapshotRef, type TableMetadata } from "../iceberg/iceberg.ts";

export interface Policy {
  /** For tables whose properties do not say it. */
  keepSnapshots: number;
  olderThanMs: number;
  now: number;
  /** Whether properties keep snapshots. */
  ownRules: boolean;
  /** Ids of snapshots that are needed besides. */
  needed: ReadonlySet<string>;
}

export interface Going {
  snapshots: Snapshot[];
  refs: string[];
}

/**
 * As Iceberg's own expiry has it (spec, "Snapshot Retention Policy"): of a branch its latest snapshots by number and by age,
 * of a tag its one; a branch or tag beyond its age goes, but `main`; what no branch has is kept by its age.
 */
export function goingFrom(
  table: TableMetadata,
  { keepSnapshots, olderThanMs, now, ownRules, needed }: Policy,
): Going {
  const own = (value: unknown) => (ownRules ? countOf(value) : undefined);
  const number = (name: string, otherwise: number) =>
    own(table.properties[`history.expire.${name}`]) ?? otherwise;
  const [count, age] = [
    number("min-snapshots-to-keep", keepSnapshots),
    number("max-snapshot-age-ms", olderThanMs),
  ];
  const refAge = countOf(table.properties["history.expire.max-ref-age-ms"]) ?? Number.POSITIVE_INFINITY;
  const byId = new Map(table.snapshots.map((snapshot) => [String(snapshot["snapshot-id"]), snapshot]));
  const ageOf = (snapshot: Snapshot) => now - snapshot["timestamp-ms"];
  const isOver = (name: string, ref: SnapshotRef) => {
    const snapshot = byId.get(String(ref["snapshot-id"]));
    if (name === mainBranch || !snapshot || needed.has(String(ref["snapshot-id"]))) return false;
    return ageOf(snapshot) > (countOf(ref["max-ref-age-ms"]) ?? refAge);
  };
  const refs = Object.entries(table.refs);
  const gone = new Set(refs.flatMap(([name, ref]) => (isOver(name, ref) ? [name] : [])));
  const kept = new Set(needed);
  /** What any branch has or had: of it a branch says what goes. */
  const ofBranches = new Set<string>();
  for (const [name, ref] of refs) {
    if (gone.has(name)) continue;
    const id = String(ref["snapshot-id"]);
    kept.add(id);
    if (ref.type !== "branch") continue;
    const least = own(ref["min-snapshots-to-keep"]) ?? count;
    const oldest = own(ref["max-snapshot-age-ms"]) ?? age;
    let at = 0;
    let holds = true;
    for (const snapshot of ancestorsOf(byId, id)) {
      at += 1;
      holds &&= at <= least || ageOf(snapshot) <= oldest;
      if (holds) kept.add(String(snapshot["snapshot-id"]));
      ofBranches.add(String(snapshot["snapshot-id"]));
    }
  }
  for (const [id, snapshot] of byId) if (!ofBranches.has(id) && ageOf(snapshot) <= age) kept.add(id);
  return {
    snapshots: [...byId].flatMap(([id, snapshot]) => (kept.has(id) ? [] : [snapshot])),
    refs: [...gone],
  };
}

/** A snapshot and those before it, the latest first. A chain that leads back to itself ends there. */
function* ancestorsOf(byId: ReadonlyMap<string, Snapshot>, id: string): Generator<Snapshot> {
  const seen = new Set<string>();
  for (let at = byId.get(id); at && !seen.has(String(at["snapshot-id"])); ) {
    seen.add(String(at["snapshot-id"]));
    yield at;
    at = byId.get(String(at["parent-snapshot-id"]));
  }
}

/** A property as a count; undefined where it is none, as where it is not said. */
function countOf(value: unknown): number | undefined {
  const found = Number(value ?? Number.NaN);
  return Number.isFinite(found) && found >= 0 ? found : undefined;
}
