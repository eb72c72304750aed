/** Parquet files as engines write them into the warehouse, of what a statement of DuckDB gives. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Peer } from "../../../runtime/contract/endpoints.ts";
import type { Storaged } from "../../../workers/storaged/contract.ts";
import { temporaryDirectory } from "../stacks/in-process.ts";
import { type AddedFile, inWarehouse } from "./open-tables.ts";

export interface EngineFiles {
  /** Writes it to this key; `ids` as DuckDB takes FIELD_IDS. */
  write: (key: string, select: string, ids?: string) => Promise<{ rows: number; bytes: number }>;
  /** In the table's `data/`, as a snapshot adds it. */
  file: (location: string, select: string, ids?: string) => Promise<AddedFile>;
  /** Values of the rows of a file at this address. */
  rows: (address: string) => Promise<unknown[][]>;
  close: () => void;
}

/** The blob of these positions, of which there are a few below 65,536, ascending (Puffin, `deletion-vector-v1`). */
export function deletionVector(positions: readonly number[]): Buffer {
  const head = Buffer.from("d1d33964" + "010000000000000000000000" + "3a300000" + "01000000" + "0000", "hex");
  const tail = Buffer.alloc(6 + 2 * positions.length);
  tail.writeUInt16LE(positions.length - 1);
  tail.writeUInt32LE(16, 2);
  for (const [at, position] of positions.entries()) tail.writeUInt16LE(position, 6 + 2 * at);
  const vector = Buffer.concat([head, tail]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(vector.length);
  ends.writeUInt32BE(Bun.hash.crc32(vector), 4);
  return Buffer.concat([ends.subarray(0, 4), vector, ends.subarray(4)]);
}

/** A Puffin file of a deletion vector of this data file; where the vector is in it as well. */
export function puffin(of: string, vector: Uint8Array): { bytes: Buffer; offset: number } {
  const magic = Buffer.from("PFA1");
  const blob = {
    ...{ type: "deletion-vector-v1", fields: [], "snapshot-id": -1, "sequence-number": -1 },
    ...{ offset: magic.length, length: vector.length },
    properties: { "referenced-data-file": of, cardinality: "1" },
  };
  const footer = Buffer.from(JSON.stringify({ blobs: [blob] }));
  const length = Buffer.alloc(8);
  length.writeInt32LE(footer.length);
  return {
    bytes: Buffer.concat([magic, vector, magic, footer, length, magic]),
    offset: magic.length,
  };
}

export async function createEngineFiles(
  storage: Pick<Peer<Storaged>["verbs"], "write">,
): Promise<EngineFiles> {
  const home = temporaryDirectory("engine-files");
  const db = await (await DuckDBInstance.create(":memory:")).connect();
  let made = 0;
  const write: EngineFiles["write"] = async (key, select, ids) => {
    const path = join(home.path, `${++made}.parquet`);
    const settings = ids === undefined ? "" : `, FIELD_IDS ${ids}`;
    const { rowsChanged } = await db.run(`COPY (${select}) TO '${path}' (FORMAT parquet${settings})`);
    const bytes = readFileSync(path);
    await storage.write({ bucket: "warehouse", key, bytes });
    return { rows: rowsChanged, bytes: bytes.length };
  };
  return {
    write,
    file: async (location, select, ids) => {
      const path = `f${made + 1}.parquet`;
      return { path, ...(await write(`${inWarehouse(location)}/data/${path}`, select, ids)) };
    },
    rows: async (address) =>
      (await db.runAndReadAll(`FROM read_parquet('${address.slice("file://".length)}')`)).getRows(),
    close: () => {
      db.closeSync();
      home.remove();
    },
  };
}
