/** `lakehouse load`: files become datasets; a folder or documents with `--corpus` become a corpus. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { LakehouseError } from "../../api/client/lakehouse/lakehouse.ts";
import { fromQuery, type InputOf } from "../../runtime/contract/contract.ts";
import { ingestd } from "../../workers/ingestd/contract.ts";
import { amountOf, createProgress, UsageError } from "../command-line/command-line.ts";
import { loadDocuments } from "./documents.ts";
import { type Command, type Terminal, writeJson } from "./terminal.ts";

const { query } = ingestd.endpoints.ingest;
/** Each option of an ingest is one here: the contract names them. */
const ingestOptions = Object.keys(query.properties).filter(
  (name) => name !== "evolve" && name !== "header" && name !== "union_by_name",
);

const usage = `  load FILE… [--name DATASET] [--mode replace|append|upsert] [--key COLUMN] [--evolve] [--no-header] [--${["types", "delimiter", "on_error"].join(" …] [--")} …]
                CSV, JSON, NDJSON, Parquet, XLSX, ODS, Avro or SQLite, gzip and zstd too, and zip or tar of them, each a dataset
                named as its file; with --name all are one, one after the other. Every option of POST /v1/ingest is one here
  load FILE… --name DATASET --together [--union-by-name]
                all in one request: one version, or none
  load --url ADDRESS --name DATASET
                a file that the product fetches: https://host/file or s3://bucket/key
  load - --name DATASET   the same of the input
  load PLACE --corpus NAME [--metadata JSON] [--again]
                a folder with all below it, or one file, as documents of a corpus: PDF, DOCX, ODT, PPTX, HTML, Markdown,
                text, EML, and zip or tar of them. What is there as it is is left out, but for --again`;

/** How often a job is looked at, in milliseconds. */
const lookMs = 300;

export const load: Command = {
  usage,
  options: [...ingestOptions, "corpus", "metadata"],
  switches: ["again", "evolve", "no-header", "together", "union-by-name"],
  run: async (terminal) => {
    const { plain, options, switches } = terminal.words;
    if (options.url !== undefined && plain.length === 0) return loadUrl(terminal, options.url);
    if (plain.length === 0) throw new UsageError(`expected files, or a folder and --corpus\n${usage}`);
    if (plain.includes("-")) {
      if (plain.length > 1 || options.name === undefined || options.corpus !== undefined)
        throw new UsageError("'-' is the input: expected it alone, with --name DATASET");
      return loadFiles(terminal, [plain]);
    }
    const folders = plain.filter((place) => {
      const stat = statSync(place, { throwIfNoEntry: false });
      if (stat === undefined) throw new UsageError(`there is no folder or file '${place}'`);
      return stat.isDirectory();
    });
    if (options.corpus !== undefined) return loadDocuments(terminal, usage);
    if (folders.length > 0)
      throw new UsageError(
        `'${folders[0]}' is a folder; expected files, or --corpus NAME for a folder of documents`,
      );
    return loadFiles(terminal, switches.has("together") ? [plain] : plain.map((file) => [file]));
  },
};

type Ingested = Awaited<ReturnType<Terminal["client"]["load"]>>;

async function loadUrl(terminal: Terminal, url: string): Promise<number> {
  const { name } = terminal.words.options;
  if (name === undefined) throw new UsageError("expected --name DATASET for what is fetched");
  const input = { ...inputOf(terminal.words), name, url } as InputOf<typeof ingestd.endpoints.ingest>;
  const answer = await terminal.client.load(input, undefined, { signal: terminal.signal });
  for (const warning of answer.warnings) terminal.remark(warning);
  if (terminal.isForPeople) await terminal.write(`${summaryOf(answer)}\n`);
  else await writeJson(terminal, [answer]);
  return 0;
}

