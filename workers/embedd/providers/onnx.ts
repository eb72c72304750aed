/** Models in ONNX's form that `bun run model add` has put into embedd's directory, run in a child process (ADR 0252). */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fail } from "../../../runtime/errors/errors.ts";
import { noModel, onnxProvider } from "../../../runtime/models/models.ts";
import {
  createOnnxEngine,
  listModelRecords,
  type ModelRecord,
  modelName,
  readModelRecord,
} from "../../../runtime/onnx/onnx.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Provider } from "./provider.ts";

interface OnnxProvider extends Provider {
  stop: () => Promise<void>;
}

/** Starts nothing before a model of it is asked for; models that are added meanwhile are there at once. */
export function createOnnx({ config, directory, clock, log, metrics }: OnnxOptions): OnnxProvider {
  const folder = join(directory, "models");
  const { onnx_threads: threads, onnx_max_bytes: memoryBytesMax } = config.embedd;
  const engine = createOnnxEngine({
    directory: folder,
    threads: threads === 0 ? Math.max(1, Math.floor(availableParallelism() / 2)) : threads,
    memoryBytesMax,
    clock,
    log,
    metrics,
  });

  const folderOf = async (name: string, kind: ModelRecord["kind"]): Promise<string> => {
    const own = join(folder, name);
    const record = modelName.test(name) ? await readModelRecord(own) : undefined;
    if (record === undefined) throw await absent(name);
    if (record.kind === kind) return own;
    throw fail(
      "not_found",
      kind === "embedding"
        ? `'${onnxProvider}/${name}' scores texts for a query and makes no vectors: POST /rerank takes it`
        : `'${onnxProvider}/${name}' makes vectors and is no cross-encoder: expected a model that scores texts for a query`,
      { details: noModel },
    );
  };
  const absent = async (name: string) => {
    const there = (await listModelRecords(folder)).map((record) => `${onnxProvider}/${record.name}`);
    return fail(
      "not_found",
      `there is no model '${onnxProvider}/${name}': bun run model add adds one; there is ${there.join(", ") || "none"}`,
      { details: noModel },
    );
  };

  void tellOfTooLarge(folder, memoryBytesMax, log).catch((cause) =>
    log.warn("the models that were added cannot be listed", describe(cause)),
  );
  return {
    name: onnxProvider,
    // Small calls, so that a short text waits for no long list: 64 of 70 tokens take a second of a slow core.
    limits: { texts: 64, bytes: 64 * 1024, calls: 1 },
    open: false,
    embed: async ({ name, texts, signal }) => {
      const { vectors, dimension, tokens } = await engine.embed(
        await folderOf(name, "embedding"),
        texts,
        signal,
      );
      const all = new Float32Array(vectors.slice().buffer);
      return {
        vectors: texts.map((_, at) => all.slice(at * dimension, (at + 1) * dimension)),
        tokens,
      };
    },
    rerank: async ({ name, query, texts, signal }) =>
      engine.score(await folderOf(name, "reranker"), query, texts, signal),
    versionOf: async (name) => {
      const record = modelName.test(name) ? await readModelRecord(join(folder, name)) : undefined;
      return record && Bun.hash(JSON.stringify(madeOf(record))).toString(36);
    },
    models: async () =>
      (await listModelRecords(folder)).map(({ name, kind, dimension, window }) => ({
        name,
        window,
        ...(dimension !== undefined && { dimension }),
        ...(kind === "reranker" && { reranks: true }),
      })),
    stop: () => engine.stop(),
  };
}

/** All that its vectors depend on: the sums of its files, and how they are read. */
const madeOf = ({ files, graph, output, pooling, alone, window }: ModelRecord) => [
  Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)),
  graph,
  output,
  pooling,
  alone,
  window,
];

/** A model that took more when it was added than it may have here is refused when it is asked for: a start says so before. */
async function tellOfTooLarge(folder: string, bytesMax: number, log: Deps["log"]): Promise<void> {
  for (const { name, measured } of await listModelRecords(folder))
    if (measured.memory_bytes > bytesMax)
      log.warn("a model does not fit into embedd.onnx_max_bytes, and will be refused when it is asked for", {
        model: `${onnxProvider}/${name}`,
        memory_bytes: measured.memory_bytes,
        onnx_max_bytes: bytesMax,
      });
}

type OnnxOptions = Pick<Deps, "config" | "directory" | "clock" | "log" | "metrics">;
