/**
 * What catalogd has acknowledged, marked apart from the bucket that holds the manifests: a start knows from it which
 * version of each dataset must be there, and serves nothing older.
 */
import type { Marks } from "../../../runtime/marks/marks.ts";
import { manifestKey } from "../manifests/manifests.ts";
import { type Damaged, type Head, isDamaged } from "../registry/registry.ts";
import type { Version } from "../versions/versions.ts";

/** The last version of a dataset that was acknowledged; what identifies it. */
interface Acknowledged {
  version: number;
  dataset_id: string;
  created_at: string;
  /** The first version that must be there: what is missing before it was accepted as lost. */
  from?: number;
}

/** What is in storage of one name. */
export interface Stored {
  name: string;
  /** The latest version; undefined where there is none. */
  head: Head | undefined;
  /** Of all versions, ascending. */
  numbers: readonly number[];
}

export interface DatasetMarks {
  names: () => string[];
  of: (name: string) => Acknowledged | undefined;
  /** The version is durable, and about to be acknowledged. */
  set: (version: Version) => void;
  /** As `set`, where no earlier version needs to be there. */
  begin: (version: Version) => void;
  /** Why it is not what was acknowledged; undefined when it is. */
  problemOf: (stored: Stored) => Damaged | undefined;
}

const prefix = "dataset/";
const markOf = (name: string): string => prefix + name;

export function createDatasetMarks(marks: Pick<Marks, "get" | "set" | "entries">): DatasetMarks {
  const of = (name: string) => marks.get(markOf(name)) as Acknowledged | undefined;
  const put = (version: Version, from: number | undefined) => {
    const mark: Acknowledged = { ...identityOf(version), ...(from !== undefined && { from }) };
    if (!Bun.deepEquals(of(version.name), mark, true)) marks.set(markOf(version.name), { ...mark });
  };
  return {
    names: () =>
      [...marks.entries()].flatMap(([name]) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : [])),
    of,
    set: (version) => put(version, laterOf(of(version.name)?.from, version.first_version)),
    begin: (version) => put(version, version.version),
    problemOf: (stored) => problemOf(stored, of(stored.name)),
  };
}

/** What is missing before was accepted as lost, or expired. */
const laterOf = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);

const identityOf = ({ version, dataset_id, created_at }: Version) => ({ version, dataset_id, created_at });

/** The command that accepts a dataset as it is. */
export const adoptionOf = (name: string): string => `bun run supervisor --adopt=catalogd/${name}`;

function problemOf({ name, head, numbers }: Stored, mark: Acknowledged | undefined): Damaged | undefined {
  const damaged = (version: number, problem: string): Damaged => {
    const latest = Math.max(mark?.version ?? 0, head?.version ?? 0);
    const remedy = `put it back from a backup and restart catalogd, or take what is there: ${adoptionOf(name)}`;
    const reason = `its manifest ${manifestKey(name, version)} ${problem}; ${remedy}`;
    return { name, version: latest, reason, about: version };
  };
  if (mark !== undefined && (head === undefined || head.version < mark.version)) {
    const left = head ? `the latest there is version ${head.version}` : "none is there";
    return damaged(mark.version, `is missing: version ${mark.version} was acknowledged, and ${left}`);
  }
  const there = new Set(numbers);
  const first = laterOf(mark?.from, isDamaged(head) ? undefined : head?.first_version) ?? 1;
  for (let number = first; number < (head?.version ?? 0); number++)
    if (!there.has(number)) return damaged(number, "is missing, and later versions are there");
  const version = isDamaged(head) ? head.unusable : head;
  if (version === undefined || version.version !== mark?.version) return undefined;
  if (version.dataset_id === mark.dataset_id && version.created_at === mark.created_at) return undefined;
  const made = `it was made at ${version.created_at}, the other one at ${mark.created_at}`;
  return damaged(version.version, `is not the one that was acknowledged: ${made}`);
}