/** Each of `requests` is the files of one. */
async function loadFiles(terminal: Terminal, requests: readonly string[][]): Promise<number> {
  const { isForPeople, remark, write } = terminal;
  const loaded: Ingested[] = [];
  let failed = 0;
  for (const [at, files] of requests.entries()) {
    const file = files.join(", ");
    try {
      const answer = await loadRequest(terminal, files, at > 0);
      loaded.push(answer);
      for (const warning of answer.warnings) remark(`${file}: ${warning}`);
      if (isForPeople) await write(`${summaryOf(answer)}\n`);
    } catch (cause) {
      // Others may be loaded; but where nothing answers, nothing will.
      if (!(cause instanceof LakehouseError) || cause.status === undefined) throw cause;
      remark(`${file}: ${cause.message} (${cause.type})`);
      failed += 1;
    }
  }
  if (!isForPeople) await writeJson(terminal, loaded);
  return failed > 0 ? 1 : 0;
}

const summaryOf = ({ manifest, rows_loaded, rows_rejected, rejects, unchanged }: Ingested): string =>
  `${manifest.name}: ${amountOf(rows_loaded, "rows")}, version ${manifest.version}` +
  (rows_rejected > 0 ? `, ${amountOf(rows_rejected, "rows")} rejected, see ${rejects}` : "") +
  (unchanged ? ", as it was" : "");

async function loadRequest(
  { client, signal, words }: Terminal,
  paths: readonly string[],
  isFurther: boolean,
): Promise<Ingested> {
  const [path = ""] = paths;
  const { name = paths.length > 1 ? undefined : datasetName(path) } = words.options;
  if (name === undefined) throw new UsageError("expected --name DATASET for several files together");
  const isInput = path === "-";
  const empty = paths.find((each) => !isInput && Bun.file(each).size === 0 && statSync(each).isFile());
  if (empty !== undefined)
    throw new LakehouseError("bad_request", `the file is empty${paths.length > 1 ? `: ${empty}` : ""}`, {
      status: 400,
    });
  const size = isInput ? 0 : paths.reduce((sum, each) => sum + Bun.file(each).size, 0);
  const file = isInput ? Bun.stdin : bodyOf(paths);
  const job = crypto.randomUUID();
  const progress = createProgress(`load ${name}`, { unit: "bytes" });
  const headers = { "x-lakehouse-job-id": job };
  const input = { ...inputOf(words), name } as InputOf<typeof ingestd.endpoints.ingest>;
  // Several files under one name are one dataset.
  if (isFurther && words.options.name !== undefined && input.mode === undefined) input.mode = "append";
  const loading = client.load(input, file, { headers, signal });
  const ended = loading.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, Bun.sleep(lookMs)]))) {
    const seen = await client.ingestd.job({ id: job }, { signal }).catch(() => undefined);
    if (seen) progress.step(seen.bytes_in, Math.max(size, seen.bytes_in), seen.state);
  }
  progress.end();
  return loading;
}

/** One file as it is; several as a form, which is made in memory. */
function bodyOf(paths: readonly string[]): BodyInit {
  const [only] = paths;
  if (only !== undefined && paths.length === 1) return Bun.file(only);
  const form = new FormData();
  for (const path of paths) form.append("file", Bun.file(path), basename(path));
  return form;
}

/** Options as the contract has them: the product itself says what is wrong with them. */
function inputOf({ options, switches }: Terminal["words"]): Record<string, unknown> {
  const given = ingestOptions.flatMap((name): [string, string][] => {
    const value = options[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...fromQuery(query, new URLSearchParams(given)),
    ...(switches.has("evolve") && { evolve: true }),
    ...(switches.has("no-header") && { header: false }),
    ...(switches.has("union-by-name") && { union_by_name: true }),
  };
}

/** The dataset's name of a file: `2024-jobs.csv.gz` becomes `_2024_jobs`. */
function datasetName(path: string): string {
  const stem = basename(path).replace(
    /(\.(csv|tsv|txt|ndjson|jsonl|json|parquet|xlsx|xlsm|ods|avro|sqlite3?|db|zip|tar|tgz|gz|zst|zstd))+$/i,
    "",
  );
  // Letters keep what they are below their accents: `Zürich` becomes `zurich`.
  const plain = stem.normalize("NFKD").replace(/\p{M}+/gu, "");
  const name = plain.toLowerCase().replace(/[^a-z0-9_]+/g, "_");
  const whole = /^[a-z_]/.test(name) ? name : `_${name}`;
  if (/[a-z0-9]/.test(whole) && whole.length <= 128) return whole;
  throw new UsageError(`'${path}' gives no name to a dataset; expected --name DATASET`);
}
