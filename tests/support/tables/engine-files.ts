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
  close: () => void;
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
    close: () => {
      db.closeSync();
      home.remove();
    },
  };
}
