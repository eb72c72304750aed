/** Changes of rows as versions: what was rewritten goes in by one commit, on the very version that was looked at. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { DatasetManifest, IngestDeps } from "../jobs/jobs.ts";
import { type Committed, freshKeys, holdMs } from "../loading/loading.ts";
import type { Rewritten } from "./rewrite.ts";

/** What became of one object: how many of its rows match, and what stands in its place, if anything. */
export interface Outcome {
  matched: number;
  rewritten?: Rewritten;
}

export interface Committing {
  deps: IngestDeps;
  name: string;
  requestId: string;
  operationId: string | undefined;
  ifMatch?: string | undefined;
  operation: "delete" | "update" | "upsert" | "retype";
  columns: (base: DatasetManifest) => DatasetManifest["columns"];
  /** Looks at one object, and writes what is to stand in its place. */
  evaluate: (base: DatasetManifest, object: DatasetManifest["objects"][number]) => Promise<Outcome>;
  /** Objects that come besides. */
  added: readonly Rewritten[];
  dryRun: boolean;
  /** Called right before the commit: from then on a version may be made. */
  commits?: () => void;
}

export interface Changed {
  manifest: DatasetManifest;
  /** Absent where no version tells. */
  rowsMatched?: number;
  objectsRemoved: number;
  objectsAdded: number;
}

/** How often other versions may come between before the change is given up. */
const attemptsMax = 8;

/**
 * Makes the change. Where another version came between, objects that are new are looked at as well, and the rest is kept;
 * where it took an object of which rows were to change, or changed the columns, nothing is done. Throws `conflict` then.
 */
export async function commitChange(change: Committing, first: DatasetManifest): Promise<Changed> {
  const { deps, name, requestId } = change;
  const outcomes = new Map<string, Outcome>();
  const stored = new Map<Rewritten, Laid>();
  let isKnown = true;
  try {
    for (let base = first, attempt = 1; ; attempt++) {
      checkSame(first, base);
      const { removes, pieces, ...counts } = await lookAt(change, base, outcomes);
      const isNothing = removes.length + pieces.length === 0 && change.operation !== "retype";
      if (change.dryRun || isNothing) return { manifest: base, ...counts };
      await storeAll(pieces, change, { base, stored });
      change.commits?.();
      isKnown = false;
      try {
        return { manifest: await commit(change, base, { removes, laid: [...stored.values()] }), ...counts };
      } catch (error) {
        isKnown = isRefusal(error);
        if (!isRefusal(error) || !isOvertaken(error) || attempt >= attemptsMax) throw error;
        base = await deps.peers.catalogd.verbs.manifest({ name }, { requestId });
      }
    }
  } catch (error) {
    if (isKnown) await eraseMade([...stored.values()], deps, requestId);
    throw error;
  }
}

/** What is to go and to come, of this version's objects. */
async function lookAt(change: Committing, base: DatasetManifest, outcomes: Map<string, Outcome>) {
  for (const object of base.objects)
    if (!outcomes.has(object.key)) outcomes.set(object.key, await change.evaluate(base, object));
  const present = new Set(base.objects.map(({ key }) => key));
  const touched = [...outcomes].filter(([, { matched }]) => matched > 0);
  if (touched.some(([key]) => !present.has(key)))
    throw overtaken(change.name, "rows that were to change were changed meanwhile");
  const pieces = [...change.added, ...touched.flatMap(([, { rewritten }]) => rewritten ?? [])];
  return {
    removes: touched.map(([key]) => key),
    pieces,
    rowsMatched: touched.reduce((sum, [, { matched }]) => sum + matched, 0),
    objectsRemoved: touched.length,
    objectsAdded: pieces.length,
  };
}

async function commit(
  { deps, name, operation, operationId, ifMatch, columns, requestId }: Committing,
  base: DatasetManifest,
  { removes, laid }: { removes: string[]; laid: readonly Laid[] },
): Promise<DatasetManifest> {
  const registration = {
    ...{ name, operation, made_by: "ingestd", version: base.version + 1, removes, columns: columns(base) },
    objects: laid.map(({ object, written: { rows, statistics } }) => ({
      ...object,
      row_count: rows,
      statistics,
    })),
    ...(operation === "retype" && { new_columns: true }),
    ...(ifMatch !== undefined && { if_match: ifMatch }),
  };
  const { manifests } = await deps.peers.catalogd.verbs.commit(
    { registrations: [registration], ...(operationId !== undefined && { operation_id: operationId }) },
    { requestId },
  );
  return manifests[0] as DatasetManifest;
}

interface Laid extends Committed {
  written: Rewritten;
}

/** Stores those that are not stored. Returns when all have ended: an object that is being stored cannot be discarded. */
async function storeAll(
  all: readonly Rewritten[],
  { deps, name, requestId }: Pick<Committing, "deps" | "name" | "requestId">,
  { base, stored }: { base: DatasetManifest; stored: Map<Rewritten, Laid> },
): Promise<void> {
  const pieces = all.filter((piece) => !stored.has(piece));
  const hashes = pieces.map((piece) => piece.seal());
  await Promise.allSettled(hashes);
  const held = [...base.objects, ...[...stored.values()].map(({ object }) => object)].map(({ key }) => key);
  const keys = freshKeys(name, await Promise.all(hashes), held);
  // An object that is there already may be one that maintenance is about to remove.
  if (keys.length > 0) await deps.peers.catalogd.verbs.hold({ keys, ms: holdMs }, { requestId });
  const laid = pieces.map(async (piece, at) => {
    stored.set(piece, { ...(await piece.commit(keys[at] ?? "")), written: piece });
  });
  await Promise.allSettled(laid);
  await Promise.all(laid);
}

function checkSame(first: DatasetManifest, base: DatasetManifest): void {
  const same = first.dataset_id === base.dataset_id && Bun.deepEquals(first.columns, base.columns);
  if (!same) throw overtaken(first.name, "its columns were changed meanwhile");
}

const overtaken = (name: string, why: string): ServiceError =>
  fail("conflict", `'${name}': ${why}; nothing was done: send the change again`);

/** True when no version was made for certain. */
const isRefusal = (error: unknown): error is ServiceError =>
  error instanceof ServiceError &&
  error.status < 500 &&
  error.type !== "timeout" &&
  error.type !== "client_closed";

const isOvertaken = ({ type, details }: ServiceError): boolean =>
  type === "conflict" && typeof details === "object" && details !== null && "next_version" in details;

/** Of a commit that was refused nothing stays but what was there before. */
async function eraseMade(laid: readonly Laid[], deps: IngestDeps, requestId: string): Promise<void> {
  for (const { object, created } of laid)
    if (created)
      await deps.peers.storaged.verbs.erase({ key: object.key }, { requestId }).catch(() => undefined);
}
