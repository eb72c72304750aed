/** Changes of rows as versions: what was rewritten goes in by one commit, on the very version that was looked at. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { DatasetManifest, IngestDeps } from "../jobs/jobs.ts";
import {
  eraseUnregistered,
  isOvertaken,
  isRefusal,
  type Laid,
  layObjects,
  type Rejected,
  registeredObject,
} from "../loading/loading.ts";
import { type Base, baseOf, type RowFile } from "./base.ts";
import type { Rewritten } from "./rewrite.ts";

/** What became of one object: how many of its rows match, and what stands in its place, if anything. */
export interface Outcome {
  matched: number;
  rewritten?: readonly Rewritten[];
  /** Rows that are set aside, in a file where this is no dry run. */
  rejected?: { rows: number; path?: string };
}

interface Looked extends Outcome {
  key: string;
}

export interface Committing {
  deps: IngestDeps;
  name: string;
  requestId: string;
  operationId: string | undefined;
  ifMatch?: string | undefined;
  operation: "delete" | "update" | "upsert" | "retype";
  columns: (base: DatasetManifest) => DatasetManifest["columns"];
  /** How many rows of these objects match. */
  count: (base: Base, objects: readonly RowFile[]) => Promise<number>;
  /** Looks at one object, and writes what is to stand in its place. */
  evaluate: (base: Base, object: RowFile) => Promise<Outcome>;
  /** Objects that come besides. */
  added: readonly Rewritten[];
  dryRun: boolean;
  /** Called right before the commit: from then on a version may be made. */
  commits?: () => void;
  /** What one commit makes with the version of this number: stored for each attempt, and erased where that is refused. */
  beside?: ((version: number, rejected: SetAside) => Promise<Beside>) | undefined;
}

export type Beside = Pick<Rejected, "registration" | "objects">;

/** Rows that the change does not take, and the files that have them. */
export interface SetAside {
  rows: number;
  paths: string[];
}

const nothingBeside: Beside = { objects: [] };

export interface Changed {
  manifest: DatasetManifest;
  /** Absent where no version tells. */
  rowsMatched?: number;
  objectsRemoved: number;
  objectsAdded: number;
  rowsRejected?: number;
}

/** How often other versions may come between before the change is given up. */
const attemptsMax = 8;
/** How long others wait for a change that was overtaken to look at what came between, in milliseconds. */
const turnMs = 20_000;

/**
 * Makes the change. Where another version came between, objects that are new or of which rows were deleted are looked at as
 * well, and the rest is kept; where it took an object of which rows were to change, or changed the columns, nothing is done.
 * Throws `conflict` then. Of an open table nobody else makes a version from then on until it has committed: writers who look
 * at nothing are faster each time.
 */
export async function commitChange(change: Committing, first: Base): Promise<Changed> {
  const { deps, name, requestId } = change;
  const outcomes = new Map<string, Looked>();
  const stored = new Map<Rewritten, Laid>();
  let isKnown = true;
  let turn: string | undefined;
  try {
    for (let base = first, attempt = 1; ; attempt++) {
      checkSame(first.manifest, base.manifest);
      const { removes, pieces, rejected, ...counts } = await lookAt(change, base, outcomes);
      const isNothing = removes.length + pieces.length === 0 && change.operation !== "retype";
      if (change.dryRun || isNothing) {
        await eraseUnregistered(deps, [...stored.values()], requestId);
        if (!change.dryRun) await commitBeside(change, base.manifest.version, rejected);
        return { manifest: base.manifest, ...counts };
      }
      const fresh = pieces.filter((piece) => !stored.has(piece));
      const held = [...base.files, ...[...stored.values()].map(({ object }) => object)];
      const at = { name, held, requestId, folder: base.place?.folder };
      await layObjects(deps, fresh, at, (laid) => stored.set(laid.written, laid));
      const beside = (await change.beside?.(base.manifest.version + 1, rejected)) ?? nothingBeside;
      change.commits?.();
      isKnown = false;
      try {
        const laid = pieces.flatMap((piece) => stored.get(piece) ?? []);
        const made = { manifest: await commit(change, base, { removes, laid, beside, turn }), ...counts };
        for (const piece of pieces) stored.delete(piece);
        await eraseUnregistered(deps, [...stored.values()], requestId);
        return made;
      } catch (error) {
        isKnown = isRefusal(error);
        if (isKnown) await eraseUnregistered(deps, beside.objects, requestId);
        if (!isRefusal(error) || !isOvertaken(error) || attempt >= attemptsMax) throw error;
        if (base.place) {
          turn = deps.newId();
          await holdTurn(change, turn, turnMs);
        }
        const manifest = await deps.peers.catalogd.verbs.manifest({ name }, { requestId });
        base = await baseOf(manifest, deps, requestId);
      }
    }
  } catch (error) {
    if (isKnown) await eraseUnregistered(deps, [...stored.values()], requestId);
    throw error;
  } finally {
    // Else it ends by itself, later.
    if (turn !== undefined) await holdTurn(change, turn, 0).catch(() => undefined);
  }
}

