/** One ingest, from the request's body to the registered dataset. */
import { join } from "node:path";
import { jsonResponse } from "../../../runtime/bodies/bodies.ts";
import type { HttpRequest, RawContext } from "../../../runtime/contract/contract.ts";
import { storageError } from "../../../runtime/durable/durable.ts";
import { fail, invalidField, ServiceError } from "../../../runtime/errors/errors.ts";
import { createSlices } from "../../../runtime/scheduling/scheduling.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import {
  createDeadline,
  type IngestAnswer,
  type IngestDeps,
  type IngestInput,
  type IngestParts,
  type RunningJob,
  rejectsSuffix,
  type TablePlace,
  type TakenFile,
  type Task,
} from "../jobs/jobs.ts";
import { checkRejectsName, refuseOpenRejects } from "../loading/loading.ts";
import { openPublication, type Publication } from "../publishing/publishing.ts";
import { createScratch, type FileContext, type OwnScratch, type Stored } from "../tables/tables.ts";
import { fetchedFile, storeBody } from "./bodies.ts";
import { storeTable } from "./from-source.ts";
import { readingOf } from "./parameters.ts";

/** What a request brings, stored to be read. */
export interface Received {
  stored: Stored;
  filename: string | undefined;
  /** What a caller should know of how the rows were found. */
  warnings?: readonly string[];
  /** Stands for all that was sent and the parameters; only asked for with an Idempotency-Key. */
  fingerprint: () => string;
  /** Of a file that a watch takes. */
  taken?: TakenFile;
}

/** Stores what a request brings, as the rows of one dataset. */
export type Receive = (task: Task, context: RawContext, parts: IngestParts) => Promise<Received>;

/** Loads what a request brings. Whatever goes wrong, nothing is registered and no file stays behind. */
export async function ingest(
  input: IngestInput,
  context: RawContext,
  parts: IngestParts,
  onReceived: (jobId: string) => void = () => {},
): Promise<Response> {
  const receive: Receive = async (task, ...given) => {
    // Of a file that is fetched the client has nothing to send.
    if (input.url !== undefined || input.source !== undefined) onReceived(task.job.id);
    const received = await receiveFile(task, ...given);
    onReceived(task.job.id);
    return received;
  };
  const answer = await load(input, context, parts, { receive });
  return jsonResponse(answer, { "x-lakehouse-job-id": answer.job_id });
}

/** Loads what `receive` stores; `keyRepeats`, where several rows of it stand together for one key of an upsert. */
export async function load(
  input: IngestInput,
  context: RawContext,
  parts: IngestParts,
  { receive, keyRepeats = false }: { receive: Receive; keyRepeats?: boolean },
): Promise<IngestAnswer> {
  const { deps, jobs } = parts;
  checkName(input);
  const reading = readingOf(input);
  const limits = deps.config.ingestd;
  let stop = (_: ServiceError) => {};
  const deadline = createDeadline({
    limits,
    askedMs: input.timeout_ms,
    clock: deps.clock,
    stop: (why) => stop(why),
  });
  const id = jobIdOf(context.request, deps);
  const length = Number(context.request.headers.get("content-length") ?? 0);
  const bytesExpected = length > 0 ? length : undefined;
  const job = jobs.start({ id, name: input.name, bytesExpected, signal: context.signal });
  stop = (why) => {
    // After the commit a version may exist: the caller learns which, and little is left to do.
    if (!job.hasCommitted()) job.stop(why);
  };
  const scratch = createScratch(join(parts.workDirectory, deps.newId()));
  const fileContext: FileContext = {
    ...scratch,
    reading,
    rejectRules: { allowed: input.on_error === "reject", max: input.max_rejects ?? limits.max_rejects },
    columnsMax: limits.max_columns,
    rowBytesMax: limits.max_row_bytes,
    signal: job.signal,
    slices: createSlices(job.signal),
    phase: deadline.phase,
  };
  try {
    const answer = await withSlot(
      { input, name: input.name, keyRepeats, fileContext, job, deadline, requestId: context.requestId },
      { scratch, context, parts, receive },
    );
    job.done(answer);
    return answer;
  } catch (error) {
    const failure = reportedError(error, job);
    job.failed(failure);
    throw failure;
  } finally {
    deadline.end();
  }
}

/** Before the commit nothing was registered, even where the outcome of storing an object is not known. */
function reportedError(error: unknown, job: RunningJob): unknown {
  const isUnknown = error instanceof ServiceError && error.type === "outcome_unknown";
  if (isUnknown && job.hasCommitted()) return error;
  if (job.signal.aborted && job.signal.reason instanceof ServiceError) return job.signal.reason;
  if (!isUnknown) return storageError(error, "ingest");
  return fail("unavailable", "storage went away: nothing was registered", {
    retryAfterSeconds: 1,
    cause: error,
  });
}

