/** Changes of rows as versions: what was rewritten goes in by one commit, on the very version that was looked at. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { DatasetManifest, IngestDeps } from "../jobs/jobs.ts";
import {
  eraseUnregistered,
  isOvertaken,
  isRefusal,
  type Laid,
  layObjects,
  registeredObject,
} from "../loading/loading.ts";
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
      const fresh = pieces.filter((piece) => !stored.has(piece));
      const held = [...base.objects, ...[...stored.values()].map(({ object }) => object)];
      await layObjects(deps, fresh, { name, held, requestId }, (laid) => stored.set(laid.written, laid));
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
    if (isKnown) await eraseUnregistered(deps, [...stored.values()], requestId);
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
    objects: laid.map(registeredObject),
    ...(operation === "retype" && { new_columns: true }),
    ...(ifMatch !== undefined && { if_match: ifMatch }),
  };
  const { manifests } = await deps.peers.catalogd.verbs.commit(
    { registrations: [registration], ...(operationId !== undefined && { operation_id: operationId }) },
    { requestId },
  );
  return manifests[0] as DatasetManifest;
}

function checkSame(first: DatasetManifest, base: DatasetManifest): void {
  const same = first.dataset_id === base.dataset_id && Bun.deepEquals(first.columns, base.columns);
  if (!same) throw overtaken(first.name, "its columns were changed meanwhile");
}

const overtaken = (name: string, why: string): ServiceError =>
  fail("conflict", `'${name}': ${why}; nothing was done: send the change again`);
