/** One request with documents, from its files to the version that has them. */
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import pMap from "p-map";
import { jsonResponse } from "../../../runtime/bodies/bodies.ts";
import type { RawContext } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Division, Extraction } from "../extraction/extraction.ts";
import type { IngestDeps, IngestParts, Task } from "../jobs/jobs.ts";
import { peek } from "../receiving/receiving.ts";
import { load, type Receive } from "../requests/requests.ts";
import type { DocumentsLoaded, FailedFile } from "../schemas/schemas.ts";
import { formats, headBytes } from "../sources/sources.ts";
import { type Arrived, failureOf, isOfFile, takeFiles } from "./arriving.ts";
import type { CorpusIndex } from "./corpus-index.ts";
import type { LostOriginals } from "./inspection.ts";
import type { Originals } from "./originals.ts";
import { checkedId, checkSingle, type DocumentsInput, divisionOf, metadataOf } from "./parameters.ts";
import { checkColumns, columns, linesOf } from "./rows.ts";

export interface DocumentParts {
  parts: IngestParts;
  extraction: Extraction;
  originals: Originals;
  index: CorpusIndex;
  lost: LostOriginals;
}

type Loaded = DocumentsLoaded["documents"][number];

/** What a request comes to, before its rows are a version. */
interface Read {
  documents: Loaded[];
  failed: FailedFile[];
}

/** Answers POST /documents. Bad files are named and the others loaded; with none that is good nothing is. */
export async function loadDocuments(
  input: DocumentsInput,
  context: RawContext,
  given: DocumentParts,
): Promise<Response> {
  const { parts, originals, index } = given;
  const asked: Asked = {
    input,
    division: divisionOf(input, parts.deps),
    metadata: metadataOf(input),
    ...given,
  };
  if (input.id !== undefined) checkedId(input.id, "id");
  const { corpus } = input;
  const read: Read = { documents: [], failed: [] };
  const answer = await load(
    { name: corpus, mode: "upsert", key: ["document"], format: "ndjson", types: JSON.stringify(columns) },
    context,
    parts,
    { receive: receiveInto(read, asked), keyRepeats: true },
  );
  const { manifest, rows_loaded: chunks, rows_replaced: replaced = 0 } = answer;
  if (replaced > 0) originals.dropReplaced(manifest, context.requestId);
  const loaded: DocumentsLoaded = {
    job_id: answer.job_id,
    corpus,
    version: manifest.version,
    documents: read.documents,
    failed: read.failed,
    chunks,
    chunks_replaced: replaced,
    index: await index.refresh(corpus),
    elapsed_ms: answer.elapsed_ms,
  };
  return jsonResponse(loaded, { "x-lakehouse-job-id": answer.job_id });
}

interface Asked extends DocumentParts {
  input: DocumentsInput;
  division: Division;
  metadata: string;
}

const receiveInto =
  (read: Read, asked: Asked): Receive =>
  async (task, context, { deps }) => {
    const registered = await task.fileContext.registered?.();
    if (registered) checkColumns(registered);
    const { files, failed } = await takeFiles(context, asked.input.file, {
      task,
      deps,
      extraction: asked.extraction,
    });
    checkSingle(asked.input, files.length + failed.length);
    read.failed.push(...failed);
    const rows = await readAll(files, read, { asked, task, deps });
    if (read.documents.length === 0) throw nothingRead(read.failed);
    const { head, whole, all } = await peek(rows, headBytes);
    const stored = await formats.ndjson.store({ head, whole, chunks: all }, task.fileContext);
    return {
      stored,
      filename: undefined,
      fingerprint: () =>
        new Bun.CryptoHasher("sha256")
          .update(
            JSON.stringify([
              Object.entries(asked.input).sort(),
              files.map(({ name, sha256 }) => [name, sha256]),
            ]),
          )
          .digest("hex"),
    };
  };

