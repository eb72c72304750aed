/** Compaction: small objects that stand next to each other in a version become one, with the same rows in the same order. */
import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, peerError } from "../../../runtime/errors/errors.ts";
import type { Limiter } from "../../../runtime/scheduling/scheduling.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { type Engines, isExhausted, type Session } from "../engine/engine.ts";
import type { DatasetManifest, IngestDeps } from "../jobs/jobs.ts";
import {
  eraseUnregistered,
  isRefusal,
  layObjects,
  registeredObject,
  stageObject,
  type Written,
} from "../loading/loading.ts";
import { fieldsOf } from "./parquet-fields.ts";
import { NotCompactable, rewrite } from "./rewrite.ts";

export { type CompactionRules, type PlannedRun, planRuns } from "./plan.ts";

type DataObject = DatasetManifest["objects"][number];

export interface Compacted {
  /** The version that was made. */
  manifest: DatasetManifest;
  /** The object in place of the others. */
  object: DataObject;
  replaced: readonly DataObject[];
}

/** What became of a run: a version; or why its objects stay as they are; or that others changed the dataset first. */
export type Outcome =
  | ({ kind: "compacted" } & Compacted)
  | { kind: "left"; keys: readonly string[]; reason: string }
  | { kind: "overtaken" };

export interface CompactRun {
  manifest: DatasetManifest;
  objects: readonly DataObject[];
  sortBy: readonly string[];
  signal: AbortSignal;
  requestId: string;
}

interface Parts {
  deps: IngestDeps;
  engines: Engines;
  workDirectory: string;
  /** Changes and ingests of one name go on one after the other. */
  limiter: Pick<Limiter, "take">;
}

/** How long a commit waits for a change of the same dataset to end, which it would make a conflict, in milliseconds. */
const turnWaitMs = 10_000;

const madeBy = "compaction";
const prefixOf = (name: string) => `datasets/${name}/`;

/** Whether an object may be replaced: one that an ingest wrote for this dataset, or any of its name. */
export const isOwn = (name: string, { key }: { key: string }): boolean => key.startsWith(prefixOf(name));

/**
 * Compacts one run. What it writes has no name in any version until the one commit at its end: cut off before, it leaves
 * an object that maintenance collects, and nothing else.
 */
