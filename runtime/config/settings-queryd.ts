/** The keys of `[queryd]` beside those of every service. */
import { choice, GiB, integer, MiB, memory, minute, second, tables, text } from "./setting.ts";

export const querydSettings = {
  threads: integer(0, [0, 1024], "DuckDB threads; 0: one a core"),
  memory_limit: text("2GB", "memory DuckDB may use for queries; 2GB: less where memory is short", memory),
  max_temp_bytes: integer(16 * GiB, [MiB, 1024 * GiB], "disk DuckDB may spill to, in bytes"),
  max_concurrent_queries: integer(16, [1, 1000], "queries run at once"),
  max_waiting_queries: integer(
    128,
    [0, 100_000],
    "queries that may wait for their turn; more get 429 with Retry-After",
  ),
  default_timeout_ms: integer(
    5 * minute,
    [1, 24 * 60 * minute],
    "deadline of a query that names none, in milliseconds",
  ),
  max_timeout_ms: integer(
    60 * minute,
    [1, 24 * 60 * minute],
    "longest deadline a query may ask for, in milliseconds",
  ),
  numbers: choice(
    "json",
    ["json", "string"],
    "how JSON results write 64-bit integers and decimals, where a request does not say",
  ),
  refresh_every_ms: integer(
    30 * second,
    [100, 60 * minute],
    "how often a catalog in another process is asked for changes, in milliseconds",
  ),
  cache_max_bytes: integer(
    10 * GiB,
    [MiB, 1024 * GiB],
    "disk for copies of objects that are not on this machine, as in S3, in bytes",
  ),
  resident_max_bytes: integer(
    64 * MiB,
    [0, 1024 * GiB],
    "small datasets kept in memory while they are asked for, in bytes of their text; 0: none",
  ),
  queries_kept: integer(200, [1, 100_000], "ended queries that can still be listed"),
  engines: tables(
    {},
    'one table a distributed engine that statements may name: [queryd.engines.<name>] kind = "trino", url, catalog, schema, user; its key is the secret [providers.<name>] api_key or <NAME>_API_KEY, user:password is sent as Basic, else as Bearer',
  ),
};
