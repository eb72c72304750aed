/** A folder of documents becomes a corpus; what is there as it is is not sent again. */
import { statSync } from "node:fs";
import { type Client, LakehouseError } from "../../api/client/lakehouse/lakehouse.ts";
import { createProgress, UsageError } from "../command-line/command-line.ts";
import { batchesOf, type LocalFile, localFiles } from "./local-files.ts";
import { onlyWord, type Terminal, writeJson } from "./terminal.ts";

interface FailedFile {
  file: string;
  message: string;
}

interface Answer {
  version: number;
  documents: { document: string; warnings?: string[] }[];
  failed: FailedFile[];
  chunks: number;
  index: { state: string; error?: string };
}

/** How often the build of the corpus is looked at, in milliseconds. */
const lookMs = 300;

/** Loads the one place that the words name. */
export async function loadDocuments(terminal: Terminal, usage: string): Promise<number> {
  const { words, client, signal, remark } = terminal;
  const place = onlyWord(terminal, "one folder or file with --corpus", usage);
  const { corpus = "", metadata } = words.options;
  const target = { client, signal, corpus, metadata };
  const all = await localFiles(place, statSync(place).isDirectory());
  if (all.length === 0) throw new UsageError(`there is no file in '${place}'`);
  const known = words.switches.has("again") ? new Map<string, string>() : await knownDocuments(target);
  const files = all.filter(({ name, sha256 }) => known.get(name) !== sha256);
  const loaded = await loadAll(files, target);
  if (loaded.version > 0) await untilBuilt(target, loaded.version);
  const left = all.length - files.length;
  for (const { file, message } of loaded.failed) remark(`${file}: ${message}`);
  if (terminal.isForPeople) await terminal.write(`${summaryOf(corpus, loaded, left)}\n`);
  else await writeJson(terminal, { corpus, ...loaded, unchanged: left });
  return loaded.failed.length > 0 ? 1 : 0;
}

const summaryOf = (corpus: string, { documents, chunks, failed }: Loaded, left: number): string =>
  `${documents} documents loaded into '${corpus}' in ${chunks} chunks` +
  `${left > 0 ? `, ${left} files were there as they are` : ""}` +
  `${failed.length > 0 ? `, ${failed.length} files could not be read` : ""}`;

interface Target {
  client: Client;
  signal: AbortSignal;
  corpus: string;
  metadata: string | undefined;
}

interface Loaded {
  documents: number;
  chunks: number;
  version: number;
  failed: FailedFile[];
}

/** Only what is there at all is looked for. */
const unlessMissing = (cause: unknown): undefined => {
  if (!(cause instanceof LakehouseError && cause.type === "not_found")) throw cause;
};

/** SHA-256 of what is there, by document. */
async function knownDocuments({ client, signal, corpus }: Target): Promise<Map<string, string>> {
  const known = new Map<string, string>();
  for (let page_token: string | undefined; ; ) {
    const input = { corpus, page_size: 1000, ...(page_token !== undefined && { page_token }) };
    const page = await client.ingestd.documents(input, { signal }).catch(unlessMissing);
    for (const { document, sha256 } of page?.documents ?? []) known.set(document, sha256);
    page_token = page?.next_page_token;
    if (page_token === undefined) return known;
  }
}

async function loadAll(files: readonly LocalFile[], target: Target): Promise<Loaded> {
  const loaded: Loaded = { documents: 0, chunks: 0, version: 0, failed: [] };
  const progress = createProgress("load", { unit: "files" });
  let done = 0;
  for (const batch of batchesOf(files)) {
    progress.step(done, files.length);
    const answer = await send(batch, target);
    done += batch.length;
    loaded.failed.push(...answer.failed);
    loaded.documents += answer.documents.length;
    loaded.chunks += answer.chunks;
    loaded.version = Math.max(loaded.version, answer.version);
    if (answer.index.error !== undefined)
      process.stderr.write(`the corpus is not built yet: ${answer.index.error}\n`);
  }
  progress.step(done, files.length);
  progress.end();
  return loaded;
}

async function send(
  batch: readonly LocalFile[],
  { client, signal, corpus, metadata }: Target,
): Promise<Answer> {
  const form = new FormData();
  for (const { name, path } of batch) form.append("file", Bun.file(path), name);
  const input = { corpus, ...(metadata !== undefined && { metadata }) };
  try {
    const response = await client.ingestd.loadDocuments(input, { body: form, signal });
    return (await response.json()) as Answer;
  } catch (cause) {
    const { failed } = Object((cause as LakehouseError).details) as { failed?: FailedFile[] };
    // None of this batch can be read: others may.
    if (failed) return { version: 0, documents: [], chunks: 0, failed, index: { state: "none" } };
    throw cause;
  }
}

/** Resolves when the corpus that is searched has this version of its dataset. */
async function untilBuilt({ client, signal, corpus: name }: Target, version: number): Promise<void> {
  const progress = createProgress("index", { unit: "rows" });
  for (;;) {
    const built = await client.matrixd.corpus({ name }, { signal }).catch(unlessMissing);
    if (built?.job_id === undefined) {
      if (Number(built?.dataset_version ?? 0) >= version) return progress.end();
      if (built?.last_error !== undefined) throw new Error(`the corpus is not built: ${built.last_error}`);
    } else {
      const job = await client.matrixd.job({ job_id: built.job_id }, { signal }).catch(unlessMissing);
      progress.step(job?.rows_read ?? 0, job?.rows_total ?? 0);
    }
    await Bun.sleep(lookMs);
  }
}
