/**
 * `bun run model add SOURCE | list | remove NAME`: sentence models and cross-encoders in ONNX's form, which embedd runs in a
 * process of its own as `onnx/NAME`. A running embedd has what was added at once. Ends with 0, 1 when it could not be
 * done, and 2 when the command is wrong.
 */
import { existsSync, rmSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { listModelRecords, type ModelRecord, modelName } from "../../runtime/onnx/onnx.ts";
import { type Arguments, configOf, parseArguments, UsageError } from "../command-line/command-line.ts";
import { addModel } from "./adding.ts";
import { installPackages } from "./packages.ts";
import { folderSource, hubSource, type Source } from "./source.ts";

const usage = `usage: bun run model add SOURCE [--name NAME] [--file PATH] [--sha256 HEX] [--revision REV] | list | remove NAME   [--config FILE] [--SECTION.KEY=VALUE …]
  add         fetches or copies a model, checks it, measures it and makes it onnx/NAME
  SOURCE      a folder with an .onnx file and tokenizer.json, as ./minilm, or OWNER/NAME on the hub of HF_ENDPOINT (https://huggingface.co)
  --name      lower-case letters, digits, '.', '_' and '-'; that of the source unless given
  --file      the graph, where there are several, as onnx/model.onnx; one in 8 bits unless given
  --sha256    what the graph's SHA-256 must be
  --revision  of the hub's repository; main unless given
  list        what was added, with its figures
  remove      takes a model away; corpora and indexes that were built with it cannot be searched by text any more`;

const say = (line: string): void => void process.stderr.write(`model: ${line}\n`);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(words: string[]): Promise<number> {
  const read = parseArguments(words, {
    options: ["name", "file", "sha256", "revision"],
    switches: ["help"],
    usage,
  });
  if (read.switches.has("help")) print(usage);
  else await perform(read);
  return 0;
}

async function perform(read: Arguments): Promise<void> {
  const config = configOf(read);
  const directory = join(resolve(config.data_dir), "embedd", "models");
  const [verb, what, ...more] = read.plain;
  if (more.length > 0 || (what === undefined) !== (verb === "list"))
    throw new UsageError(`expected add SOURCE, list or remove NAME\n${usage}`);
  if (verb === "list") return list(directory);
  if (verb === "remove" && what !== undefined) return remove(directory, what);
  if (verb !== "add" || what === undefined) throw new UsageError(`unexpected '${verb}'\n${usage}`);
  const { sha256, file } = read.options;
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256))
    throw new UsageError("--sha256: expected 64 digits of 0 to 9 and a to f");
  const name = read.options.name ?? basename(resolve(what)).toLowerCase();
  if (!modelName.test(name))
    throw new UsageError(
      `'${name}' is no name for a model: give --name lower-case letters, digits, '.', '_' or '-'`,
    );
  const source = await sourceOf(what, read.options.revision);
  await installPackages(say);
  const record = await addModel({ name, source, file, sha256, directory, settings: config.embedd, say });
  print(lineOf(record));
}

async function sourceOf(what: string, revision: string | undefined): Promise<Source> {
  if (existsSync(what)) {
    if (revision !== undefined) throw new UsageError("--revision is a hub's: a folder has none");
    if (!statSync(what).isDirectory())
      throw new UsageError(`'${what}' is a file: expected the folder that has it, with its tokenizer.json`);
    return folderSource(resolve(what));
  }
  if (!/^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(what))
    throw new UsageError(`there is no folder '${what}', and a repository of a hub is OWNER/NAME`);
  const url = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  say(`there is no folder '${what}': it is asked for at ${new URL(url).host}`);
  return hubSource({ url, repository: what, revision: revision ?? "main" });
}

async function list(directory: string): Promise<void> {
  const records = await listModelRecords(directory);
  if (records.length === 0) say(`no model was added to ${directory}`);
  for (const record of records) print(lineOf(record));
}

function remove(directory: string, given: string): void {
  const name = given.replace(/^onnx\//, "");
  const folder = join(directory, name);
  if (!modelName.test(name) || !existsSync(folder))
    throw new Error(`there is no model 'onnx/${name}' in ${directory}: bun run model list`);
  rmSync(folder, { recursive: true });
  print(`onnx/${name} was removed`);
}

const lineOf = ({ name, kind, dimension, window, measured, files }: ModelRecord): string => {
  const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, 0);
  const numbers = dimension === undefined ? "" : `, ${dimension} numbers`;
  return [
    `onnx/${name}: ${kind}${numbers}, window ${window} tokens, ${(bytes / 1e6).toFixed(1)} MB on disk`,
    `${measured.texts_per_second} texts of 12 words a second (${measured.tokens_per_second} tokens) on ${measured.threads} of the processors`,
    `${Math.round(measured.memory_bytes / 1e6)} MB of memory`,
  ].join("; ");
};

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (cause) {
    say(cause instanceof Error ? cause.message : String(cause));
    process.exitCode = cause instanceof UsageError ? 2 : 1;
  }
}
