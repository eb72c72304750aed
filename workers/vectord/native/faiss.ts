/** The only file that knows FAISS, through faiss-node; loaded when the first index needs it. */

import { closeSync, openSync, readFileSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Index } from "faiss-node";
import { storageError } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { root } from "../../../runtime/program/program.ts";
import { writeByMemory } from "../../../runtime/system/system.ts";
import { type EngineSpec, norm, probesFor } from "../engine/engine.ts";
import type { SharedRows } from "../rows/rows.ts";
import { type Graph, noRow } from "./graph.ts";

type Faiss = typeof import("faiss-node");

const innerProduct = 0;
const squaredL2 = 1;

/** The binding is built by scripts/setup/setup.ts, and not on every machine. Throws `unavailable` that names the fix. */
export function loadFaiss(): Faiss {
  try {
    return createRequire(join(root, "package.json"))("faiss-node") as Faiss;
  } catch (cause) {
    const fix =
      "install FAISS and a C++ compiler (Debian: apt-get install libfaiss-dev libopenblas-dev g++), then run: bun scripts/faiss/faiss.ts";
    throw fail(
      "unavailable",
      `FAISS is not available on this machine; types hnsw and flat work without it. To get it: ${fix}`,
      {
        cause,
      },
    );
  }
}

/** The binding takes plain arrays. Cosine is the inner product of vectors of length 1. */
function plainArray(vectors: Float32Array, { metric, dimension }: EngineSpec): number[] {
  const list = new Array<number>(vectors.length);
  for (let row = 0; row < vectors.length; row += dimension) {
    const scale = metric === "cosine" ? 1 / (norm(vectors, row, dimension) || 1) : 1;
    for (let i = row; i < row + dimension; i++) list[i] = (vectors[i] as number) * scale;
  }
  return list;
}

/**
 * Writes an index without rows that is ready to take them. FAISS trains it with the sample where its type needs
 * that, which may take seconds: see faiss/learning.ts. Throws `bad_request` for a type that FAISS does not make at this dimension.
 */
export function writeFaissStart(spec: EngineSpec, factory: string, sample: Float32Array, path: string): void {
  const index = makeIndex(spec, factory);
  if (!index.isTrained()) index.train(plainArray(sample, spec));
  writeIndex(index, path);
  tune(path, spec, listsOf(factory));
}

const listsOf = (factory: string): number => Number(/IVF(\d+)/.exec(factory)?.[1] ?? 0);

/** Refuses a type that FAISS does not make at this dimension, before there are rows. */
export function probeFaissType(spec: EngineSpec, factory: string): void {
  makeIndex(spec, factory);
}

function makeIndex(spec: EngineSpec, factory: string): Index {
  const { Index: FaissIndex } = loadFaiss();
  try {
    return FaissIndex.fromFactory(spec.dimension, factory, spec.metric === "l2" ? squaredL2 : innerProduct);
  } catch (cause) {
    const why = cause instanceof Error ? (/(?:.*Error: )?(.*)$/s.exec(cause.message)?.[1] ?? "") : "";
    const message = `FAISS makes no '${factory}' at dimension ${spec.dimension}: ${why.trim()}`;
    throw fail("bad_request", message, { cause });
  }
}

/**
 * The binding has no setter for probes and candidates, but a file without rows has both: these are FAISS's defaults of
 * candidates while building, of candidates while searching, and the field after them.
 */
const hnswFields = Buffer.from(new Int32Array([40, 16, 1]).buffer);

/** Sets `nprobe` and `efConstruction` in a file without rows, where FAISS keeps them. */
function tune(path: string, spec: EngineSpec, lists: number): void {
  const bytes = readFileSync(path);
  const patch = (at: number, field: Uint8Array) => {
    const file = openSync(path, "r+");
    try {
      writeSync(file, field, 0, field.length, at);
    } finally {
      closeSync(file);
    }
  };
  const at = nprobeOffset(bytes, lists);
  if (at !== undefined)
    patch(at, new Uint8Array(new BigUint64Array([BigInt(Math.min(probesFor(spec), lists))]).buffer));
  const graph = bytes.indexOf(hnswFields);
  if (graph >= 0) {
    const { ef_construction, ef_search } = spec;
    patch(graph, new Uint8Array(new Int32Array([ef_construction, ef_search]).buffer));
  }
}

/** Where the file keeps the probes: behind the header of its IVF section, which a transform may stand before. */
function nprobeOffset(bytes: Buffer, lists: number): number | undefined {
  // fourcc 4, d 4, ntotal 8, two unused 8, is_trained 1, metric 4, nlist 8, nprobe 8.
  const header = 37;
  for (let at = bytes.indexOf("Iw"); at >= 0; at = bytes.indexOf("Iw", at + 1)) {
    if (at + header + 16 > bytes.length) return undefined;
    const isHere =
      bytes.readBigUInt64LE(at + header) === BigInt(lists) && bytes.readBigUInt64LE(at + header + 8) === 1n;
    if (isHere) return at + header + 8;
  }
  return undefined;
}

/** FAISS ends the process when a write fails: so it writes to memory. */
const writeIndex = (index: Index, path: string): void => {
  try {
    writeByMemory(path, (file) => index.write(file));
  } catch (cause) {
    rmSync(path, { force: true });
    throw storageError(cause, "write the FAISS index");
  }
};

/** FAISS's first bytes of a file are the type of the index. */
function checkStart(path: string): void {
  const file = openSync(path, "r");
  const start = Buffer.alloc(4);
  readSync(file, start, 0, 4, 0);
  closeSync(file);
  if (!/^I[A-Za-z0-9]{3}$/.test(start.toString("latin1")))
    throw fail("corrupt", "the file holds no FAISS index");
}

/** Opens a file of `writeFaissStart` or `write`, which must be whole: FAISS ends the process at some damage. */
export function openFaiss(spec: EngineSpec, shared: SharedRows, path: string): Graph {
  const { Index: FaissIndex } = loadFaiss();
  checkStart(path);
  const index = FaissIndex.read(path);
  if (index.getDimension() !== spec.dimension) {
    throw fail(
      "corrupt",
      `the FAISS index has dimension ${index.getDimension()}, expected ${spec.dimension}`,
    );
  }
  const emptyBytes = statSync(path).size;
  const rowBytes = bytesOfRow(spec);
  const bytes = () => emptyBytes + index.ntotal() * rowBytes;
  return {
    covered: () => index.ntotal(),
    add: (to) => {
      const from = index.ntotal();
      index.add(plainArray(shared.range(from, to), spec));
    },
    // Codes and ranges round as they like: all candidates are scored again.
    scored: (_, wanted) => wanted,
    search: (queries, wanted) => {
      // The binding refuses to be asked for more than there is.
      const asked = Math.min(wanted, index.ntotal());
      const { labels } = index.search(plainArray(queries, spec), asked);
      const count = queries.length / spec.dimension;
      const rows = new Uint32Array(count * asked);
      for (let at = 0; at < rows.length; at++) {
        const label = labels[at] as number;
        rows[at] = label < 0 ? noRow : label;
      }
      return { rows, wanted: asked };
    },
    write: (file) => writeIndex(index, file),
    bytes,
  };
}

/** An upper bound: f32 as it is, and the links of a graph. */
const bytesOfRow = ({ dimension, type, connectivity }: EngineSpec): number => {
  const links = /hnsw/i.test(type) ? connectivity * 8 + 16 : 8;
  const stored = /pq/i.test(type) ? dimension / 8 : /SQ[468]/.test(type) ? dimension : dimension * 4;
  return Math.round(stored + links);
};
