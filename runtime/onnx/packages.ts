/** The packages of `models/onnx`, as far as they are used here: they are not the product's, so their types are not there. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../errors/errors.ts";
import { root } from "../program/program.ts";

export interface Tensor {
  data: Float32Array;
  dims: readonly number[];
  dispose: () => void;
}

export interface Session {
  inputNames: readonly string[];
  outputNames: readonly string[];
  run: (feeds: Record<string, Tensor>, fetches?: readonly string[]) => Promise<Record<string, Tensor>>;
  release: () => Promise<void>;
}

interface OnnxRuntime {
  env: { logLevel?: "error" };
  InferenceSession: { create: (path: string, options: object) => Promise<Session> };
  Tensor: new (type: "int64", data: BigInt64Array, dims: readonly number[]) => Tensor;
}

interface Encoding {
  ids: number[];
  token_type_ids?: number[];
}

export interface Tokenizer {
  encode: (
    text: string,
    options?: { text_pair?: string; add_special_tokens?: boolean; return_token_type_ids?: boolean },
  ) => Encoding;
}

export interface Packages {
  runtime: OnnxRuntime;
  Tokenizer: new (tokenizer: object, config: object) => Tokenizer;
}

/** Where they are installed. */
export const packagesFolder = join(root, "models/onnx");

/** Throws `unavailable` where they are not installed. */
export async function loadPackages(): Promise<Packages> {
  const load = async (name: string): Promise<unknown> => import(Bun.resolveSync(name, packagesFolder));
  try {
    const [runtime, { Tokenizer }] = await Promise.all([
      load("onnxruntime-node") as Promise<OnnxRuntime>,
      load("@huggingface/tokenizers") as Promise<Pick<Packages, "Tokenizer">>,
    ]);
    // It warns of each device that a confined process cannot see.
    runtime.env.logLevel = "error";
    return { runtime, Tokenizer };
  } catch (cause) {
    throw fail(
      "unavailable",
      `the packages that run ONNX models cannot be loaded: bun run model add installs them into models/onnx (${String(cause).slice(0, 300)})`,
      { cause },
    );
  }
}

/** JSON of a model's folder, or an empty object where the file is not there. */
export async function readJsonFile(folder: string, name: string): Promise<object> {
  const text = await readFile(join(folder, name), "utf8").catch(() => undefined);
  return text === undefined ? {} : Object(JSON.parse(text));
}
