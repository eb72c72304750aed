/** The catalog in memory: the head of every name, and one etag that stands for all of them. */
import { fail, ServiceError, suggestionsFor } from "../../../runtime/errors/errors.ts";
import { heapBytes, type MemoryBudget, type Room } from "../../../runtime/memory/memory.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { isLive, type Manifest, type Version } from "../versions/versions.ts";

export { type Changes, createChanges } from "./changes.ts";
export { page } from "./pages.ts";
export { createRemovals, type Removals } from "./removals.ts";

/** A head that cannot be read; the name is taken, and nothing older is served in its place. */
export interface Damaged {
  name: string;
  version: number;
  /** Names the file and says what is wrong with it. */
  reason: string;
  /** Set where the file is whole and only what it says cannot be: such a dataset can be dropped. */
  unusable?: Version;
  /** Set where it is sound, and left closed for want of memory. */
  closed?: ServiceError;
  /** Set where the version with this number is missing, or is not the one that was acknowledged. */
  about?: number;
}
export type Head = Version | Damaged;

export const isDamaged = (head: Head | undefined): head is Damaged => head !== undefined && "reason" in head;

export interface Registry {
  /** Reserves memory for a head that was read, before it is put; one that does not fit comes back closed. */
  fitting: (head: Head) => Head;
  /** Reserves memory for what the versions take more than their heads, while they are written; throws `memory_full`. */
  reserving: <T>(versions: readonly Version[], work: () => Promise<T>) => Promise<T>;
  /** Makes this the head of its name. */
  put: (head: Head) => void;
  /** The latest version or tombstone; throws `corrupt` when it cannot be read, or used unless that is `toDrop`. */
  head: (name: string, toDrop?: boolean) => Version | undefined;
  /** The dataset; throws `not_found` or `corrupt`. */
  manifest: (name: string) => Manifest;
  /** The names, in whatever case, that there are or ever were: these very letters first, then a dataset there is. */
  spellings: (name: string) => string[];
  /** Every name there is or ever was. */
  names: () => Iterable<string>;
  /** Throws `conflict` when a dataset has this name in another case. */
  refuseCaseClash: (name: string) => void;
  /** The dataset that has this name in any case. */
  takenBy: (name: string) => string | undefined;
  /** All datasets, by name. The same array until something changes. */
  manifests: () => readonly Manifest[];
  damaged: () => readonly Damaged[];
  /** What changed since the catalog had this etag; undefined when that is too long ago, or never was. */
  since: (etag: string) => { changed: Manifest[]; removed: string[] } | undefined;
  /** Equal for equal content, also after a restart: the XOR of a hash of each head. */
  etag: () => string;
}

/** `acknowledge` is called with every version before it becomes a head. */
export function createRegistry(
  budget?: MemoryBudget,
  acknowledge: (version: Version) => void = () => {},
): Registry {
  const rooms = createRooms(budget);
  const heads = new Map<string, Head>();
  /** Names that are taken, by their folded form. */
  const taken = new Map<string, string>();
  const sum = new Uint8Array(hashBytes);
  let etag = hex(sum);
  let manifests: readonly Manifest[] | undefined;
  /** The latest changes: the etag before each, and its name. */
  const changes: { before: string; name: string }[] = [];

  return {
    ...rooms,
    put: (head) => {
      const { name } = head;
      const version = isDamaged(head) ? head.unusable : head;
      if (version) acknowledge(version);
      rooms.occupy(head);
      changes.push({ before: etag, name });
      if (changes.length > 2 * changesKept) changes.splice(0, changesKept);
      const before = heads.get(name);
      if (before) toggle(sum, before);
      toggle(sum, head);
      heads.set(name, head);
      if (isDamaged(head) || isLive(head)) taken.set(fold(name), name);
      else if (taken.get(fold(name)) === name) taken.delete(fold(name));
      etag = hex(sum);
      manifests = undefined;
    },
    head: (name, toDrop = false) => {
      const head = heads.get(name);
      return toDrop && isDamaged(head) && head.unusable ? head.unusable : readable(head);
    },
    manifest: (name) => {
      const head = readable(heads.get(name));
      if (isLive(head)) return head;
      const hint = hintOf(head, taken.get(fold(name))) || suggestion(name, taken.values());
      throw fail("not_found", `there is no dataset named '${name}'${hint}`);
    },
    spellings: (name) => {
      const folded = fold(name);
      const known = [...heads.keys()].filter((each) => fold(each) === folded);
      const rank = (each: string) => (each === name ? 0 : each === taken.get(folded) ? 1 : 2);
      return known.sort((a, b) => rank(a) - rank(b));
    },
    names: () => heads.keys(),
    refuseCaseClash: (name) => {
      const other = taken.get(fold(name));
      if (other === undefined || other === name) return;
      throw fail(
        "conflict",
        `'${name}' differs only by case from the dataset '${other}', and SQL does not tell them apart`,
        { details: { name: other } },
      );
    },
    takenBy: (name) => taken.get(fold(name)),
    manifests: () => {
      manifests ??= [...heads.values()].filter(isLiveHead).sort((a, b) => (a.name < b.name ? -1 : 1));
      return manifests;
    },
    damaged: () => [...heads.values()].filter(isDamaged),
    since: (known) => {
      if (known === etag) return { changed: [], removed: [] };
      const from = changes.findLastIndex(({ before }) => before === known);
      if (from < 0) return undefined;
      const names = [...new Set(changes.slice(from).map(({ name }) => name))];
      const found = names.map((name) => ({ name, head: heads.get(name) }));
      return {
        changed: found.flatMap(({ head }) => (head !== undefined && isLiveHead(head) ? [head] : [])),
        removed: found.flatMap(({ name, head }) => (head !== undefined && isLiveHead(head) ? [] : [name])),
      };
    },
    etag: () => etag,
  };
}

