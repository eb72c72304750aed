/**
 * `bun run load DIR --corpus NAME [--metadata JSON] [--again] [--gateway URL] [--config FILE]`: a folder of documents
 * becomes a corpus, searched by words and vectors and read by SQL. Files that are there as they are are left out. Ends with
 * 0 when all are there, 1 when some could not be read, which are named, and 2 when nothing could be done.
 */
import { statSync } from "node:fs";
import { parseBind, urlOf } from "../../runtime/addresses/addresses.ts";
import { tokensOf } from "../../runtime/auth/auth.ts";
import {
  ask,
  configOf,
  createProgress,
  type Gateway,
  gatewayOf,
  parseArguments,
  UsageError,
} from "../command-line/command-line.ts";
import { batchesOf, type LocalFile, localFiles } from "./local-files.ts";

const usage = `usage: bun run load DIR --corpus NAME [--metadata JSON] [--again] [--gateway URL] [--config FILE] [--SECTION.KEY=VALUE …]
  DIR         a folder, with all below it, or one file: PDF, DOCX, ODT, PPTX, HTML, Markdown, text, EML, and zip or tar of them
  --corpus    the corpus and its dataset: letters, digits and _
  --metadata  a JSON object of your own for each document, as '{"team":"north"}'
  --again     loads also what is there as it is, for other sizes of chunks
  --gateway   of another Lakehouse than the configured one; the token comes from the configuration or AUTH_TOKEN`;

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
  error?: { type: string; message: string; details?: { failed?: FailedFile[] } };
}

/** How often the build of the corpus is looked at, in milliseconds. */
const lookMs = 300;

async function main(words: string[]): Promise<number> {
  const read = parseArguments(words, {
    options: ["corpus", "metadata", "gateway"],
    switches: ["again", "help"],
    usage,
  });
  if (read.switches.has("help")) return print(usage);
  const [place, ...more] = read.plain;
  const { corpus, metadata } = read.options;
  if (place === undefined || more.length > 0 || corpus === undefined)
    throw new UsageError(`expected one folder and --corpus\n${usage}`);
  const stat = statSync(place, { throwIfNoEntry: false });
  if (stat === undefined) throw new UsageError(`there is no folder or file '${place}'`);
  const config = configOf(read);
  const { bind, url } = config.gateway;
  const own = url === "" ? urlOf(bind, parseBind(bind).port) : url;
  const gateway: Gateway = { url: gatewayOf(read) ?? own, token: tokensOf(config.auth)[0] ?? "" };
  const target = { gateway, corpus, metadata };
  const all = await localFiles(place, stat.isDirectory());
  if (all.length === 0) throw new UsageError(`there is no file in '${place}'`);
  const known = read.switches.has("again") ? new Map<string, string>() : await knownDocuments(target);
  const files = all.filter(({ name, sha256 }) => known.get(name) !== sha256);
  const loaded = await loadAll(files, target);
  if (loaded.version > 0) await untilBuilt(target, loaded.version);
  const left = all.length - files.length;
  print(
    `${loaded.documents} documents loaded into '${corpus}' in ${loaded.chunks} chunks` +
      `${left > 0 ? `, ${left} files were there as they are` : ""}` +
      `${loaded.failed.length > 0 ? `, ${loaded.failed.length} files could not be read` : ""}`,
  );
  for (const { file, message } of loaded.failed) process.stderr.write(`${file}: ${message}\n`);
  return loaded.failed.length > 0 ? 1 : 0;
}

interface Target {
  gateway: Gateway;
  corpus: string;
  metadata: string | undefined;
}

/** SHA-256 of what is there, by document. */
async function knownDocuments({ gateway, corpus }: Target): Promise<Map<string, string>> {
  const known = new Map<string, string>();
  for (let token = ""; ; ) {
    const query = new URLSearchParams({ corpus, page_size: "1000", ...(token && { page_token: token }) });
    const response = await ask(gateway, `/v1/documents?${query}`);
    if (response.status === 404) return known;
    const page = (await json(response)) as {
      documents: { document: string; sha256: string }[];
      next_page_token?: string;
    };
    for (const { document, sha256 } of page.documents) known.set(document, sha256);
    if (page.next_page_token === undefined) return known;
    token = page.next_page_token;
  }
}

async function loadAll(files: readonly LocalFile[], target: Target) {
  const loaded = { documents: 0, chunks: 0, version: 0, failed: [] as FailedFile[] };
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
    if (answer.index?.error !== undefined)
      process.stderr.write(`the corpus is not built yet: ${answer.index.error}\n`);
  }
  progress.step(done, files.length);
  progress.end();
  return loaded;
}

async function send(batch: readonly LocalFile[], { gateway, corpus, metadata }: Target): Promise<Answer> {
  const form = new FormData();
  for (const { name, path } of batch) form.append("file", Bun.file(path), name);
  const query = new URLSearchParams({ corpus, ...(metadata !== undefined && { metadata }) });
  const response = await fetch(`${gateway.url}/v1/documents?${query}`, {
    method: "POST",
    headers: gateway.token === "" ? {} : { authorization: `Bearer ${gateway.token}` },
    body: form,
    timeout: false,
  } as RequestInit);
  const answer = (await response.json()) as Answer;
  const failed = answer.error?.details?.failed;
  // None of this batch can be read: others may.
  if (failed) return { version: 0, documents: [], chunks: 0, failed, index: { state: "none" } };
  if (answer.error) throw new Error(`${answer.error.message} (${answer.error.type})`);
  return answer;
}

async function json(response: Response): Promise<unknown> {
  const body = (await response.json()) as { error?: { type: string; message: string } };
  if (body.error) throw new Error(`${body.error.message} (${body.error.type})`);
  return body;
}

/** Resolves when the corpus that is searched has this version of its dataset. */
async function untilBuilt({ gateway, corpus }: Target, version: number): Promise<void> {
  const progress = createProgress("index", { unit: "rows" });
  for (;;) {
    const response = await ask(gateway, `/v1/matrix/corpora/${corpus}`);
    const built = response.status === 404 ? {} : ((await json(response)) as Record<string, unknown>);
    if (built.job_id === undefined) {
      if (Number(built.dataset_version ?? 0) >= version) return progress.end();
      if (typeof built.last_error === "string")
        throw new Error(`the corpus is not built: ${built.last_error}`);
    } else {
      const job = await ask(gateway, `/v1/matrix/jobs/${built.job_id}`);
      const { rows_read = 0, rows_total = 0 } = job.ok ? ((await job.json()) as Record<string, number>) : {};
      progress.step(rows_read, rows_total);
    }
    await Bun.sleep(lookMs);
  }
}

const print = (text: string): number => {
  process.stdout.write(`${text}\n`);
  return 0;
};

if (import.meta.main)
  process.exitCode = await main(process.argv.slice(2)).catch((cause: Error) => {
    const isRefused = /ConnectionRefused|ECONNREFUSED|FailedToOpenSocket/.test(
      (cause as { code?: string }).code ?? "",
    );
    process.stderr.write(
      `load: ${isRefused ? "the gateway does not answer; start it with: bun run supervisor" : cause.message}\n`,
    );
    return 2;
  });
