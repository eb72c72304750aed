/** vectord's journals over a real storaged in this thread, with a count of what they ask of it. */
import { afterEach, beforeEach, expect } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Peer } from "../../../runtime/contract/endpoints.ts";
import { makeDirectory } from "../../../runtime/durable/files.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type Marks, openMarks } from "../../../runtime/marks/marks.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { type Storaged, storaged } from "../../../workers/storaged/contract.ts";
import { createStoraged } from "../../../workers/storaged/service.ts";
import type { Journal, Recovered } from "../../../workers/vectord/journal/interface.ts";
import { type Journals, openJournals } from "../../../workers/vectord/journal/journals.ts";
import type { Contents } from "../../../workers/vectord/objects/checkpoints.ts";
import { createIndexMarks } from "../../../workers/vectord/objects/marks.ts";
import type { Batch, Upserts } from "../../../workers/vectord/rows/batch.ts";
import type { IndexConfig } from "../../../workers/vectord/schemas/schemas.ts";
import {
  configWith,
  type InProcess,
  type LogLines,
  startInProcess,
  temporaryDirectory,
} from "../stacks/in-process.ts";

export type StorageVerbs = Peer<Storaged>["verbs"];

export interface JournalStack {
  dataDir: string;
  journals: Journals;
  /** Those of a process that starts now, over the same storaged. */
  again: () => Promise<Journals>;
  storage: InProcess<Storaged>;
  /** Calls of verbs that store, and the bytes they stored. */
  written: { calls: number; bytes: number };
  log: LogLines;
  marks: Marks;
  stop: () => Promise<void>;
}

export interface StackOptions {
  dataDir: string;
  config?: Parameters<typeof configWith>[0];
  secrets?: Parameters<typeof startInProcess>[1]["secrets"];
  /** Wraps storaged's verbs as the journals see them. */
  between?: (verbs: StorageVerbs) => StorageVerbs;
  /** Indexes that are taken as they are; may be changed between two starts. */
  adopted?: string[];
}

const silent = { error: () => {} };

/** Starts both on one data directory. */
export async function startJournals(options: StackOptions): Promise<JournalStack> {
  const { dataDir, between = (verbs) => verbs, secrets } = options;
  const config = configWith({ data_dir: dataDir, ...options.config });
  const storage = await startInProcess(
    { contract: storaged, create: createStoraged },
    { config, peers: {}, ...(secrets && { secrets }) },
  );
  const written = { calls: 0, bytes: 0 };
  const count = async <T extends { bytes: number }>(stored: Promise<T>): Promise<T> => {
    written.calls += 1;
    const info = await stored;
    written.bytes += info.bytes;
    return info;
  };
  const { verbs } = storage.peer;
  const counted: StorageVerbs = {
    ...verbs,
    write: (...call) => count(verbs.write(...call)),
    commit: (...call) => count(verbs.commit(...call)),
  };
  const log: LogLines = [];
  const directory = join(dataDir, "vectord");
  await makeDirectory(directory);
  const marks = await openMarks({ dataDir, service: "vectord", clock: systemClock, log: silent });
  const again = () =>
    openJournals({
      storaged: { ...storage.peer, verbs: between(counted) },
      log: createLog("vectord", "debug", (line) => log.push(JSON.parse(line))),
      clock: systemClock,
      newId: () => crypto.randomUUID(),
      directory,
      marks: createIndexMarks(marks),
      adopted: (name) => options.adopted?.includes(name) ?? false,
    });
  const stop = async () => {
    await storage.stop();
    await marks.close();
  };
  return { dataDir, journals: await again(), again, storage, written, log, marks, stop };
}

export const configOf = (name: string, dimension = 3): IndexConfig => ({
  name,
  dimension,
  metric: "cosine",
  type: "hnsw",
  quantization: "f32",
  connectivity: 16,
  ef_construction: 128,
  ef_search: 64,
  created_at: "2026-01-02T03:04:05.678Z",
});

