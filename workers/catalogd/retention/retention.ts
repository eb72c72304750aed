/**
 * Expiry inside of open tables: snapshots that no branch, no tag and no kept version needs go by one commit, and the files
 * that they alone are read from after it. What was cut off, or left by a writer that failed, is an orphan.
 */
import pMap from "p-map";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Snapshot, TableMetadata } from "../iceberg/iceberg.ts";
import { type Inside, identifierOf, type OpenTables } from "../open/open.ts";
import { isInside } from "../table-files/table-files.ts";
import { isOpen, type OpenVersion } from "../versions/versions.ts";
import { type Going, goingFrom } from "./policy.ts";
import { filesReachedBy } from "./reachable.ts";

export { filesReachedBy } from "./reachable.ts";

export interface Asked {
  keepSnapshots: number;
  olderThanMs: number;
  now: number;
  ownRules: boolean;
  dryRun: boolean;
  /** The versions of the chain that stay. */
  versions: readonly OpenVersion[];
}

export interface Gone {
  /** Ids, as text: they have 63 bits. */
  snapshots: string[];
  refs: string[];
  files: { key: string; bytes: number }[];
}

export interface Retention {
  /** Throws `corrupt` where it is not known what stays; nothing is removed then. */
  expire: (
    head: OpenVersion,
    asked: Asked,
    context: { requestId: string; signal: AbortSignal },
  ) => Promise<Gone>;
  /** Whether its properties say how long its snapshots stay. */
  hasOwnRules: (head: OpenVersion) => Promise<boolean>;
  /** Keys, in `datasets/`, of objects that the version's metadata names in any of its snapshots. */
  objectsOf: (version: OpenVersion, isHead: boolean) => Promise<string[]>;
  /** Below its places, what neither the table nor these versions of it need. */
  orphans: (
    head: OpenVersion,
    versions: readonly OpenVersion[],
    before: number,
  ) => AsyncGenerator<{ key: string; bytes: number }>;
}

/** How often writers may come between. */
const attemptsMax = 8;
const concurrency = 8;

export function createRetention({ open }: { open: Pick<OpenTables, "inside" | "commit"> }): Retention {
  const { inside } = open;
  return {
    expire: async (first, asked, context) => {
      const needed = await neededBy(inside, first, asked.versions);
      for (let head = first, attempt = 1; ; attempt++) {
        const { going, files } = await planned(inside, head, { ...asked, needed });
        const gone = { snapshots: going.snapshots.map(idOf), refs: going.refs, files };
        if (asked.dryRun || going.snapshots.length + going.refs.length === 0) return gone;
        try {
          await open.commit([changeOf(head, going)], { ...context, madeBy: "catalogd" });
        } catch (cause) {
          const isOvertaken = cause instanceof ServiceError && cause.type === "conflict";
          const now = inside.head(first.name);
          if (!isOvertaken || attempt >= attemptsMax || !isOpen(now)) throw cause;
          head = now;
          continue;
        }
        await pMap(files, ({ key }) => inside.erase(key), { concurrency });
        return gone;
      }
    },
    hasOwnRules: async (head) => {
      // What is wrong with one is said where that one is asked for.
      const table = await inside.metadata(head.metadata_location).catch(unlessUnreadable);
      const { properties = {} } = table ?? {};
      return Object.keys(properties).some((name) => name.startsWith("history.expire."));
    },
    objectsOf: async (version, isHead) => {
      const keys = await Promise.all(version.locations.map((place) => inside.keyOf(place)));
      if (keys.every((key) => key === undefined || isOwn(key))) return [];
      const work = objectsNamedBy(inside, version, !isHead);
      // An engine may have removed what an earlier version was read from: then that one needs nothing.
      return isHead ? work : unlessGone(work, []);
    },
    orphans: (head, versions, before) => orphansOf(inside, head, { versions, before }),
  };
}

const isKeeping = ({ properties }: TableMetadata): boolean =>
  // Of a dataset that was opened it says that engines remove nothing: its first files are objects here.
  properties["gc.enabled"] === "false" && properties["lakehouse.dataset"] === undefined;

/** Throws what is no trouble of the table itself. */
export function unlessUnreadable(cause: unknown): undefined {
  const types = ["not_found", "corrupt", "unprocessable", "unsupported_table", "bad_request"];
  if (!(cause instanceof ServiceError) || !types.includes(cause.type)) throw cause;
  return undefined;
}

