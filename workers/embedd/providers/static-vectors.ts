/**
 * The static vectors of tokens: a file in the form of safetensors with one row a token (int8, a scale a row), their
 * weights in it, and the vocabulary. `models/local-2/README.md` says where it comes from.
 */
import { readFile } from "node:fs/promises";
import { fail } from "../../../runtime/errors/errors.ts";
import { readVocabulary, type Vocabulary } from "./word-pieces.ts";

export interface StaticVectors {
  vocabulary: Vocabulary;
  /** Numbers of a row. */
  dimension: number;
  /** Row by row. A token's vector is its row times its scale. */
  rows: Int8Array;
  scales: Float32Array;
}

/** Made by `scripts/static-vectors/distil.py`; whoever changes the file makes another model, with another version. */
const file = new URL("../../../models/local-2/vectors.bin", import.meta.url);
const vectorsSha256 = "dcb867141c1cbbd95c36bf0f9c3b749512b9299248d9b98b0831088a163f3a10";
/** Numbers of a token's vector. */
export const staticDimension = 256;

interface Tensor {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Reads the file that the product ships. Throws `corrupt` when it is not the one that this version was made with. */
export async function readStaticVectors(): Promise<StaticVectors> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw fail("corrupt", `the embedded model cannot be read: ${restore}`, { cause });
  });
  const digest = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  if (digest !== vectorsSha256)
    throw fail("corrupt", `the embedded model's file has another checksum than it was made with: ${restore}`);
  return parse(bytes);
}

const restore = "restore models/local-2/vectors.bin of this version, or name another model";

/** The header's length in 8 bytes, the header in JSON, then the tensors. */
function parse(bytes: Buffer): StaticVectors {
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header: Record<string, Tensor> = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes));
  const part = (name: string) => {
    const { data_offsets: [from, to] = [0, 0] } = header[name] ?? {};
    return bytes.subarray(8 + headerBytes + from, 8 + headerBytes + to);
  };
  const rows = part("rows");
  return {
    vocabulary: readVocabulary(part("vocabulary").toString("utf8")),
    dimension: staticDimension,
    rows: new Int8Array(rows.buffer, rows.byteOffset, rows.byteLength),
    scales: new Float32Array(new Uint8Array(part("scales")).buffer),
  };
}