/** The rows of all files that can be read, in the order of the files. */
async function readAll(
  files: readonly Arrived[],
  read: Read,
  place: { asked: Asked; task: Task; deps: IngestDeps },
): Promise<AsyncGenerator<Uint8Array>> {
  const { asked, task } = place;
  const { job, deadline } = task;
  const ids = new Set<string>();
  const unique: { file: Arrived; id: string }[] = [];
  for (const file of files) {
    const id = asked.input.id ?? file.name;
    if (ids.has(id))
      read.failed.push({
        file: file.name,
        type: "conflict",
        message: "another file of this request has this name",
      });
    else unique.push({ file, id });
    ids.add(id);
  }
  const counts = { total: unique.length + read.failed.length, done: 0, failed: read.failed.length };
  job.enter("extracting");
  job.measure(() => (counts.total === 0 ? 1 : (counts.done + counts.failed) / counts.total));
  job.files(counts);
  // Each file has a time of its own.
  deadline.waits();
  const one = async ({ file, id }: (typeof unique)[number], at: number) => {
    try {
      const loaded = await readOne(file, { ...place, id, rows: rowsPath(task, at) });
      counts.done += 1;
      return { loaded, at };
    } catch (cause) {
      if (!isOfFile(cause, job.signal)) throw cause;
      counts.failed += 1;
      return failureOf(file.name, cause);
    } finally {
      job.files({ ...counts });
    }
  };
  const outcomes = await pMap(unique, one, { concurrency: asked.extraction.atOnce });
  deadline.goesOn();
  const good = outcomes.filter((each) => "loaded" in each);
  read.failed.push(...outcomes.flatMap((each) => ("loaded" in each ? [] : [each])));
  read.documents.push(...good.map(({ loaded }) => loaded));
  return (async function* () {
    for (const { at } of good) yield* Bun.file(rowsPath(task, at)).stream();
  })();
}

const rowsPath = ({ fileContext }: Task, at: number): string =>
  join(fileContext.directory, `rows-${at}.ndjson`);

/** Lines of rows written at once, in UTF-16 units. */
const writtenAtOnce = 1024 * 1024;

async function readOne(
  file: Arrived,
  { asked, task, deps, id, rows }: { asked: Asked; task: Task; deps: IngestDeps; id: string; rows: string },
): Promise<Loaded> {
  const { extraction, originals, division, metadata, input } = asked;
  const extracted = await extraction.extract(file, division, task.job.signal);
  const { name, bytes, sha256, path } = file;
  await originals.put(input.corpus, {
    sha256,
    path,
    mediaType: extracted.media_type,
    requestId: task.requestId,
  });
  const described = { document: id, file: name, bytes, sha256, metadata, added_at: timestamp(deps.clock) };
  let lines = "";
  for (const line of linesOf(described, extracted)) {
    lines += line;
    if (lines.length < writtenAtOnce) continue;
    await appendFile(rows, lines);
    lines = "";
  }
  await appendFile(rows, lines);
  const { facts, chunks, characters, warnings, media_type } = extracted;
  return {
    ...{ document: id, file: name, media_type, chunks: chunks.length, characters },
    ...(facts.title !== undefined && { title: facts.title }),
    ...(facts.pages !== undefined && { pages: facts.pages }),
    ...(warnings.length > 0 && { warnings }),
  };
}

/** Files that an error names; all of them are in its details. */
const namedMax = 3;

function nothingRead(failed: readonly FailedFile[]) {
  const [only] = failed;
  if (failed.length === 1 && only)
    return fail("unprocessable", `${only.file}: ${only.message}; nothing was registered`, {
      details: { failed },
    });
  const some = failed.slice(0, namedMax).map(({ file, message }) => `${file}: ${message}`);
  return fail(
    "unprocessable",
    failed.length === 0
      ? "the archive has no file in it; nothing was registered"
      : `none of ${failed.length} files can be read: ${some.join("; ")}; nothing was registered`,
    { details: { failed } },
  );
}
