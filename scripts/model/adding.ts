/** Adds a model: its files are copied aside and checked, it is loaded and measured, and moved into place whole. */
import { existsSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import type { Config } from "../../runtime/config/config.ts";
import { makeDirectory, sha256Of, syncDirectory, syncFile } from "../../runtime/durable/durable.ts";
import { createOnnxEngine, type ModelRecord, type OnnxEngine, recordFile } from "../../runtime/onnx/onnx.ts";
import { systemClock } from "../../runtime/scheduling/scheduling.ts";
import { createLog, createMetrics } from "../../runtime/telemetry/telemetry.ts";
import { poolingOf, windowOf } from "./facts.ts";
import { dependsOnBatch, measure } from "./measure.ts";
import { graphOf, type Source } from "./source.ts";

export interface Adding {
  name: string;
  source: Source;
  /** The graph's path in the source, where one was chosen. */
  file: string | undefined;
  /** What the graph's SHA-256 must be. */
  sha256: string | undefined;
  /** Where models are: `<data_dir>/embedd/models`. */
  directory: string;
  settings: Config["embedd"];
  say: (line: string) => void;
}

/** Answers the record. Throws, and leaves nothing, for a model that cannot be run here. */
export async function addModel({ name, source, directory, ...adding }: Adding): Promise<ModelRecord> {
  const target = join(directory, name);
  if (existsSync(target))
    throw new Error(`there is a model 'onnx/${name}' already: remove it first, or give --name another`);
  await makeDirectory(directory);
  const aside = join(directory, `.adding-${crypto.randomUUID()}`);
  await makeDirectory(aside);
  try {
    const record = await prepared(aside, { name, source, directory, ...adding });
    writeFileSync(join(aside, recordFile), `${JSON.stringify(record, undefined, 2)}\n`);
    await syncFile(join(aside, recordFile));
    await syncDirectory(aside);
    renameSync(aside, target);
    await syncDirectory(directory);
    return record;
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

async function prepared(
  aside: string,
  { name, source, file, sha256, directory, settings, say }: Adding,
): Promise<ModelRecord> {
  if (!source.files.has("tokenizer.json"))
    throw new Error(
      `${source.title} has no tokenizer.json: expected a model as sentence-transformers writes it`,
    );
  const graph = graphOf(source, file);
  const weights = [...source.files.keys()].filter((path) => path !== graph && path.startsWith(graph));
  const wanted = [graph, ...weights, "tokenizer.json", "tokenizer_config.json"].filter((path) =>
    source.files.has(path),
  );
  const total = wanted.reduce((sum, path) => sum + (source.files.get(path) ?? 0), 0);
  say(`${source.title}: ${wanted.join(", ")}, ${(total / 1e6).toFixed(1)} MB`);
  const files: ModelRecord["files"] = {};
  for (const path of wanted) {
    const to = join(aside, basename(path));
    await source.copy(path, to);
    await syncFile(to);
    files[basename(path)] = { bytes: statSync(to).size, sha256: await sha256Of(to) };
  }
  const own = files[basename(graph)]?.sha256 ?? "";
  if (sha256 !== undefined && sha256 !== own)
    throw new Error(`--sha256: ${graph} has ${own}, expected ${sha256}: nothing was added`);
  say(`SHA-256 of ${graph}: ${own}`);
  const threads = settings.onnx_threads || Math.max(1, Math.floor(availableParallelism() / 2));
  const engine = createOnnxEngine({
    directory,
    threads,
    memoryBytesMax: settings.onnx_max_bytes,
    clock: systemClock,
    log: createLog("model", "warn"),
    metrics: createMetrics(),
  });
  try {
    const kind = await kindOf(engine, aside, { graph: basename(graph), source });
    const first: ModelRecord = {
      format: 1,
      name,
      graph: basename(graph),
      ...kind,
      alone: false,
      window: await windowOf(source),
      source: source.title,
      added_at: new Date().toISOString(),
      files,
      measured: { texts_per_second: 0, tokens_per_second: 0, memory_bytes: 1, threads },
    };
    // The child reads it there.
    const written = (record: ModelRecord) => {
      writeFileSync(join(aside, recordFile), JSON.stringify(record));
      return record;
    };
    const alone = await dependsOnBatch(engine, aside, written(first));
    const record = written({ ...first, alone });
    return { ...record, measured: { ...(await measure(engine, aside, record)), threads } };
  } finally {
    await engine.stop();
  }
}

/** By what the graph answers: vectors of tokens or of the text, or one or two numbers. */
async function kindOf(
  engine: OnnxEngine,
  folder: string,
  { graph, source }: { graph: string; source: Source },
): Promise<Pick<ModelRecord, "kind" | "output" | "pooling" | "dimension">> {
  const { outputs, tokens } = await engine.look(folder, graph, new AbortController().signal);
  const find = (fits: (sizes: readonly number[], name: string) => boolean) =>
    outputs.find(({ name, sizes }) => fits(sizes, name));
  const scores = find(
    ([, classes, ...more], name) => name === "logits" && more.length === 0 && (classes ?? 9) <= 2,
  );
  if (scores) return { kind: "reranker", output: scores.name, pooling: "none" };
  const whole = find(
    ([, size = 0, ...more], name) => /sentence_embedding/.test(name) && more.length === 0 && size > 2,
  );
  if (whole)
    return { kind: "embedding", output: whole.name, pooling: "none", dimension: whole.sizes[1] ?? 0 };
  const each = find(
    ([, length, size, ...more]) => length === tokens && size !== undefined && more.length === 0,
  );
  if (each)
    return {
      kind: "embedding",
      output: each.name,
      pooling: await poolingOf(source),
      dimension: each.sizes[2] ?? 0,
    };
  const found = outputs.map(({ name, sizes }) => `${name} [${sizes.join(", ")}]`).join(", ");
  throw new Error(
    `the graph answers ${found}: expected vectors of tokens [texts, tokens, numbers], 'sentence_embedding' [texts, numbers], or 'logits' [texts, 1 or 2]`,
  );
}
