/** Reads the whole catalog again: every manifest, what it refers to, and what memory says of it. Changes nothing. */

import pMap from "p-map";
import type { Peer } from "../../../runtime/contract/contract.ts";
import type { Finding, Inspected } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock, KeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { type ManifestStore, manifestKey } from "../manifests/manifests.ts";
import { type Head, isDamaged, type Registry } from "../registry/registry.ts";
import { adoptionOf, type DatasetMarks } from "../rehydration/rehydration.ts";
import { chainProblems, firstOf, type Version } from "../versions/versions.ts";
import { inspectOpenTables, type OpenInspectionDeps } from "./open-tables.ts";
import { orphanedObjects } from "./orphans.ts";
import { createReferences, type References, referenceDamage } from "./references.ts";

export { type BrokenTables, createBrokenTables, watchedTables } from "./open-tables.ts";

export interface InspectionDeps extends Pick<OpenInspectionDeps, "tables" | "broken"> {
  store: Pick<ManifestStore, "versions" | "read">;
  registry: Registry;
  marks: Pick<DatasetMarks, "of">;
  lock: KeyedMutex;
  /** Resolves when the expiry that is under way now has removed what it removes. */
  removed: () => Promise<void>;
  objects: Pick<Peer<Storaged>["verbs"], "head" | "list">;
  clock: Pick<Clock, "now">;
  /** Manifests read at once, and objects asked for. */
  concurrency: number;
}

const damage = (place: string, problem: string, remedy: string): { finding: Finding } => ({
  finding: { severity: "damage", place: `primary://${place}`, problem, remedy },
});

/** Everything that catalogd keeps. Throws what storage throws when it cannot be asked. */
export async function* inspectCatalog(deps: InspectionDeps, signal: AbortSignal): AsyncGenerator<Inspected> {
  const { store, registry } = deps;
  const { versions, strange } = await store.versions();
  yield* strange.map(strangeKey);
  const total = [...versions.values()].reduce((sum, { length }) => sum + length, 0);
  const reading: Reading = {
    references: createReferences(),
    heads: new Map(),
    expired: [],
    readable: true,
    done: 0,
    total,
  };
  for (const [name, numbers] of versions) yield* inspectChain(deps, { name, numbers, reading, signal });
  const inMemory = [...registry.manifests(), ...registry.damaged()].map(({ name }) => name);
  for (const name of new Set([...versions.keys(), ...inMemory])) {
    const finding = await compareWithMemory(deps, name);
    if (finding) yield finding;
  }
  yield* inspectObjects(deps, reading, signal);
  yield* inspectOpenTables(deps, signal);
  // What was read as expired goes with an expiry that was under way by then at the latest: what is there after it stays.
  await deps.removed();
  yield* leftManifests(deps, reading.expired);
  // What a manifest that cannot be read refers to is not known: nothing may be called an orphan then.
  if (reading.readable) yield* orphanedObjects(deps, reading.references, signal);
}

/** What was read so far. */
interface Reading {
  references: References;
  /** The highest number of each name. */
  heads: Map<string, number>;
  /** What was listed of versions that were expired. */
  expired: { name: string; numbers: readonly number[] }[];
  /** Whether every manifest was there and whole. */
  readable: boolean;
  /** Manifests read, and how many there are. */
  done: number;
  total: number;
}

const strangeKey = (key: string): Inspected => ({
  finding: {
    severity: "leftover",
    place: `primary://${key}`,
    problem: "it is where manifests are, and its name is none of a manifest",
    remedy: `delete it: DELETE /v1/storage/delete/${key}`,
  },
});

interface Chain {
  name: string;
  /** Ascending. */
  numbers: readonly number[];
  reading: Reading;
  signal: AbortSignal;
}

