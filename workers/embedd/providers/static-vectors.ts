/**
 * The static vectors of tokens: a file in the form of safetensors with one row a token (int8, a scale a row), their
 * weights in it, and the vocabulary; and another of what `local-3` adds to it. `models/` says where they come from.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../../runtime/errors/errors.ts";
import { root } from "../../../runtime/program/program.ts";
import { readVocabulary, type Vocabulary } from "./word-pieces.ts";

export interface StaticVectors {
  vocabulary: Vocabulary;
  /** Numbers of a row. */
  dimension: number;
  /** Row by row. A token's vector is its row times its scale. */
  rows: Int8Array;
  scales: Float32Array;
}

/** Made by `scripts/static-vectors/`; whoever changes a file makes another model, with another version. */
const base = {
  path: "models/local-2/vectors.bin",
  sha256: "dcb867141c1cbbd95c36bf0f9c3b749512b9299248d9b98b0831088a163f3a10",
};
const changes = {
  path: "models/local-3/changes.bin",
  sha256: "6953292509595e6020c80c3166811d30e146e03844a39f6050f9e4654f958ae5",
};
/** Numbers of a token's vector. */
export const staticDimension = 256;

interface Tensor {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/**
 * Reads what the product ships: `local-2`, or with the changes to it `local-3`. Throws `corrupt` when a file is not the
 * one that this version was made with.
 */
export async function readStaticVectors(version: "present" | "earlier" = "present"): Promise<StaticVectors> {
  const part = parse(await readChecked(base));
  const rows = part("rows");
  const vectors = {
    vocabulary: readVocabulary(part("vocabulary").toString("utf8")),
    dimension: staticDimension,
    rows: new Int8Array(rows.buffer, rows.byteOffset, rows.byteLength),
    scales: floats(part("scales")),
  };
  if (version === "present") change(vectors, parse(await readChecked(changes)));
  return vectors;
}

async function readChecked({ path, sha256 }: typeof base): Promise<Buffer> {
  const restore = `restore ${path} of this version, or name another model`;
  const bytes = await readFile(join(root, path)).catch((cause: unknown) => {
    throw fail("corrupt", `the embedded model cannot be read: ${restore}`, { cause });
  });
  if (new Bun.CryptoHasher("sha256").update(bytes).digest("hex") !== sha256)
    throw fail("corrupt", `the embedded model's file has another checksum than it was made with: ${restore}`);
  return bytes;
}

type Part = (name: string) => Buffer;

/** The header's length in 8 bytes, the header in JSON, then the tensors. */
function parse(bytes: Buffer): Part {
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header: Record<string, Tensor> = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes));
  return (name) => {
    const { data_offsets: [from, to] = [0, 0] } = header[name] ?? {};
    return bytes.subarray(8 + headerBytes + from, 8 + headerBytes + to);
  };
}

/** Copied, for they need not lie at a multiple of four. */
const floats = (bytes: Buffer): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);

/** Adds to each row that changed its numbers of four bits, two in a byte, the lower first, and rounds it to eight bits anew. */
function change({ rows, scales }: StaticVectors, part: Part): void {
  const tokens = new Uint16Array(new Uint8Array(part("tokens")).buffer);
  const [steps, small] = [floats(part("scales")), part("rows")];
  const sum = new Float64Array(staticDimension);
  for (const [at, token] of tokens.entries()) {
    const row = rows.subarray(token * staticDimension, (token + 1) * staticDimension);
    let most = 0;
    for (let place = 0; place < staticDimension; place++) {
      const byte = small[(at * staticDimension + place) >> 1] as number;
      const added = ((place & 1) === 0 ? byte & 15 : byte >> 4) - 8;
      const number = (row[place] as number) * (scales[token] as number) + added * (steps[at] as number);
      sum[place] = number;
      most = Math.max(most, Math.abs(number));
    }
    const scale = Math.fround(most / 127) || 1;
    scales[token] = scale;
    for (let place = 0; place < staticDimension; place++)
      row[place] = Math.round((sum[place] as number) / scale);
  }
}
