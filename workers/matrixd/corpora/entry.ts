/** One corpus as the service knows it. */
import type { Mutex } from "async-mutex";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { MarkKeeping } from "../../../runtime/line-log/line-log.ts";
import type { Corpus, CorpusSpec } from "../schemas/schemas.ts";
import type { Build } from "./build.ts";
import { markCorpus, nextRevision, settleFirst } from "./marks.ts";
import { type CorpusRecord, type Unusable, writeRecord } from "./record.ts";

export interface Entry {
  directory: string;
  record: CorpusRecord;
  live?: Build;
  /** Why nothing can be read of it. */
  damage?: Unusable;
  /** An inspection found rows or words of it that are not what was written: the next build makes a new one. */
  isSuspect?: true;
  /** Writes of its record follow each other. */
  mutex: Mutex;
  kept: MarkKeeping;
}

/**
 * Changes the record, durably. What else changes with it does so in `applied`, before anybody else sees the record: a
 * snapshot between both would lack the database that the record names.
 */
export function changeRecord(
  entry: Entry,
  change: (record: CorpusRecord) => CorpusRecord,
  applied = () => {},
): Promise<void> {
  return entry.mutex.runExclusive(async () => {
    const record = { ...change(entry.record), revision: nextRevision(entry) };
    await settleFirst(entry);
    await writeRecord(entry.directory, record);
    entry.record = record;
    applied();
    markCorpus(entry);
  });
}

/** Runs the work while the record stands still, on the disk as in memory. */
export const recordAtRest = <R>({ mutex }: Entry, work: () => Promise<R>): Promise<R> =>
  mutex.runExclusive(work);

/** Takes note of a database that turned out to be damaged while it was read. */
export function noteDamage(entry: Entry, build: Build, cause: unknown): void {
  if (!(cause instanceof ServiceError) || cause.type !== "corrupt" || entry.live !== build) return;
  entry.damage ??= { reason: cause.message, isNewer: isNewer(cause) };
}

/** Whether a database was refused for its format's version. */
export const isNewer = ({ details }: ServiceError): boolean =>
  (details as { newer?: unknown } | undefined)?.newer === true;

/** A corpus as callers see it. */
export function corpusInfo({ record, live, damage }: Entry, jobId: string | undefined): Corpus {
  const lastError = damage?.reason ?? record.last_error;
  const { model, ...spec } = live?.state.spec ?? record.spec;
  const used = live?.state.model ?? model;
  const common = {
    ...spec,
    ...(used !== undefined && { model: used }),
    ...(jobId !== undefined && { job_id: jobId }),
  };
  if (!live)
    return {
      ...common,
      state: damage ? "damaged" : jobId === undefined ? "failed" : "building",
      rows: 0,
      generation: 0,
      ...(lastError !== undefined && { last_error: lastError }),
      ...(lastError === undefined &&
        jobId === undefined && { last_error: "its first build was interrupted" }),
    };
  const { generation, rows, index, dimension, built_at, dataset_version } = live.state;
  return {
    ...common,
    state: damage ? "damaged" : "ready",
    rows,
    generation,
    index,
    ...(dimension !== undefined && { dimension }),
    ...(built_at !== undefined && { built_at }),
    ...(dataset_version !== undefined && { dataset_version }),
    ...(lastError !== undefined && { last_error: lastError }),
  };
}

/** The error of a search that cannot use the corpus. */
export function unsearchable({ record, damage }: Entry, jobId: string | undefined): ServiceError {
  const { name } = record;
  if (damage) return fail("corrupt", `corpus '${name}' is damaged: ${damage.reason}`);
  if (jobId !== undefined)
    return fail("unavailable", `corpus '${name}' is being built for the first time by job ${jobId}`, {
      retryAfterSeconds: 1,
    });
  const why = record.last_error ?? "its first build was interrupted";
  return fail("conflict", `corpus '${name}' has never been built: ${why}; build it again`);
}

/** Whether the rows that are there can stay where they did not change: the same columns and the same model. */
export function canRefresh(spec: CorpusSpec, { live, damage, isSuspect }: Entry): boolean {
  if (!live || damage || isSuspect) return false;
  const { spec: old, model } = live.state;
  const columns = ({ id_column, text_columns, metadata_columns = [], json_columns = [] }: CorpusSpec) =>
    JSON.stringify([id_column, text_columns, metadata_columns, json_columns]);
  const isSameModel = spec.model === undefined || spec.model === model || spec.model === old.model;
  return isSameModel && columns(spec) === columns(old);
}