export async function compactRun(parts: Parts, run: CompactRun): Promise<Outcome> {
  const { newId } = parts.deps;
  const directory = join(parts.workDirectory, `compaction-${newId()}`);
  await mkdir(directory, { recursive: true });
  try {
    return await compactIn(directory, parts, run);
  } catch (cause) {
    if (!(cause instanceof NotCompactable)) throw cause;
    return {
      kind: "left",
      keys: run.objects.slice(0, cause.count).map(({ key }) => key),
      reason: cause.message,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function compactIn(directory: string, parts: Parts, run: CompactRun): Promise<Outcome> {
  const { deps, engines } = parts;
  const { signal, manifest, requestId } = run;
  const { storaged } = deps.peers;
  const files: string[] = [];
  for (const [at, object] of run.objects.entries()) {
    const path = join(directory, `${at}.parquet`);
    await fetchObject(storaged, object, { path, signal });
    files.push(path);
  }
  const { newId } = deps;
  const staged = await stageObject({ storaged, directory, newId, requestId });
  const write = async (session: Session) => {
    try {
      return await written(session, { ...run, files, path: staged.path }, deps);
    } finally {
      session.close();
    }
  };
  try {
    const found = await write(await engines.openAlone(signal)).catch(async (cause) => {
      // With the memory of all sessions.
      if (!isExhausted(cause)) throw cause;
      return write(await engines.open(signal));
    });
    const replaced = run.objects.slice(found.from, found.to);
    signal.throwIfAborted();
    const { name, dataset_id, objects: held } = manifest;
    const piece = { ...found.written, seal: staged.seal, commit: staged.commit };
    const laid = await layObjects(deps, [piece], { name, held, requestId });
    const [object] = laid.map(registeredObject) as [DataObject];
    const free = await turnOf(parts, name, signal);
    try {
      const runs = [{ keys: replaced.map(({ key }) => key), object }];
      const made = await deps.peers.catalogd.verbs.compact(
        { name, dataset_id, runs, made_by: madeBy },
        { requestId },
      );
      return { kind: "compacted", manifest: made, object, replaced };
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      await eraseUnregistered(deps, laid, requestId);
      if (cause.type !== "conflict" && cause.type !== "not_found") throw cause;
      return { kind: "overtaken" };
    } finally {
      free();
    }
  } finally {
    await staged
      .discard()
      .catch((cause) => deps.log.info("a staged object stays until the next start", describe(cause)));
  }
}

/** The dataset's turn. Without it after a while: an upload may take an hour, and an append does not mind. */
async function turnOf(
  { deps, limiter }: Pick<Parts, "deps" | "limiter">,
  name: string,
  signal: AbortSignal,
): Promise<() => void> {
  const late = new AbortController();
  const forget = deps.clock.after(turnWaitMs, () => late.abort());
  try {
    return await limiter.take(AbortSignal.any([signal, late.signal]), name);
  } catch {
    signal.throwIfAborted();
    return () => {};
  } finally {
    forget();
  }
}

/** Rewrites the first files beside each other that have the same fields. */
async function written(
  session: Session,
  { files, path, manifest, objects, sortBy }: CompactRun & { files: readonly string[]; path: string },
  { config }: IngestDeps,
): Promise<Span & { written: Written }> {
  const fields = await fieldsOf(session, files);
  const span = firstAlike(fields.map(({ identity }) => identity));
  const first = span && fields[span.from];
  if (!first) throw new NotCompactable("its objects differ in their fields", files.length);
  const { from, to } = span;
  const { compression_level: compressionLevel, row_group_rows: rowGroupRows } = config.ingestd;
  const rows = objects.slice(from, to).reduce((sum, { row_count }) => sum + row_count, 0);
  const target = { path, compressionLevel, rowGroupRows };
  const columns = columnsOf(manifest, objects[from]);
  const asked = {
    files: files.slice(from, to),
    rows,
    fields: first,
    known: { ...manifest, columns },
    sortBy: sortBy.flatMap((name) => nameIn(columns, manifest, name)),
    target,
  };
  const written = await rewrite(session, asked).catch((cause) => {
    throw cause instanceof NotCompactable ? new NotCompactable(cause.message, to) : cause;
  });
  return { from, to, written };
}

/** Under which the object was written. */
const columnsOf = ({ schema_id, columns, schemas = [] }: DatasetManifest, object: DataObject | undefined) =>
  schemas.find((schema) => schema.schema_id === (object?.schema_id ?? 0))?.columns ??
  (schema_id === object?.schema_id ? columns : []);

/** What a column of the dataset is called in the files; nothing where these have none. */
function nameIn(
  columns: DatasetManifest["columns"],
  { columns: now }: DatasetManifest,
  name: string,
): string[] {
  const id = now.find((column) => column.name === name)?.field_id;
  return columns.filter(({ field_id }) => field_id === id).map((column) => column.name);
}

/** Places from `from` to before `to`. */
interface Span {
  from: number;
  to: number;
}

/** The first two or more neighbours that are equal, with all that follow them and are. */
function firstAlike(identities: readonly string[]): Span | undefined {
  for (let from = 0; from + 1 < identities.length; from++) {
    let to = from + 1;
    while (to < identities.length && identities[to] === identities[from]) to++;
    if (to - from > 1) return { from, to };
  }
  return undefined;
}

/** The bytes, which storaged has checked, and no others than the catalog names. */
async function fetchObject(
  storaged: Peer<Storaged>,
  { key, bytes, etag }: DataObject,
  { path, signal }: { path: string; signal: AbortSignal },
): Promise<void> {
  const place = key.split("/").map(encodeURIComponent).join("/");
  const response = await storaged.fetch(`/storage/get/${place}`, { signal });
  if (response.status === 404) throw fail("corrupt", `object '${key}' is missing`);
  if (!response.ok) throw await peerError("storaged", response);
  await Bun.write(path, response);
  const isSame =
    response.headers.get("etag")?.replaceAll('"', "") === etag && (await stat(path)).size === bytes;
  if (!isSame) throw fail("corrupt", `object '${key}' has other bytes than the catalog says`);
}
