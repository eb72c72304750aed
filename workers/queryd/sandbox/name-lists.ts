/** The names the sandbox knows. A test holds them against every function of the DuckDB in use. */
import { pastName } from "../catalog/catalog.ts";

/** The only table functions; all they return comes from their arguments or is built into DuckDB. */
export const tableFunctions: ReadonlySet<string> = new Set([
  "generate_series",
  "icu_calendar_names",
  "json_each",
  "json_tree",
  "pg_timezone_names",
  "range",
  "repeat",
  "repeat_row",
  "summary",
  "test_all_types",
  "unnest",
]);

/**
 * Functions that reveal the process, its settings or other statements, run text as SQL, take apart internal
 * states, change a connection that the next caller gets, or hold a thread doing nothing.
 */
const denied = [
  "current_setting",
  "getenv",
  "getvariable",
  "current_query",
  "get_block_size",
  "write_log",
  "parse_duckdb_log_message",
  "in_search_path",
  "json_execute_serialized_sql",
  "json_serialize_plan",
  "sql_auto_complete",
  "histogram_values",
  "duckdb_\\w*",
  "pragma_\\w*",
  "pg_get_\\w*",
  "parquet_\\w*",
  "read_\\w*",
  "sniff_\\w*",
  "glob",
  "query",
  "query_table",
  "seq_scan",
  "arrow_scan\\w*",
  "which_secret",
  "checkpoint",
  "force_checkpoint",
  "(enable|disable)_\\w*",
  "truncate_duckdb_logs",
  "nextval",
  "currval",
  "sleep_ms",
  "pg_sleep",
  "setseed",
  "finalize",
  "combine",
  "variant_bytes_to_variant",
  "__internal_\\w*",
];
export const deniedFunction = new RegExp(`^(${denied.join("|")})$`, "i");

/** By its name alone; arguments may be refused besides. */
export const isAllowedFunction = ({ name, kind }: { name: string; kind: string }): boolean =>
  !deniedFunction.test(name) && (kind !== "table" || tableFunctions.has(name));

/** Views that DuckDB finds without a schema; a WITH of the same name is refused too. */
export const systemTables = /^(duckdb_\w*|pragma_\w*|sqlite_(temp_)?(master|schema)|pg_\w*)$/i;

/**
 * What may stand where a table is read. DuckDB takes a name that it does not know for a file when it holds a dot and a
 * known ending; a name without dot, slash, colon and wildcards is no path, no URL and no pattern, whatever it means.
 * The time in the name of a version has colons, and may have a dot before digits: no ending that DuckDB knows; and such a
 * name is a dataset's or an error, never left to DuckDB.
 */
export const isTableName = (name: string): boolean =>
  /^[\p{L}\p{M}\p{N}_$@# -]+$/u.test(name) || pastName(name) !== undefined;