/** Where no row changes, what came with the change is a version all the same. */
async function commitBeside(change: Committing, version: number, rejected: SetAside): Promise<void> {
  const { deps, requestId, operationId } = change;
  const { registration, objects } = (await change.beside?.(version, rejected)) ?? nothingBeside;
  if (!registration) return;
  change.commits?.();
  try {
    const operation = operationId === undefined ? {} : { operation_id: operationId };
    await deps.peers.catalogd.verbs.commit({ registrations: [registration], ...operation }, { requestId });
  } catch (error) {
    if (isRefusal(error)) await eraseUnregistered(deps, objects, requestId);
    throw error;
  }
}

const holdTurn = ({ deps, name, requestId }: Committing, id: string, ms: number): Promise<unknown> =>
  deps.peers.catalogd.verbs.hold({ keys: [], ms, turn: { name, id } }, { requestId });

/** So many are looked at one by one; of more, one question rules them out, by bounds as far as these go, else each part of them. */
const aloneMax = 2;
const parts = 8;

async function* looked(
  change: Committing,
  base: Base,
  files: readonly RowFile[],
): AsyncGenerator<{ file: RowFile; outcome: Outcome }> {
  if (files.length <= aloneMax) {
    for (const file of files) yield { file, outcome: await change.evaluate(base, file) };
  } else if ((await change.count(base, files)) === 0) {
    for (const file of files) yield { file, outcome: { matched: 0 } };
  } else {
    const size = Math.ceil(files.length / parts);
    for (let at = 0; at < files.length; at += size) yield* looked(change, base, files.slice(at, at + size));
  }
}

/** What is to go and to come, of this version's objects. */
async function lookAt(change: Committing, base: Base, outcomes: Map<string, Looked>) {
  const fresh = base.files.filter(({ state }) => !outcomes.has(state));
  for await (const { file, outcome } of looked(change, base, fresh))
    outcomes.set(file.state, { key: file.key, ...outcome });
  const present = new Map(base.files.map(({ state, key }) => [state, key]));
  const keys = new Set(present.values());
  // Of a file that is there in another state what was found before does not count.
  for (const [state, { key }] of outcomes) if (!present.has(state) && keys.has(key)) outcomes.delete(state);
  const touched = [...outcomes].filter(([, { matched }]) => matched > 0);
  if (touched.some(([state]) => !present.has(state)))
    throw overtaken(change.name, "rows that were to change were changed meanwhile");
  const pieces = [...change.added, ...touched.flatMap(([, { rewritten }]) => rewritten ?? [])];
  const aside = touched.flatMap(([, { rejected }]) => rejected ?? []);
  const rejected: SetAside = {
    rows: aside.reduce((sum, { rows }) => sum + rows, 0),
    paths: aside.flatMap(({ path }) => path ?? []),
  };
  return {
    rejected,
    // Of a change that sets none aside nothing is said.
    ...(touched.some(([, outcome]) => outcome.rejected) && { rowsRejected: rejected.rows }),
    removes: touched.map(([state]) => present.get(state) ?? ""),
    pieces,
    rowsMatched: touched.reduce((sum, [, { matched }]) => sum + matched, 0),
    objectsRemoved: touched.length,
    objectsAdded: pieces.length,
  };
}

async function commit(
  { deps, name, operation, operationId, ifMatch, columns, requestId }: Committing,
  { manifest: base, place }: Base,
  {
    removes,
    laid,
    beside,
    turn,
  }: { removes: string[]; laid: readonly Laid[]; beside: Beside; turn: string | undefined },
): Promise<DatasetManifest> {
  const registration = {
    ...{ name, operation, made_by: "ingestd", version: base.version + 1, removes, columns: columns(base) },
    objects: laid.map(registeredObject),
    ...(place && { spec_id: place.layout.spec_id }),
    ...(turn !== undefined && { turn }),
    ...(operation === "retype" && { new_columns: true }),
    ...(ifMatch !== undefined && { if_match: ifMatch }),
  };
  const { manifests } = await deps.peers.catalogd.verbs.commit(
    {
      registrations: [registration, ...(beside.registration ? [beside.registration] : [])],
      ...(operationId !== undefined && { operation_id: operationId }),
    },
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