async function* inspectChain(deps: InspectionDeps, chain: Chain): AsyncGenerator<Inspected> {
  const { name, numbers, reading, signal } = chain;
  const last = numbers.at(-1) ?? 0;
  reading.heads.set(name, last);
  const { from = 1 } = deps.marks.of(name) ?? {};
  const first = await firstKept(deps, name, last);
  if (first === undefined) {
    // All that was listed went meanwhile; what the versions since then refer to is not known.
    reading.readable = false;
    reading.done += numbers.length;
    return;
  }
  reading.expired.push({ name, numbers: numbers.filter((number) => number < first) });
  const kept = numbers.filter((number) => number >= first);
  reading.done += numbers.length - kept.length;
  let before: Version | "unknown" | undefined = first > 1 ? "unknown" : undefined;
  let expected = first;
  for (let at = 0; at < kept.length; at += deps.concurrency) {
    signal.throwIfAborted();
    const some = kept.slice(at, at + deps.concurrency);
    const found = await pMap(some, (number) => readKept(deps, name, number), {
      concurrency: deps.concurrency,
    });
    for (const [index, head] of found.entries()) {
      if (head === undefined) {
        before = "unknown";
        expected = (some[index] ?? 0) + 1;
        reading.done += 1;
        continue;
      }
      const { version } = head;
      if (version > expected) {
        if (version > from) yield missing(name, Math.max(expected, from), version - 1);
        reading.readable = false;
        before = "unknown";
      }
      const place = manifestKey(name, version);
      if (isDamaged(head)) {
        if (version < from) yield accepted(place, head.reason);
        else yield damage(place, head.reason, remedyOfManifest(name, version, last));
        reading.readable = false;
        before = "unknown";
      } else {
        const problems = chainProblems(before, head);
        if (problems.length > 0) {
          const problem = problems.join("; ");
          if (version < from) yield accepted(place, problem);
          else yield damage(place, problem, remedyOfManifest(name, version, last));
        }
        reading.references.add(head);
        before = head;
      }
      expected = version + 1;
      reading.done += 1;
    }
    yield { progress: { done: reading.done, total: reading.total, of: "manifests" } };
  }
}

/** What the latest version says of those before it, where it can be read; undefined when it was expired meanwhile. */
async function firstKept(deps: InspectionDeps, name: string, last: number): Promise<number | undefined> {
  const head = await readKept(deps, name, last);
  return head && (isDamaged(head) ? 1 : firstOf(head));
}

/**
 * Maintenance goes on while the catalog is read: a version that was listed may be expired since, and gone. A head that
 * cannot be read tells of none.
 */
const isExpired = ({ registry }: InspectionDeps, name: string, version: number): boolean => {
  try {
    const head = registry.head(name);
    return head !== undefined && version < firstOf(head);
  } catch (error) {
    if (error instanceof ServiceError) return false;
    throw error;
  }
};

/** The version; undefined when it was expired since it was listed. */
async function readKept(deps: InspectionDeps, name: string, version: number): Promise<Head | undefined> {
  try {
    return await deps.store.read(name, version);
  } catch (error) {
    const isGone = error instanceof ServiceError && error.type === "not_found";
    if (isGone && isExpired(deps, name, version)) return undefined;
    throw error;
  }
}

/** What an expiry that was cut off has left. */
async function* leftManifests(
  { store }: Pick<InspectionDeps, "store">,
  expired: Reading["expired"],
): AsyncGenerator<Inspected> {
  for (const { name, numbers } of expired) {
    if (numbers.length === 0) continue;
    const there = new Set((await store.versions(name)).versions.get(name));
    for (const number of numbers) if (there.has(number)) yield leftManifest(name, number);
  }
}

const leftManifest = (name: string, number: number): Inspected => ({
  finding: {
    severity: "leftover",
    place: `primary://${manifestKey(name, number)}`,
    problem: "its version was expired, and what that removes is still there",
    remedy: `expire again what is left: POST /v1/catalog/expire/${name}`,
  },
});

function missing(name: string, from: number, to: number): Inspected {
  const more = to > from ? `, and all up to version ${to}` : "";
  const back = `put it back from a backup (bun run restore, or PUT /v1/storage/put/${manifestKey(name, from)})`;
  return damage(
    manifestKey(name, from),
    `it is missing, and later versions are there${more}`,
    `${back}, then restart catalogd; without one, take the latest version as it is: ${adoptionOf(name)}`,
  );
}