async function unlessGone<T>(work: Promise<T>, otherwise: T): Promise<T> {
  return work.catch((cause) => {
    if (cause instanceof ServiceError && ["not_found", "unsupported_table"].includes(cause.type))
      return otherwise;
    throw cause;
  });
}

/** Ids of the snapshots that these versions are read from; the head's is needed whatever else. */
async function neededBy(
  inside: Inside,
  head: OpenVersion,
  versions: readonly OpenVersion[],
): Promise<Set<string>> {
  const ids = await pMap(
    versions,
    (version) => {
      const work = inside
        .metadata(version.metadata_location)
        .then((table) => String(table["current-snapshot-id"]));
      return version.version === head.version ? work : unlessGone(work, "");
    },
    { concurrency },
  );
  return new Set(ids);
}

async function planned(
  inside: Inside,
  head: OpenVersion,
  { keepSnapshots, olderThanMs, now, ownRules, needed }: Asked & { needed: ReadonlySet<string> },
): Promise<{ going: Going; files: Gone["files"] }> {
  const table = await inside.metadata(head.metadata_location);
  if (isKeeping(table)) return { going: { snapshots: [], refs: [] }, files: [] };
  const going = goingFrom(table, { keepSnapshots, olderThanMs, now, ownRules, needed });
  if (going.snapshots.length === 0) return { going, files: [] };
  const places = inside.within(head.locations);
  const gone = new Set(going.snapshots);
  const staying = table.snapshots.filter((snapshot) => !gone.has(snapshot));
  const stays = await filesReachedBy(inside.reader, { table, snapshots: staying, places });
  const goes = await filesReachedBy(inside.reader, {
    ...{ table, snapshots: going.snapshots, places, mayBeGone: true },
  });
  // What the operator allows besides may be of others.
  for (const address of goes.keys())
    if (stays.has(address) || !isInside(address, head.locations)) goes.delete(address);
  return { going, files: (await keyed(inside, goes)).filter(({ key }) => isOwn(key)) };
}

async function objectsNamedBy(inside: Inside, version: OpenVersion, mayBeGone: boolean): Promise<string[]> {
  const table = await inside.metadata(version.metadata_location);
  const { snapshots } = table;
  const places = inside.within(version.locations);
  const files = await filesReachedBy(inside.reader, { table, snapshots, places, mayBeGone });
  return (await keyed(inside, files)).flatMap(({ key }) => (isOwn(key) ? [] : [key]));
}

async function* orphansOf(
  inside: Inside,
  head: OpenVersion,
  { versions, before }: { versions: readonly OpenVersion[]; before: number },
): AsyncGenerator<{ key: string; bytes: number }> {
  const table = await inside.metadata(head.metadata_location);
  if (isKeeping(table)) return;
  const { snapshots } = table;
  const places = inside.within(head.locations);
  const needed = await filesReachedBy(inside.reader, { table, snapshots, places });
  for (const { metadata_location: location } of [head, ...versions]) needed.set(location, 0);
  for (const entry of table["metadata-log"]) needed.set(entry["metadata-file"], 0);
  const keys = new Set((await keyed(inside, needed)).map(({ key }) => key));
  for await (const { key, bytes, last_modified } of inside.list(head)) {
    const isOld = Date.parse(last_modified) < before;
    if (isOld && !keys.has(key) && !key.endsWith("/.keep")) yield { key, bytes };
  }
}

async function keyed(inside: Inside, files: ReadonlyMap<string, number>): Promise<Gone["files"]> {
  const found: Gone["files"] = [];
  for (const [address, bytes] of files) {
    const key = await inside.keyOf(address);
    if (key !== undefined) found.push({ key, bytes });
  }
  return found;
}

const idOf = (snapshot: Snapshot): string => String(snapshot["snapshot-id"]);

/** Objects of datasets are in `primary`, whose keys have no bucket: they go when no version names them. */
const isOwn = (key: string): boolean => key.includes("://");

const changeOf = (head: OpenVersion, { snapshots, refs }: Going) => ({
  identifier: identifierOf(head.name),
  requirements: [],
  updates: [
    ...refs.map((name) => ({ action: "remove-snapshot-ref", "ref-name": name })),
    ...(snapshots.length > 0
      ? [{ action: "remove-snapshots", "snapshot-ids": snapshots.map((each) => each["snapshot-id"]) }]
      : []),
  ],
  operation: "expire" as const,
  // A branch or a tag that is made meanwhile may name one of them.
  onVersion: head.version,
});
