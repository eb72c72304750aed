/** The keys of `[queryd]` beside those of every service. */
import { bytes, choice, GiB, integer, MiB, memory, minute, ms, second, tables, text } from "./setting.ts";

export const querydSettings = {
  threads: integer(0, [0, 1024], "DuckDB threads; 0: one a core"),
  memory_limit: text("2GB", "memory DuckDB may use for queries; 2GB: less where memory is short", memory),
  max_temp_bytes: bytes(16 * GiB, [MiB, 1024 * GiB], "disk DuckDB may spill to"),
  max_concurrent_queries: integer(16, [1, 1000], "queries run at once"),
  max_waiting_queries: integer(
    128,
    [0, 100_000],
    "queries that may wait for their turn; more get 429 with Retry-After",
  ),
  default_timeout_ms: ms(5 * minute, [1, 24 * 60 * minute], "deadline of a query that names none"),
  max_timeout_ms: ms(60 * minute, [1, 24 * 60 * minute], "longest deadline a query may ask for"),
  numbers: choice(
    "json",
    ["json", "string"],
    "how JSON results write 64-bit integers and decimals, where a request does not say",
  ),
  refresh_every_ms: ms(
    30 * second,
    [100, 60 * minute],
    "how often a catalog in another process is asked for changes",
  ),
  cache_max_bytes: bytes(
    10 * GiB,
    [MiB, 1024 * GiB],
    "disk for copies of objects that are not on this machine, as in S3",
  ),
  resident_max_bytes: bytes(
    64 * MiB,
    [0, 1024 * GiB],
    "small datasets kept in memory while they are asked for",
    " of their text; 0: none",
  ),
  queries_kept: integer(200, [1, 100_000], "ended queries that can still be listed"),
  engines: tables(
    {},
    'one table a distributed engine that statements may name: [queryd.engines.<name>] kind = "trino", url, catalog, schema, user; its key is the secret [providers.<name>] api_key or <NAME>_API_KEY, user:password is sent as Basic, else as Bearer',
  ),
};