const accepted = (place: string, problem: string): Inspected => ({
  finding: {
    severity: "leftover",
    place: `primary://${place}`,
    problem: `${problem}; that it is lost was accepted`,
    remedy: "nothing that is served needs it",
  },
});

function remedyOfManifest(name: string, version: number, last: number): string {
  const put = `put it back from a backup (bun run restore, or PUT /v1/storage/put/${manifestKey(name, version)}), then restart catalogd`;
  if (version < last)
    return `${put}; without one, nothing that is served is lost; accept that: ${adoptionOf(name)}`;
  return version === 1
    ? `${put}; without one, accept that it is lost and ingest the files of '${name}' again: ${adoptionOf(name)}`
    : `${put}; without one, go on from version ${version - 1}: ${adoptionOf(name)}`;
}

/** Under the name's lock, so that no version is being written while storage and memory are looked at. */
const compareWithMemory = ({ store, registry, lock }: InspectionDeps, name: string) =>
  lock(fold(name), async (): Promise<Inspected | undefined> => {
    const stored = (await store.versions(name)).versions.get(name)?.at(-1);
    const damaged = registry.damaged().find((head) => head.name === name);
    const known = damaged ?? registry.head(name);
    const restart = "restart catalogd: it reads what is in storage again";
    if (stored === undefined && !known) return undefined;
    if (stored === undefined || (known && known.version > stored)) return missingHead(name, known, stored);
    const place = manifestKey(name, stored);
    if (known?.version !== stored) {
      const held = known ? `version ${known.version}` : "nothing";
      const problem = `it is the latest of '${name}' in storage, and catalogd holds ${held}`;
      return damage(place, problem, `${restart}; or put back from a backup what is missing in storage`);
    }
    // Versions that are missing before it are reported with the chain.
    if (damaged?.about !== undefined)
      return damaged.about < stored ? undefined : damage(place, damaged.reason, lostRemedy(name, stored));
    const read = await store.read(name, stored);
    // Damage of the file itself is reported with the chain.
    if (isDamaged(read) || (!damaged && Bun.deepEquals(read, known, true)) || damaged?.closed)
      return undefined;
    return damage(place, `catalogd holds another version ${stored} of '${name}' than this`, restart);
  });

/** The head that memory or the mark knows is missing in storage. */
function missingHead(name: string, known: Head | undefined, stored: number | undefined): Inspected {
  const version = known?.version ?? 0;
  const left =
    stored === undefined ? "none of its manifests" : `the latest is version ${stored}, and not this`;
  const problem = `it is missing: catalogd knows version ${version} of '${name}', and in storage is ${left}`;
  return damage(manifestKey(name, version), problem, lostRemedy(name, version));
}

const lostRemedy = (name: string, version: number): string =>
  `put it back from a backup (bun run restore, or PUT /v1/storage/put/${manifestKey(name, version)}), then restart catalogd; without one, take what is there: ${adoptionOf(name)}`;

async function* inspectObjects(
  deps: InspectionDeps,
  { references, heads }: Reading,
  signal: AbortSignal,
): AsyncGenerator<Inspected> {
  const { objects, concurrency, marks } = deps;
  const total = references.count();
  const isHead = (name: string, version: number) => heads.get(name) === version;
  const from = (name: string) => marks.of(name)?.from ?? 1;
  const all = [...references.all()];
  for (let at = 0; at < total; at += objectsAStep) {
    signal.throwIfAborted();
    const some = all.slice(at, at + objectsAStep);
    const found = await pMap(
      some,
      async (reference) => {
        const found = await referenceDamage(objects.head, reference, { isHead, from, signal });
        return isExpired(deps, reference.name, reference.version) ? undefined : found;
      },
      { concurrency },
    );
    for (const finding of found) if (finding) yield { finding };
    yield { progress: { done: Math.min(total, at + objectsAStep), total, of: "objects of datasets" } };
  }
}

const objectsAStep = 256;
