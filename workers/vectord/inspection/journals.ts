/** Inspects the durable side of every index, open or not, while it may be written. */
import type { Finding, Inspected } from "../../../runtime/durable/durable.ts";
import type { Inspectable, JournalView, OpenJournal } from "../journal/journal.ts";
import { indexesPrefix, indexPrefix, type Manifest } from "../lhv1/lhv1.ts";
import { isFailure, neededBy, type ObjectStore, readManifest } from "../objects/objects.ts";
import {
  damagedManifest,
  damagedObject,
  lostIndex,
  missingManifest,
  orphans,
  otherCount,
  strangeManifest,
} from "./findings.ts";
import { type Inspection, inspectIndex } from "./objects.ts";

/** An object that is younger may be on its way into a manifest, in milliseconds. */
const graceMs = 60 * 60 * 1000;

interface InspectionDeps extends Inspectable {
  /** The live rows of an open index, asked at the moment that is inspected; undefined while there are none to compare with. */
  count: (name: string) => number | undefined;
}

/** Reads every object again. Throws what storage throws when it cannot be asked. */
export async function* inspectJournals(deps: InspectionDeps, signal: AbortSignal): AsyncGenerator<Inspected> {
  const keys = [...(await deps.store.list(indexesPrefix)).keys()];
  const folders = keys.filter((key) => key.includes("/", indexesPrefix.length));
  const names = new Set(folders.map((key) => key.slice(indexesPrefix.length).split("/")[0] ?? ""));
  const total = folders.length;
  const seen = new Set<string>();
  const progress = (done: number): Inspected => ({ progress: { done, total, of: "objects of indexes" } });
  for (const name of new Set([...names, ...deps.open.keys(), ...deps.marks.names()])) {
    signal.throwIfAborted();
    const reading = inspectOne(deps, name, signal);
    for (let step = await reading.next(); ; step = await reading.next()) {
      if (step.done) {
        for (const finding of step.value) yield { finding };
        break;
      }
      seen.add(step.value);
      yield progress(Math.min(seen.size, total));
    }
  }
  yield progress(total);
}

type Stored = { manifest: Manifest } | { damage: string } | undefined;

/** Gives the findings at the end: an index that was dropped or restored meanwhile has none. */
async function* inspectOne(
  deps: InspectionDeps,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<string, Finding[]> {
  const { store } = deps;
  const opened = deps.open.get(name);
  // At one moment, without a wait in between: what is there, and how many rows it makes.
  const view = opened?.view();
  const live = opened && deps.count(name);
  try {
    const stored = await stateOf(store, name);
    const objects = await store.list(indexPrefix(name));
    const manifest = view?.manifest ?? (stored && "manifest" in stored ? stored.manifest : undefined);
    const closed = opened ? { findings: [] } : closedIndex(deps, name, stored);
    const findings = [
      ...manifestFindings(name, stored, { opened, view, isLive: live !== undefined }),
      ...closed.findings,
    ];
    let found: Inspection = { damaged: [] };
    if (manifest) {
      const last = view ? { last: view.last } : { atLeast: closed.atLeast };
      found = yield* inspectIndex(store, { manifest, objects, signal, ...last });
    }
    if (!(await isStill(deps, name, { opened, manifest: manifest ?? stored }))) return [];
    opened?.foundDamaged(found.damaged.map(({ key }) => key));
    findings.push(...found.damaged.map((needed) => damagedObject(name, needed, live !== undefined)));
    if (found.rows !== undefined && live !== undefined && found.rows !== live)
      findings.push(otherCount(name, found.rows, live));
    const isKnown = manifest !== undefined || stored === undefined;
    if (isKnown && (view?.isQuiet ?? true))
      findings.push(...(await orphansOf(deps, name, { manifest, objects, opened })));
    return findings;
  } finally {
    view?.release();
  }
}

/** What its mark says of an index that is not open. */
function closedIndex(
  { marks }: InspectionDeps,
  name: string,
  stored: Stored,
): { findings: Finding[]; atLeast?: number | undefined } {
  if (!stored)
    return {
      findings: marks.has(name) ? [lostIndex(name, "it is missing, and there was such an index")] : [],
    };
  if (!("manifest" in stored)) return { findings: [] };
  try {
    return { findings: [], atLeast: marks.expected(stored.manifest)?.last };
  } catch (error) {
    return { findings: [lostIndex(name, error instanceof Error ? error.message : String(error))] };
  }
}

async function stateOf(store: ObjectStore, name: string): Promise<Stored> {
  try {
    const read = await readManifest(store, name);
    return read && { manifest: read.manifest };
  } catch (error) {
    if (isFailure(error, "corrupt") && error instanceof Error) return { damage: error.message };
    throw error;
  }
}

function manifestFindings(
  name: string,
  stored: Stored,
  {
    opened,
    view,
    isLive,
  }: { opened: OpenJournal | undefined; view: JournalView | undefined; isLive: boolean },
): Finding[] {
  if (stored && "damage" in stored) return [damagedManifest(name, stored.damage, isLive)];
  if (!opened || !view) return [];
  if (!stored) return [missingManifest(name)];
  const own = [view.manifest, ...opened.file.possible()].map(({ write }) => write);
  return own.includes(stored.manifest.write) ? [] : [strangeManifest(name)];
}

/** Whether the name still stands for the index that was looked at. */
async function isStill(
  { store, open }: InspectionDeps,
  name: string,
  { opened, manifest }: { opened: OpenJournal | undefined; manifest: Manifest | Stored },
): Promise<boolean> {
  if (open.get(name) !== opened) return false;
  const now = await stateOf(store, name);
  if (!now || !("manifest" in now) || !manifest || !("incarnation" in manifest)) return true;
  if (now.manifest.incarnation !== manifest.incarnation) return false;
  return opened !== undefined || now.manifest.write === manifest.write;
}

async function orphansOf(
  { storaged, clock, open }: InspectionDeps,
  name: string,
  {
    manifest,
    objects,
    opened,
  }: {
    manifest: Manifest | undefined;
    objects: ReadonlyMap<string, number>;
    opened: OpenJournal | undefined;
  },
): Promise<Finding[]> {
  const isNeeded = manifest ? neededBy(name, [manifest]) : () => false;
  const before = clock.now() - graceMs;
  const left: { key: string; bytes: number }[] = [];
  for (const [key, bytes] of objects) {
    if (isNeeded(key)) continue;
    const at = await writtenAt(storaged.verbs, key);
    if (at !== undefined && at < before) left.push({ key, bytes });
  }
  // A manifest that was replaced meanwhile may have had them removed.
  const isSame = open.get(name) === opened && opened?.file.current().write === manifest?.write;
  return left.length > 0 && (isSame || !opened) ? [orphans(name, left)] : [];
}

/** In milliseconds since the epoch; undefined when the object is gone or damaged. */
async function writtenAt(
  { head }: InspectionDeps["storaged"]["verbs"],
  key: string,
): Promise<number | undefined> {
  try {
    return Date.parse((await head({ key })).last_modified);
  } catch (error) {
    if (isFailure(error, "not_found") || isFailure(error, "corrupt")) return undefined;
    throw error;
  }
}