/** Rows whose vectors and metadata follow from their ids. */
export function rowsOf(ids: readonly string[], dimension = 3): Upserts {
  const vectors = new Float32Array(ids.length * dimension);
  const metadata = ids.map((id, at) => {
    const hash = createHash("sha1").update(id).digest();
    for (let i = 0; i < dimension; i++)
      vectors[at * dimension + i] = (hash[i % 20] ?? 0) - 100.5 + i / dimension;
    return (hash[0] ?? 0) % 3 === 0
      ? undefined
      : { id, n: hash[1], deep: { "ä😀": [null, true, `${hash[2]}`] } };
  });
  return { ids, vectors, metadata };
}

export const batchOf = (ids: readonly string[], deletes: readonly string[] = [], dimension = 3): Batch => ({
  deletes,
  upserts: rowsOf(ids, dimension),
});

/** All of it, read to the end. */
export async function readAll(recovered: Recovered): Promise<{ rows: Upserts[]; batches: Batch[] }> {
  const rows: Upserts[] = [];
  for await (const { place: _, ...piece } of recovered.rows) rows.push(piece);
  const batches: Batch[] = [];
  for await (const { segment: _, ...batch } of recovered.batches) batches.push(batch);
  return { rows, batches };
}

/** Nothing is kept in memory. */
export const ignored = (): void => {};

/** A stack a test, on a directory a test, ended after it. */
export function perTest(): (options?: Omit<StackOptions, "dataDir">) => Promise<JournalStack> {
  let directory: ReturnType<typeof temporaryDirectory>;
  const stacks: JournalStack[] = [];
  beforeEach(() => {
    directory = temporaryDirectory("journal");
  });
  afterEach(async () => {
    for (const stack of stacks.splice(0)) await stack.stop();
    directory.remove();
  });
  return async (options = {}) => {
    const stack = await startJournals({ dataDir: directory.path, ...options });
    stacks.push(stack);
    return stack;
  };
}

export const add = (journal: Journal, ...ids: string[]) => journal.append(batchOf(ids), ignored);
export const contentsOf = (...ids: string[]): Contents => ({ count: ids.length, pieces: [rowsOf(ids)] });
export const idsOf = (batches: readonly Batch[]) => batches.map(({ upserts }) => upserts.ids.join(" "));
export const rowIds = (rows: readonly Upserts[]) => rows.flatMap(({ ids }) => ids);

/** Closes the journal and reads the index again as a new process would. */
export async function reopen({ again }: JournalStack, name = "a", journal?: Journal) {
  await journal?.close();
  const journals = await again();
  const opened = await journals.open(name);
  return { ...opened, journals, ...(await readAll(opened.recovered)) };
}

export async function keysOf({ storage }: JournalStack, prefix = "vectors/"): Promise<string[]> {
  const { objects } = await storage.peer.verbs.list({ prefix, page_size: 10_000 });
  return objects.map(({ key }) => key);
}

/** Turns one bit of the object on disk. */
export function damage({ dataDir }: JournalStack, key: string): void {
  const path = join(dataDir, "buckets/primary", key);
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  expect(readFileSync(path).length).toBe(bytes.length);
}

/**
 * Lets writes of the next calls fail as planned: `before` or `after` they had their effect, or with an effect that
 * comes `late`, when `arrive` is called.
 */
export function createFaults() {
  let steps: ("before" | "after" | "late" | "well")[] = [];
  let late: (() => Promise<unknown>) | undefined;
  return {
    plan: (...next: typeof steps): void => {
      steps = next;
    },
    /** The outcome of the late write. */
    arrive: () =>
      late?.().then(
        () => "written",
        (error) => error.type,
      ),
    between: (verbs: StorageVerbs): StorageVerbs => ({
      ...verbs,
      write: async (input, ...options) => {
        const step = steps.shift();
        if (step === "before") throw fail("storage_full", "no space");
        const copy = { ...input, bytes: input.bytes.slice() };
        if (step === "late") late = () => verbs.write(copy);
        const answer = step === "late" ? undefined : await verbs.write(input, ...options);
        if (step === "after" || !answer) throw fail("deadline_exceeded", "no answer");
        return answer;
      },
    }),
  };
}