function checkName({ name, on_error: onError, mode, key, evolve, source, query }: IngestInput): void {
  if (query !== undefined && source === undefined)
    throw invalidField("query", "no meaning without source, the database that is asked; leave it out");
  if (mode === "upsert" && (key === undefined || key.length === 0))
    throw invalidField("key", "expected with mode=upsert the column by which rows are the same, or several");
  if (mode !== "upsert" && key !== undefined)
    throw invalidField("key", "no meaning without mode=upsert; leave it out");
  if (mode === "upsert" && evolve === true)
    throw invalidField("mode", "upsert takes a file as its dataset is: without evolve=true");
  if (onError === "reject" || name.endsWith(rejectsSuffix)) checkRejectsName(name);
}

/** A client may choose the job's id, to follow it while it uploads. */
function jobIdOf(request: HttpRequest, { newId }: Pick<IngestDeps, "newId">): string {
  const chosen = request.headers.get("x-lakehouse-job-id");
  if (chosen === null) return newId();
  if (/^[A-Za-z0-9_-]{1,64}$/.test(chosen)) return chosen;
  throw fail("bad_request", "X-Lakehouse-Job-Id: expected 1 to 64 letters, digits, _ or -");
}

async function withSlot(task: Task, entered: Omit<Entered, "publication">): Promise<IngestAnswer> {
  const { scratch, parts } = entered;
  const releaseSlot = await parts.limiter.take(task.job.signal, task.name);
  const publication = openPublication(task, parts);
  /** The slot is released after all files are removed, so that slots also bound the disk space in use. */
  const leave = () =>
    publication
      .close()
      .finally(scratch.leave)
      .catch((cause) => parts.deps.log.error("files of an ingest stay behind", describe(cause)))
      .finally(releaseSlot);
  try {
    const answer = await received(task, { ...entered, publication });
    // The caller need not wait until the files are removed.
    void leave();
    return answer;
  } catch (error) {
    await leave();
    throw error;
  }
}

interface Entered {
  scratch: OwnScratch;
  publication: Publication;
  context: RawContext;
  parts: IngestParts;
  receive: Receive;
}

/** Throws for what only datasets take. */
function refuseForOpen({ name, input: { evolve } }: Task, { partition, order }: TablePlace["layout"]): void {
  if (evolve === true && (partition.length > 0 || order !== undefined))
    throw fail(
      "unprocessable",
      `'${name}' is an open table, which takes no evolve=true, as it has partitions or an order: change its columns by PATCH first`,
    );
}

async function received(
  task: Task,
  { scratch, publication, context, parts, receive }: Entered,
): Promise<IngestAnswer> {
  const { job, fileContext } = task;
  // Before the body is read: an upload is long, and a name that is refused is known now.
  const { folder, layout } = await parts.deps.peers.catalogd.verbs.admit(
    { name: task.name },
    { requestId: task.requestId },
  );
  if (folder !== undefined && layout) {
    refuseForOpen(task, layout);
    task.place = { folder, layout };
  }
  if (fileContext.rejectRules.allowed) refuseOpenRejects(task.name, await publication.rejectsBefore());
  await scratch.enter();
  job.enter("receiving");
  fileContext.registered = publication.registered;
  const { idempotencyKey } = context;
  // With a key the answer may be known already: nothing is written before the whole file has been fingerprinted.
  if (idempotencyKey === undefined) fileContext.onRun = publication.speculative.write;
  const { stored, filename, fingerprint, warnings = [], taken } = await receive(task, context, parts);
  if (idempotencyKey === undefined)
    return await publication.finish(stored, { filename, warnings, operation: undefined, taken });
  return await parts.deps.idempotency.once(
    idempotencyKey,
    fingerprint(),
    (operation) => publication.finish(stored, { filename, warnings, operation }),
    { resumable: "again" },
  );
}

/** Stores what the body brings, or what the request says the place of: files, archives of them, or rows of a database. */
const receiveFile: Receive = async (task, { request: sent, idempotencyKey }, parts) => {
  const { input, job } = task;
  const hash = new Bun.CryptoHasher("sha256");
  const onFile = (bytes: Uint8Array) => void hash.update(bytes);
  const isTable = input.source !== undefined;
  const fetched = isTable
    ? undefined
    : await fetchedFile(input.url, sent, { ...parts.deps, signal: job.signal });
  const body = {
    request: fetched?.request ?? sent,
    filename: fetched?.filename,
    ...(idempotencyKey !== undefined && { onFile }),
  };
  const { files, ...received } = await (isTable ? storeTable : storeBody)(task, parts, body);
  if (files.length > 1) hash.update(JSON.stringify(files));
  return {
    ...received,
    fingerprint: () => hash.update(JSON.stringify(Object.entries(input).sort())).digest("hex"),
  };
};
