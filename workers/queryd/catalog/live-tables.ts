/**
 * `observer.operations`: a table whose rows another service keeps. When a statement reads it, that service is asked for
 * what it has by then; it sends the parts that are not here yet. Calls go one way: it waits here to be asked.
 */
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { operationColumns, operationsTable, type Queryd } from "../contract.ts";
import { type LiveParts, openLiveParts } from "./live-parts.ts";
import { createLiveQuestions } from "./live-questions.ts";
import type { Manifest } from "./snapshots.ts";

export interface LiveTables {
  /** The same datasets; the table with its rows as they are now, held until the release. */
  hold: (
    used: ReadonlyMap<string, Manifest>,
    signal: AbortSignal,
  ) => Promise<{ used: ReadonlyMap<string, Manifest>; release: () => void }>;
  verbs: Pick<VerbsOf<Queryd>, "wanted" | "offered" | "part">;
}

/** The table without rows, for lists of tables and their columns. */
export const operationsShape: Manifest = {
  dataset_id: operationsTable,
  name: operationsTable,
  version: 1,
  schema_fingerprint: "",
  columns: operationColumns.map((column) => ({ ...column, nullable: true })),
  objects: [],
  row_count: 0,
  bytes: 0,
  operation: "replace",
  made_by: "observerd",
  created_at: "1970-01-01T00:00:00.000Z",
};

/** Whether a statement means the table by this name. */
export const isLive = (name: string): boolean => fold(name) === operationsTable;

/** Keeps the rows in the directory while they are current. */
export async function openLiveTables(directory: string, clock: Clock): Promise<LiveTables> {
  const parts = await openLiveParts(directory, operationsTable, clock);
  const questions = createLiveQuestions(clock, away);
  return {
    hold: async (used, signal) => {
      const names = [...used].filter(([, { dataset_id }]) => dataset_id === operationsTable);
      if (names.length === 0) return { used, release: () => {} };
      await questions.ask(signal);
      const { release, ...rows } = parts.hold();
      const manifest = manifestOf(rows);
      return { used: new Map([...used, ...names.map(([name]) => [name, manifest] as const)]), release };
    },
    verbs: {
      wanted: async ({ wait_ms: waitMs }, { signal }) => {
        const ticket = await questions.wait(waitMs, signal);
        return ticket === undefined ? {} : { ticket };
      },
      offered: async ({ ticket, parts: ids }) => {
        questions.seen();
        const missing = parts.missing(ids);
        if (missing.length > 0) return { missing };
        await parts.publish(ids);
        questions.answer(ticket);
        return { missing };
      },
      part: async (file) => {
        questions.seen();
        await parts.add(file).catch((cause) => {
          questions.answer(Number.POSITIVE_INFINITY, cause);
          throw cause;
        });
        return {};
      },
    },
  };
}

const manifestOf = ({
  version,
  changedAt,
  files,
}: Omit<ReturnType<LiveParts["hold"]>, "release">): Manifest => ({
  ...operationsShape,
  version,
  created_at: changedAt,
  objects: files.map(({ key, bytes, rows }) => ({ key, bytes, etag: "", row_count: rows, statistics: [] })),
  row_count: files.reduce((sum, { rows }) => sum + rows, 0),
  bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  files: new Map(files.map(({ key, path }) => [key, path])),
});

const away = () =>
  fail(
    "unavailable",
    `'${operationsTable}' cannot be read now: observerd, which keeps its rows, does not answer`,
    { retryAfterSeconds: 1 },
  );
