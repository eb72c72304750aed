/** Rows and rejected rows become versions of their datasets: both, or neither. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { baseOf, laidAnew, upsert } from "../changes/changes.ts";
import type { Session } from "../engine/engine.ts";
import type { DatasetManifest } from "../jobs/jobs.ts";
import {
  type Committed,
  eraseUnregistered,
  isOvertaken,
  isRefusal,
  layObjects,
  registrationOf,
  type StagedObject,
} from "../loading/loading.ts";
import { type Content, modeOf, storeRejects, type Work } from "./rejects.ts";
import { storeTaken } from "./taken.ts";

/** How often a version's number is asked for again when other writers of the name take it before the commit. */
const attemptsMax = 5;

interface Registered {
  manifest: DatasetManifest;
  /** True when no version of the dataset was made, because it has this content already. */
  unchanged: boolean;
  bytesOut: number;
  warnings: string[];
  /** Of an upsert. */
  rowsReplaced?: number;
}

/**
 * Stores what was written and registers it by one commit. Objects of a commit that was refused are erased when we made
 * them; when its outcome is not known, maintenance collects them.
 */
export async function register(session: Session, content: Content, work: Work): Promise<Registered> {
  const { task, parts, arrival } = work;
  const { before } = content;
  const { name, job, requestId } = task;
  const { deps } = parts;
  const mode = modeOf(task.input);
  const made = await committedBefore(work);
  if (made) return { manifest: made, unchanged: false, bytesOut: 0, warnings: [] };
  if (task.input.mode === "upsert" && before !== undefined)
    return upserted(session, { ...content, before }, work);
  const held = mode === "append" ? (before?.objects ?? []) : [];
  const { pieces, discard } = await laidPieces(session, content, work);
  const at = { name, held, requestId, folder: task.place?.folder };
  const objects = await layObjects(deps, pieces, at).finally(discard);
  const bytesOut = objects.reduce((sum, { object }) => sum + object.bytes, 0);
  const unchanged = before !== undefined && mode === "replace" && isContentOf(before, objects);
  const spec = task.place && { spec_id: task.place.layout.spec_id };
  const evolves = task.input.evolve === true && before !== undefined && { evolve: true };
  const main = unchanged ? [] : [{ ...registrationOf(name, mode, objects, before), ...evolves, ...spec }];
  for (let attempt = 1; ; attempt++) {
    const version = unchanged ? before.version : await nextVersion(work);
    const rejects = await storeRejects(session, content, { ...work, version });
    const taken = await storeTaken(session, { ...work, version });
    const beside = [rejects, taken].flatMap(({ registration }) => registration ?? []);
    const registrations = [
      ...main.map((registration) => ({ ...registration, ...(beside.length > 0 && { version }) })),
      ...beside,
    ];
    const { warnings } = rejects;
    if (registrations.length === 0)
      return { manifest: before as DatasetManifest, unchanged, bytesOut, warnings };
    try {
      job.commits();
      const { manifests } = await deps.peers.catalogd.verbs.commit(
        { registrations, ...(arrival.operation && { operation_id: arrival.operation.id }) },
        { requestId },
      );
      return {
        manifest: unchanged ? before : (manifests[0] as DatasetManifest),
        unchanged,
        bytesOut,
        warnings,
      };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await eraseUnregistered(deps, [...rejects.objects, ...taken.objects], requestId);
      if (isOvertaken(error) && attempt < attemptsMax && !arrival.taken) continue;
      await eraseUnregistered(deps, objects, requestId);
      throw arrival.taken && isOvertaken(error) ? overtaken(error) : error;
    }
  }
}

/** The file's rows as they lie in the table: of one with partitions or an order they are written once more. */
async function laidPieces(
  session: Session,
  { loaded: { pieces }, before }: Content,
  { task, parts }: Work,
): Promise<{ pieces: readonly Laying[]; discard: () => Promise<unknown> }> {
  const { place, job, requestId, fileContext } = task;
  const isPlain = !place || (place.layout.partition.length === 0 && place.layout.order === undefined);
  if (isPlain || !before) return { pieces, discard: async () => {} };
  const staged: StagedObject[] = [];
  const { directory } = fileContext;
  const rewriting = { deps: parts.deps, session, directory, requestId, signal: job.signal, staged };
  const discard = () => Promise.all(staged.map((object) => object.discard()));
  try {
    return { pieces: await laidAnew(rewriting, pieces, { manifest: before, place }), discard };
  } catch (cause) {
    await discard();
    throw cause;
  }
}

type Laying = Parameters<typeof layObjects>[1][number];

/** Another version came between, perhaps with this very file: the watch looks again before it does anything. */
const overtaken = (cause: ServiceError) =>
  fail("unavailable", `${cause.message}: what was taken is looked up anew`, { retryAfterSeconds: 1, cause });

/** The file's rows in place of those with the same keys. */
async function upserted(
  session: Session,
  content: Content & { before: DatasetManifest },
  work: Work,
): Promise<Registered> {
  const { task, parts, arrival } = work;
  const { loaded, before } = content;
  const { fileContext, job, requestId, input } = task;
  const staged: StagedObject[] = [];
  const rewriting = { ...{ deps: parts.deps, session, requestId, staged }, directory: fileContext.directory };
  const warnings = new Set<string>();
  try {
    const { manifest, rowsMatched } = await upsert(
      { ...rewriting, signal: job.signal },
      {
        base: await baseOf(before, parts.deps, requestId),
        key: input.key ?? [],
        keyRepeats: task.keyRepeats,
        pieces: loaded.pieces,
        operationId: arrival.operation?.id,
        commits: job.commits,
        beside: async (version) => {
          const rejects = await storeRejects(session, content, { ...work, version });
          for (const warning of rejects.warnings) warnings.add(warning);
          return rejects;
        },
      },
    );
    const known = new Set(before.objects.map(({ key }) => key));
    const fresh = manifest.objects.filter(({ key }) => !known.has(key));
    const bytesOut = fresh.reduce((sum, { bytes }) => sum + bytes, 0);
    const unchanged = manifest.version === before.version;
    return { manifest, unchanged, bytesOut, warnings: [...warnings], rowsReplaced: rowsMatched ?? 0 };
  } finally {
    await Promise.all(staged.map((object) => object.discard()));
  }
}

/** The version that an earlier run of this very request made before it was cut off. */
async function committedBefore({ task, parts, arrival }: Work): Promise<DatasetManifest | undefined> {
  const { operation } = arrival;
  if (!operation?.again) return undefined;
  const { name, requestId } = task;
  const asked = { name, operation_id: operation.id };
  return (await parts.deps.peers.catalogd.verbs.made(asked, { requestId })).manifest;
}

const nextVersion = async ({ task, parts }: Work): Promise<number> => {
  const { name, requestId } = task;
  return (await parts.deps.peers.catalogd.verbs.admit({ name }, { requestId })).next_version;
};

const isContentOf = (
  { objects, schema_id: current = 0 }: DatasetManifest,
  committed: readonly Committed[],
): boolean =>
  objects.length === committed.length &&
  // Of an older schema the same file has other columns in the dataset.
  objects.every(
    ({ key, schema_id = 0 }, index) => key === committed[index]?.object.key && schema_id === current,
  );
