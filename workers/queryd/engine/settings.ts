/** DuckDB's settings: bounds on memory, threads and disk, and what no statement may reach. */
import { quoteText } from "../../../runtime/sql/sql.ts";

export interface EngineSettings {
  /** 0: one a core. */
  threads: number;
  memoryLimit: string;
  tempDirectory: string;
  maxTempBytes: number;
  /** Absolute folders and URL prefixes that may be read, and nothing outside them. */
  readable: readonly string[];
}

/** What DuckDB is created with. */
export const configuration = (options: EngineSettings): Record<string, string> => ({
  ...(options.threads > 0 && { threads: String(options.threads) }),
  memory_limit: options.memoryLimit,
  temp_directory: options.tempDirectory,
  max_temp_directory_size: `${Math.floor(options.maxTempBytes / 1024)}KiB`,
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
  allow_community_extensions: "false",
});

/** Planning time grows with the square of an expression's depth and cannot be interrupted: DuckDB's 1000 takes 7 s. */
const expressionDepthMax = 400;

/** Bounds of memory and of temporary files, in bytes, which can be changed while statements run. */
export const bounds = (memoryBytes: number, tempBytes: number): string[] => [
  `SET GLOBAL memory_limit = '${memoryBytes}B'`,
  `SET GLOBAL max_temp_directory_size = '${Math.floor(tempBytes / 1024)}KiB'`,
];

/**
 * Run once, first: from then on no statement reaches a file outside `readable` or the temporary directory, the
 * network or an extension. This is the layer below the checks of `sandbox/`.
 */
export const locks = (readable: readonly string[]): string[] => [
  "SET GLOBAL errors_as_json = true",
  "SET GLOBAL TimeZone = 'UTC'",
  // Objects never change: their footers need not be read again for every statement.
  "SET GLOBAL parquet_metadata_cache = true",
  `SET GLOBAL max_expression_depth = ${expressionDepthMax}`,
  `SET GLOBAL allowed_directories = [${readable.map(quoteText).join(", ")}]`,
  // Cannot be undone. The configuration is not locked: its limits change with the number of processes that work.
  "SET GLOBAL enable_external_access = false",
];
