/** A model in memory: its tokenizer and its graph, and what they make of texts. It runs in a child process alone. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256Of } from "../durable/durable.ts";
import { fail } from "../errors/errors.ts";
import { loadPackages, type Packages, readJsonFile, type Session, type Tensor } from "./packages.ts";
import { batchesOf, createPieces, type Piece } from "./pieces.ts";
import type { ModelRecord } from "./record.ts";

export interface Loaded {
  record: ModelRecord;
  embed: (texts: readonly string[], signal: AbortSignal) => Promise<Vectors>;
  score: (query: string, texts: readonly string[], signal: AbortSignal) => Promise<Scores>;
  release: () => Promise<void>;
}

interface Vectors {
  vectors: Float32Array<ArrayBuffer>;
  dimension: number;
  tokens: number;
}

interface Scores {
  scores: number[];
  tokens: number;
  cut: number;
}

/** Loads a model as it was added. Throws `corrupt` for a file that is another than it was, `unavailable` without packages. */
export async function loadModel(folder: string, record: ModelRecord, threads: number): Promise<Loaded> {
  for (const [name, { sha256 }] of Object.entries(record.files)) {
    const found = await sha256Of(join(folder, name)).catch((cause: unknown) => {
      throw fail("corrupt", `${name} of model 'onnx/${record.name}' cannot be read: ${addAgain}`, { cause });
    });
    if (found !== sha256)
      throw fail(
        "corrupt",
        `${name} of model 'onnx/${record.name}' is not the file that was added: ${addAgain}`,
      );
  }
  const { session, tokenizer, run } = await openGraph(folder, record.graph, threads);
  const pieces = createPieces(tokenizer, record.window);
  const outputOf = async (batch: readonly Piece[]): Promise<Tensor> => {
    const answer = (await run(batch, [record.output]))[record.output];
    if (answer === undefined)
      throw fail("corrupt", `the graph has no output '${record.output}': ${addAgain}`);
    return answer;
  };

  const embed = async (texts: readonly string[], signal: AbortSignal): Promise<Vectors> => {
    const dimension = record.dimension ?? 0;
    const vectors = new Float32Array(texts.length * dimension);
    const all = texts.flatMap((text, at) => pieces.ofText(text, at));
    for (const batch of batchesOf(all, record.alone)) {
      const output = await outputOf(batch);
      for (const [at, piece] of batch.entries()) {
        const into = vectors.subarray(piece.text * dimension, (piece.text + 1) * dimension);
        addPiece(into, pooled(output, { at, piece, record }), piece.own);
      }
      signal.throwIfAborted();
    }
    for (let at = 0; at < texts.length; at++)
      normalize(vectors.subarray(at * dimension, (at + 1) * dimension));
    return { vectors, dimension, tokens: tokensOf(all) };
  };

  const score = async (query: string, texts: readonly string[], signal: AbortSignal): Promise<Scores> => {
    const { pieces: all, cut } = pieces.ofPairs(query, texts);
    const scores = new Array<number>(texts.length).fill(0);
    for (const batch of batchesOf(all, record.alone)) {
      const { data, dims } = await outputOf(batch);
      const classes = dims.at(-1) ?? 1;
      for (const [at, { text }] of batch.entries()) {
        // Of two classes the second is "relevant": their difference is the logit.
        const logit =
          classes === 2 ? (data[at * 2 + 1] ?? 0) - (data[at * 2] ?? 0) : (data[at * classes] ?? 0);
        // The best piece speaks for its text (MaxP, Dai and Callan 2019).
        scores[text] = Math.max(scores[text] ?? 0, 1 / (1 + Math.exp(-logit)));
      }
      signal.throwIfAborted();
    }
    return { scores, tokens: tokensOf(all), cut };
  };

  return { record, embed, score, release: () => session.release() };
}

const addAgain = "remove the model and add it again (bun run model)";
const tokensOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, { ids }) => sum + ids.length, 0);

/** A graph and its tokenizer, with a way to run pieces through it. */
export async function openGraph(folder: string, graph: string, threads: number) {
  const { runtime, Tokenizer } = await loadPackages();
  const tokenizer = new Tokenizer(
    JSON.parse(await readFile(join(folder, "tokenizer.json"), "utf8")),
    await readJsonFile(folder, "tokenizer_config.json"),
  );
  const session = await runtime.InferenceSession.create(join(folder, graph), {
    executionProviders: ["cpu"],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // The arena keeps what the largest batch took; without it memory is what is in use (measured: ADR 0252).
    enableCpuMemArena: false,
    // Errors alone: it warns of what it optimizes.
    logSeverityLevel: 3,
  });
  const run = (batch: readonly Piece[], outputs?: readonly string[]) =>
    session.run(feedsOf(batch, session, runtime.Tensor), outputs);
  return { session, tokenizer, run };
}

function feedsOf(batch: readonly Piece[], { inputNames }: Session, Numbers: Packages["runtime"]["Tensor"]) {
  const width = batch[0]?.ids.length ?? 0;
  const filled = (numberOf: (piece: Piece, at: number) => number) => {
    const values = new BigInt64Array(batch.length * width);
    for (const [row, piece] of batch.entries())
      for (let at = 0; at < width; at++) values[row * width + at] = BigInt(numberOf(piece, at));
    return new Numbers("int64", values, [batch.length, width]);
  };
  const all: Record<string, () => Tensor> = {
    input_ids: () => filled(({ ids }, at) => ids[at] ?? 0),
    attention_mask: () => filled(() => 1),
    token_type_ids: () => filled(({ types }, at) => types[at] ?? 0),
    position_ids: () => filled((_, at) => at),
  };
  return Object.fromEntries(
    inputNames.map((name) => {
      const make = all[name];
      if (make === undefined)
        throw fail(
          "unprocessable",
          `the graph wants an input '${name}': ${Object.keys(all).join(", ")} are known`,
        );
      return [name, make()];
    }),
  );
}

/** One piece's vector, of length 1. */
function pooled(
  { data, dims }: Tensor,
  { at, piece, record: { pooling } }: { at: number; piece: Piece; record: ModelRecord },
): Float32Array {
  const dimension = dims.at(-1) ?? 0;
  if (pooling === "none") return normalize(data.slice(at * dimension, (at + 1) * dimension));
  const width = dims[1] ?? 0;
  const rowOf = (place: number) => {
    const from = (at * width + place) * dimension;
    return data.subarray(from, from + dimension);
  };
  if (pooling === "cls") return normalize(rowOf(0).slice());
  if (pooling === "last") return normalize(rowOf(piece.ids.length - 1).slice());
  const sum = new Float32Array(dimension);
  for (let place = 0; place < piece.ids.length; place++) addPiece(sum, rowOf(place), 1);
  return normalize(sum);
}

/** A long text's vector is the mean of its pieces', by their lengths. */
function addPiece(into: Float32Array, vector: Float32Array, weight: number): void {
  for (let at = 0; at < into.length; at++) into[at] = (into[at] as number) + weight * (vector[at] as number);
}

function normalize(vector: Float32Array): Float32Array {
  let square = 0;
  for (const number of vector) square += number * number;
  const length = Math.sqrt(square);
  if (length > 0) for (let at = 0; at < vector.length; at++) vector[at] = (vector[at] as number) / length;
  return vector;
}
