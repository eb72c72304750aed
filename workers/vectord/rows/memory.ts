/** What indexes take in memory, for the budget. Estimates that are rather too high: a process that is full dies. */
import { heapBytes } from "../../../runtime/memory/memory.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import type { Metadata, Upserts } from "./batch.ts";

/** Map entry, array slots, sequence and the id's own head; 135 bytes of heap over 200,000 rows, and the collector's slack. */
const tablesBytes = 200;
/** Heap of a byte of JSON: 1.4 where texts are long, 5 where objects are nested and small. */
const heapPerJsonByte = 4;
const scalarBytes = { f32: 4, bf16: 2, i8: 1, b1: 1 / 8 } as const;
/** Of a row on disk, its checksum. */
const placeBytes = 4;

/** Bytes of a row on the heap. */
export const heapOfRow = (id: string, metadata: Metadata | undefined): number =>
  tablesBytes + id.length + (metadata === undefined ? 0 : heapBytes(metadata));

/** A vector as 32-bit floats, unless it is on disk, and what the engine keeps of it. */
export const bytesOfVector = (config: IndexConfig): number =>
  (isOnDisk(config) ? placeBytes : config.dimension * 4) + engineBytes(config);

export const isOnDisk = ({ memory }: Pick<IndexConfig, "memory">): boolean =>
  memory !== undefined && memory !== "all";

function engineBytes(config: IndexConfig): number {
  const { type, dimension, quantization, connectivity, memory, engine } = config;
  if (engine !== undefined) return 0;
  if (memory === "codes") return Math.ceil(dimension / 32) * 4;
  if (type === "flat") return 0;
  const links = /hnsw/i.test(type) ? connectivity * 12 + 128 : 16;
  if (type === "hnsw") return dimension * scalarBytes[quantization] + links;
  return dimension * 4 + links;
}

/** What these rows take; of those on disk, what is in memory still. */
export const bytesOfRows = (
  config: IndexConfig,
  rows: { total: () => number; bytes: () => number; blocks: { bytes: () => number } },
): number =>
  rows.total() * bytesOfVector(config) + rows.bytes() + (isOnDisk(config) ? rows.blocks.bytes() : 0);

/** What items will take. */
export function bytesOfItems(config: IndexConfig, { ids, metadata }: Upserts): number {
  const vector = bytesOfVector(config) + (isOnDisk(config) ? config.dimension * 4 : 0);
  let bytes = ids.length * vector;
  for (const [at, id] of ids.entries()) bytes += heapOfRow(id, metadata[at]);
  return bytes;
}

/** What an index will take once it is read: `rows` at most, `bytes` in storage. */
export function bytesOfStored(config: IndexConfig, { rows, bytes }: { rows: number; bytes: number }): number {
  const texts = Math.max(0, bytes - rows * config.dimension * 4);
  return rows * (bytesOfVector(config) + tablesBytes) + texts * heapPerJsonByte;
}

/** Rows that so many bytes of segments can hold: an id takes five bytes at least, and an entry of metadata four. */
export const rowsWithin = (bytes: number, dimension: number): number =>
  Math.floor(bytes / (dimension * 4 + 9));
