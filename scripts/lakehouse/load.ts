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
const ingestOptions = Object.keys(query.properties).filter((name) => name !== "evolve" && name !== "header");

const usage = `  load FILE… [--name DATASET] [--mode replace|append|upsert] [--key COLUMN] [--evolve] [--no-header] [--${["types", "delimiter", "on_error"].join(" …] [--")} …]
                CSV, NDJSON or Parquet, gzip and zstd too, each a dataset named as its file; with --name all are one.
                Every option of POST /v1/ingest is one here
  load - --name DATASET   the same of the input
  load PLACE --corpus NAME [--metadata JSON] [--again]
                a folder with all below it, or one file, as documents of a corpus: PDF, DOCX, ODT, PPTX, HTML, Markdown,
                text, EML, and zip or tar of them. What is there as it is is left out, but for --again`;

/** How often a job is looked at, in milliseconds. */
const lookMs = 300;

export const load: Command = {
  usage,
  options: [...ingestOptions, "corpus", "metadata"],
  switches: ["again", "evolve", "no-header"],
  run: async (terminal) => {
    const { plain, options } = terminal.words;
    if (plain.length === 0) throw new UsageError(`expected files, or a folder and --corpus\n${usage}`);
    if (plain.includes("-")) {
      if (plain.length > 1 || options.name === undefined || options.corpus !== undefined)
        throw new UsageError("'-' is the input: expected it alone, with --name DATASET");
      return loadFiles(terminal, plain);
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
    return loadFiles(terminal, plain);
  },
};

type Ingested = Awaited<ReturnType<Terminal["client"]["load"]>>;

async function loadFiles(terminal: Terminal, files: readonly string[]): Promise<number> {
  const { isForPeople, remark, write } = terminal;
  const loaded: Ingested[] = [];
  let failed = 0;
  for (const [at, file] of files.entries()) {
    try {
      const answer = await loadFile(terminal, file, at > 0);
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

async function loadFile(
  { client, signal, words }: Terminal,
  path: string,
  isFurther: boolean,
): Promise<Ingested> {
  const { name = datasetName(path) } = words.options;
  const file = path === "-" ? Bun.stdin : Bun.file(path);
  if (file.size === 0 && path !== "-" && statSync(path).isFile())
    throw new LakehouseError("bad_request", "the file is empty", { status: 400 });
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
    if (seen) progress.step(seen.bytes_in, Math.max(file.size, seen.bytes_in), seen.state);
  }
  progress.end();
  return loading;
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
  };
}

/** The dataset's name of a file: `2024-jobs.csv.gz` becomes `_2024_jobs`. */
function datasetName(path: string): string {
  const stem = basename(path).replace(/(\.(csv|tsv|txt|ndjson|jsonl|json|parquet|gz|zst|zstd))+$/i, "");
  // Letters keep what they are below their accents: `Zürich` becomes `zurich`.
  const plain = stem.normalize("NFKD").replace(/\p{M}+/gu, "");
  const name = plain.toLowerCase().replace(/[^a-z0-9_]+/g, "_");
  const whole = /^[a-z_]/.test(name) ? name : `_${name}`;
  if (/[a-z0-9]/.test(whole) && whole.length <= 128) return whole;
  throw new UsageError(`'${path}' gives no name to a dataset; expected --name DATASET`);
}
