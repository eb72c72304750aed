/** Rows that change: deleted, updated, or a column as another type, by copy on write of the objects that hold them. */
import { join } from "node:path";
import type { CallContext, ReplyOf } from "../../../runtime/contract/contract.ts";
import { storageError } from "../../../runtime/durable/durable.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Ingestd } from "../contract.ts";
import type { DatasetManifest, IngestParts } from "../jobs/jobs.ts";
import { createScratch } from "../tables/tables.ts";
import { type Base, baseOf, type RowFile } from "./base.ts";
import { type Changed, commitChange } from "./commit.ts";
import { readRow, readRows } from "./reading.ts";
import { type Rewriting, rewrite } from "./rewrite.ts";
import { asideOf, rejectedOf } from "./set-aside.ts";
import { type Change, versionName } from "./statements.ts";

export { baseOf, latestOf } from "./base.ts";
export { rowDifference } from "./difference.ts";
export { askRows, type Reading } from "./reading.ts";
export { laidAnew } from "./rewrite.ts";
export { deletion, retyping, rewriting, update } from "./statements.ts";
export { upsert } from "./upsert.ts";

type RowsChanged = ReplyOf<Ingestd["endpoints"]["deleteRows"]>;

interface Asked {
  name: string;
  dry_run?: boolean;
  if_match?: string;
  timeout_ms?: number;
  max_rejects?: number;
}

