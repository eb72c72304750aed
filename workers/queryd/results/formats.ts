/** The formats of rows by name. */
import { csv } from "./csv.ts";
import type { ResultFormat } from "./format.ts";
import { json } from "./json.ts";
import { ndjson } from "./ndjson.ts";

/** Apache Arrow is loaded when it is first asked for: its package takes longer than all others but DuckDB. */
export const formats: Record<"json" | "ndjson" | "csv" | "arrow" | "postgres", () => Promise<ResultFormat>> =
  {
    json: async () => json,
    ndjson: async () => ndjson,
    csv: async () => csv,
    arrow: async () => (await import("./arrow.ts")).arrow,
    postgres: async () => (await import("../postgres/postgres.ts")).postgres,
  };
