/** One build or refresh: rows in, those that are new or changed embedded, and the swap. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Lexicon, LexiconState } from "../lexicon/lexicon.ts";
import type { CorpusSpec } from "../schemas/schemas.ts";
import { named, type Peers } from "./peers.ts";
import type { RunningJob } from "./queue.ts";
import { countRows, readLines, type Source } from "./source.ts";
import { addVectors, batchBytes, batchRows, type Model } from "./vectors.ts";

export interface RefreshTask {
  peers: Peers;
  clock: Clock;
  lexicon: Lexicon;
  job: RunningJob;
  spec: CorpusSpec;
  source: Source;
  build: { file: string; index: string; state: LexiconState };
  /** Longest time queryd may take for the rows. */
  readMs: number;
  metadataBytesMax: number;
}

/** Embedded alone for its length, when no row has a text. */
const probe = "corpus";

/**
 * Fills a build's database and index with what the source holds now, and swaps. Throws whatever went wrong, with
 * nothing to be seen of it; the caller takes the rest back. A conflict with `details.rebuild` says that the model
 * makes other vectors now.
 */
export async function refresh(task: RefreshTask): Promise<LexiconState> {
  const { lexicon, job, build, spec, source, clock } = task;
  const { file, index } = build;
  const { signal } = job;
  await lexicon.ask(file, "begin", {}, { signal });
  job.step("counting");
  const options = { timeoutMs: task.readMs, signal };
  job.count({ rows_total: await named("queryd", countRows(source, task.peers, options)) });
  job.step("reading");
  await readRows(task);
  job.count({ removed: await lexicon.ask(file, "removeUnseen", {}, { signal }) });
  job.step("embedding");
  const model = (await embedRows(task)) ?? modelOf(build.state) ?? (await probed(task));
  job.step("swapping");
  signal.throwIfAborted();
  const { version } = source;
  const changes = {
    spec,
    index,
    ...model,
    built_at: timestamp(clock),
    ...(version !== undefined && { dataset_version: version }),
  };
  return lexicon.ask(file, "finish", { changes });
}

const modelOf = ({ model, dimension }: LexiconState): Model | undefined =>
  model === undefined || dimension === undefined ? undefined : { model, dimension };

async function readRows({ lexicon, job, build, spec, source, peers, readMs, metadataBytesMax }: RefreshTask) {
  const { signal } = job;
  const shape = {
    idColumn: spec.id_column,
    texts: spec.text_columns.length,
    metadata: spec.metadata_columns ?? [],
    metadataBytesMax,
  };
  const lines = readLines(source, spec, peers, { timeoutMs: readMs, signal });
  // The thread works on one piece while the next is read; more would only wait in memory.
  let staging: Promise<unknown> = Promise.resolve();
  try {
    for (;;) {
      const { value, done } = await named("queryd", lines.next());
      await staging;
      if (done) return;
      staging = lexicon
        .ask(build.file, "stage", { lines: value, shape }, { signal, transfer: [value.buffer] })
        .then(({ rows, unchanged, withoutText }) => {
          const facts = job.facts();
          job.count({
            rows_read: facts.rows_read + rows,
            unchanged: facts.unchanged + unchanged,
            without_text: facts.without_text + withoutText,
          });
        });
      staging.catch(() => undefined);
    }
  } finally {
    await lines.return(undefined);
  }
}

/** The model that embedded them; undefined when there were none. */
async function embedRows(task: RefreshTask): Promise<Model | undefined> {
  const { lexicon, job, build, peers, clock, spec } = task;
  const { signal } = job;
  let after = 0;
  let used: Model | undefined;
  await addVectors({
    peers,
    clock,
    signal,
    index: build.index,
    model: build.state.model ?? spec.model,
    next: async () => {
      const limits = { after, rowsMax: batchRows, bytesMax: batchBytes };
      const rows = await lexicon.ask(build.file, "pending", limits, { signal });
      after = rows.at(-1)?.number ?? after;
      return rows;
    },
    ready: async (model) => {
      used = model;
      await prepareIndex(task, model);
    },
    added: (rows) => job.count({ embedded: job.facts().embedded + rows }),
  });
  return used;
}

/**
 * Candidates of a search in the graph. Rows of a corpus are much alike, and those of a refresh are alike anew: with
 * vectord's 96 a third of 167 texts did not find their own row after the sixth refresh of 560 rows, with 128 all did.
 */
const efSearch = 256;

/** Makes the index of a new build; that of an old one must have vectors of this length. */
async function prepareIndex({ build, peers, job }: RefreshTask, { model, dimension }: Model): Promise<void> {
  const known = build.state.dimension;
  if (known === undefined) {
    const index = {
      name: build.index,
      dimension,
      metric: "cosine" as const,
      embedding_model: model,
      ef_search: efSearch,
    };
    await named("vectord", peers.vectord.verbs.create(index, { signal: job.signal }));
  } else if (known !== dimension)
    throw fail("conflict", `the vectors of ${model} have ${dimension} numbers now and had ${known}`, {
      details: { rebuild: true },
    });
}

/** A corpus without a single text has an index too: it is empty, and filled by the next refresh. */
async function probed(task: RefreshTask): Promise<Model> {
  const { spec, peers, job } = task;
  const request = { texts: [probe], ...(spec.model !== undefined && { model: spec.model }) };
  const { model, dimension } = await named(
    "embedd",
    peers.embedd.verbs.vectorsOf(request, { signal: job.signal }),
  );
  await prepareIndex(task, { model, dimension });
  return { model, dimension };
}

/** Whether a refresh failed of a model that makes other vectors now: a new build takes them. */
export const needsRebuild = (cause: unknown): boolean =>
  cause instanceof ServiceError && (cause.details as { rebuild?: unknown } | undefined)?.rebuild === true;