/** Makes the change, or counts what it would change. Whatever goes wrong, no version was made, as far as is known. */
export async function changeRows(
  asked: Asked,
  planOf: (base: DatasetManifest) => Change,
  { context, parts, lifetime }: { context: CallContext; parts: IngestParts; lifetime: AbortSignal },
): Promise<RowsChanged> {
  const { deps, limiter } = parts;
  const { name, dry_run: dryRun = false, if_match: ifMatch } = asked;
  const { requestId, operation } = context;
  const maxMs = deps.config.ingestd.max_timeout_ms;
  const { timeout_ms: timeoutMs = maxMs } = asked;
  if (timeoutMs > maxMs) throw invalidField("timeout_ms", `at most ${maxMs}, got ${timeoutMs}`);
  const late = new AbortController();
  const forget = deps.clock.after(timeoutMs, () =>
    late.abort(fail("timeout", `the change took longer than ${timeoutMs} ms; nothing was done`)),
  );
  const signal = AbortSignal.any([context.signal, lifetime, late.signal]);
  const began = deps.clock.elapsed();
  const answer = (changed: Changed): RowsChanged => ({
    manifest: changed.manifest,
    dry_run: dryRun,
    ...(changed.rowsMatched !== undefined && { rows_matched: changed.rowsMatched }),
    ...rejectedOf(name, changed, dryRun),
    objects_removed: changed.objectsRemoved,
    objects_added: changed.objectsAdded,
    elapsed_ms: Math.round(deps.clock.elapsed() - began),
  });
  const { catalogd } = deps.peers;
  const scratch = createScratch(join(parts.workDirectory, deps.newId()));
  let release = () => {};
  const staged: Rewriting["staged"] = [];
  try {
    // Changes and ingests of one name go on one after the other.
    release = await limiter.take(signal, name);
    const made =
      operation?.again === true
        ? (await catalogd.verbs.made({ name, operation_id: operation.id }, { requestId })).manifest
        : undefined;
    if (made) return answer(await changedBy(made, parts, requestId));
    const manifest = await catalogd.verbs.manifest({ name }, { requestId });
    const plan = planOf(manifest);
    const aside = plan.rejected === undefined ? undefined : await asideOf(asked, { parts, requestId });
    if (plan.expressions.length > 0)
      await deps.peers.queryd.verbs.expressions({ texts: [...plan.expressions] }, { requestId, signal });
    const base = await baseOf(manifest, deps, requestId);
    await scratch.enter();
    const session = await parts.engines.open(signal);
    try {
      const rewriting: Rewriting = { deps, session, directory: scratch.directory, requestId, signal, staged };
      const changed = await commitChange(
        {
          ...{ deps, name, requestId, operationId: operation?.id, ifMatch, dryRun, added: [] },
          operation: plan.operation,
          beside: aside?.(rewriting),
          columns: (now) => planOf(now).columns,
          count: async (now, objects) =>
            Number((await counted(rewriting, planOf(now.manifest), now, objects)).matched),
          evaluate: (now, object) =>
            evaluate(rewriting, { plan: planOf(now.manifest), base: now, object, dryRun }),
        },
        base,
      );
      return answer({ ...(aside && { rowsRejected: 0 }), ...changed });
    } finally {
      session.close();
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : storageError(error, "change");
  } finally {
    forget();
    await Promise.all(staged.map((object) => object.discard()))
      .then(scratch.leave)
      .catch((cause) => deps.log.error("files of a change stay behind", describe(cause)));
    release();
  }
}

/** What the change's count gives of the rows in these objects. */
async function counted(
  rewriting: Rewriting,
  plan: Change,
  { manifest }: Base,
  objects: readonly RowFile[],
): Promise<Record<string, unknown>> {
  rewriting.signal.throwIfAborted();
  const { only } = plan;
  if (only)
    return { matched: objects.reduce((sum, { key, row_count }) => sum + (only.has(key) ? row_count : 0), 0) };
  const keys = objects.map(({ key }) => key);
  return readRow(rewriting, { sql: plan.count, version: versionName(manifest), keys });
}

async function evaluate(
  rewriting: Rewriting,
  { plan, base, object, dryRun }: { plan: Change; base: Base; object: RowFile; dryRun: boolean },
) {
  const version = versionName(base.manifest);
  const found = await counted(rewriting, plan, base, [object]);
  const matched = Number(found.matched);
  plan.check(found);
  const isGone = plan.removes && matched === object.row_count;
  const misfits = plan.rejected === undefined ? 0 : Number(found.misfits);
  if (matched === 0 || dryRun || isGone)
    return { matched, ...(plan.rejected !== undefined && { rejected: { rows: misfits } }) };
  const { columns } = plan;
  const sql = plan.rest(base.place?.layout.row_ids === true);
  const rewritten = await rewrite(rewriting, base, { sql, version, object, columns });
  if (plan.rejected === undefined) return { matched, rewritten };
  if (misfits === 0) return { matched, rewritten, rejected: { rows: 0 } };
  const path = join(rewriting.directory, `${rewriting.deps.newId()}.rejected.parquet`);
  await readRows(rewriting, { sql: plan.rejected, version, keys: [object.key] }, path);
  return { matched, rewritten, rejected: { rows: misfits, path } };
}

/** What a change did that was made before a restart: rows that were updated are counted by no version. */
async function changedBy(made: DatasetManifest, { deps }: IngestParts, requestId: string): Promise<Changed> {
  const { name, parent } = made;
  const before = await deps.peers.catalogd.verbs.manifest(
    { name, ...(parent !== undefined && { version: parent }) },
    { requestId },
  );
  const keysOf = async (manifest: DatasetManifest) => {
    if (manifest.metadata_location === undefined) return new Set(manifest.objects.map(({ key }) => key));
    const { name, version } = manifest;
    const { files } = await deps.peers.catalogd.verbs.files({ name, version }, { requestId });
    return new Set(files.map(({ key }) => key));
  };
  const [old, now] = [await keysOf(before), await keysOf(made)];
  const [removed, added] = [old.difference(now), now.difference(old)];
  return {
    manifest: made,
    ...(made.operation === "delete" && { rowsMatched: before.row_count - made.row_count }),
    ...(made.operation === "retype" && {
      ...{ rowsMatched: before.row_count, rowsRejected: before.row_count - made.row_count },
    }),
    objectsRemoved: removed.size,
    objectsAdded: added.size,
  };
}