/** The memory of each head. */
function createRooms(budget: MemoryBudget | undefined) {
  const rooms = new Map<string, Room>();
  const bytesOf = (head: Head): number => (isDamaged(head) ? 0 : heapBytes(head));
  return {
    fitting: (head: Head): Head => {
      if (!budget || isDamaged(head)) return head;
      const { name, version } = head;
      rooms.get(name)?.give(); // Of an attempt that storage cut short.
      try {
        rooms.set(name, budget.take(bytesOf(head), `dataset '${name}' stays closed: its manifest`));
        return head;
      } catch (cause) {
        if (!(cause instanceof ServiceError)) throw cause;
        const { message: reason } = cause;
        return { name, version, reason, closed: cause, unusable: { ...head, objects: [] } };
      }
    },
    reserving: async <T>(versions: readonly Version[], work: () => Promise<T>): Promise<T> => {
      // A drop is always taken.
      const more = versions
        .filter(isLive)
        .map((version) => bytesOf(version) - (rooms.get(version.name)?.bytes() ?? 0));
      const bytes = more.reduce((sum, each) => sum + Math.max(0, each), 0);
      const names = versions.map(({ name }) => `'${name}'`).join(", ");
      return budget && bytes > 0 ? budget.during(bytes, `the manifest of ${names}`, work) : work();
    },
    /** Accounts for the head's memory, whether it fits or not. */
    occupy: (head: Head): void => {
      const room = rooms.get(head.name) ?? budget?.take(0, head.name);
      if (!room) return;
      room.resize(bytesOf(head));
      rooms.set(head.name, room);
    },
  };
}

/** What may be meant in place of a dataset that is not there: its name since it was renamed, or another case. */
function hintOf(head: Version | undefined, other: string | undefined): string {
  if (head?.renamed_to !== undefined) return `: it was renamed to '${head.renamed_to}'`;
  return other === undefined ? "" : `; there is one named '${other}'`;
}

function suggestion(name: string, known: Iterable<string>): string {
  const near = suggestionsFor(name, [...known]);
  return near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "";
}

const isLiveHead = (head: Head): head is Manifest => !isDamaged(head) && isLive(head);

function readable(head: Head | undefined): Version | undefined {
  if (isDamaged(head)) throw head.closed ?? fail("corrupt", `dataset '${head.name}': ${head.reason}`);
  return head;
}

/** Changes kept: a reader further behind gets a full snapshot. */
const changesKept = 512;

/** Half of SHA-256: 128 bits keep two catalogs apart. */
const hashBytes = 16;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** XOR adds a head and removes it again, in any order. Its identity is enough: versions are immutable. */
function toggle(sum: Uint8Array, head: Head): void {
  const identity = isDamaged(head)
    ? [head.name, head.version, head.reason]
    : [head.name, head.version, head.dataset_id, head.operation, head.created_at];
  const hash = new Bun.CryptoHasher("sha256").update(JSON.stringify(identity)).digest();
  for (let at = 0; at < hashBytes; at++) sum[at] = (sum[at] ?? 0) ^ (hash[at] ?? 0);
}
