/**
 * Every configuration key: its section, its default, what it may be and one comment line. `lakehouse.toml` is
 * written from this table, the Config type is derived from it, and a test holds the file to it.
 */

import {
  bytes,
  choice,
  flag,
  GiB,
  integer,
  KiB,
  list,
  MiB,
  memory,
  minute,
  ms,
  type Setting,
  second,
  sizes,
  tables,
  text,
  type ValueOf,
} from "./setting.ts";
import { catalogdSettings } from "./settings-catalogd.ts";
import { chatdSettings, modelSettings, providerSettings } from "./settings-chatd.ts";
import { authSettings, listening, pgwireSettings } from "./settings-listening.ts";
import { matrixdSettings, memoryBytesMax, pathwaydSettings } from "./settings-memory.ts";
import { observerdSettings, telemetrySettings } from "./settings-observerd.ts";
import { querydSettings } from "./settings-queryd.ts";

export const settings = {
  "": {
    data_dir: text("./data", "everything the product writes on this machine"),
    secrets_path: text(
      "/etc/lakehouse/secrets.toml",
      "TOML with keys, [s3.<bucket>] and [providers.<name>]; must not be world-readable",
    ),
  },
  log: { level: choice("info", ["debug", "info", "warn", "error"], "least level that is logged") },
  telemetry: telemetrySettings,
  auth: authSettings,
  supervisor: {
    start_timeout_ms: ms(30 * second, [100, 10 * minute], "a service not ready by then is restarted"),
    stop_timeout_ms: ms(
      10 * second,
      [100, 10 * minute],
      "how long what runs may take to end before it is cut off, in all services together",
    ),
    heartbeat_ms: ms(1 * second, [10, minute], "how often each service is asked whether it lives"),
    heartbeat_timeout_ms: ms(
      10 * second,
      [50, 10 * minute],
      "silence after which a service that uses no processor time counts as hung",
      " of heartbeats",
    ),
    busy_timeout_ms: ms(
      5 * minute,
      [50, 24 * 60 * minute],
      "processor time that a service may use without an answer before it counts as hung",
    ),
    backoff_ms: ms(50, [1, minute], "wait before the first restart, doubled at each further one"),
    backoff_max_ms: ms(5 * second, [1, 10 * minute], "longest wait before a restart"),
    restart_limit: integer(
      8,
      [0, 1000],
      "restarts within restart_window_ms after which a service is left failed",
    ),
    restart_window_ms: ms(minute, [100, 24 * 60 * minute], "window in which restarts are counted"),
  },
  rpc: {
    timeout_ms: ms(30 * second, [1, 10 * minute], "deadline of a call between services"),
    in_flight_max: integer(1024, [1, 1_000_000], "calls one caller may have open to one service"),
  },
  gateway: {
    ...listening("127.0.0.1:3110"),
    proxy_timeout_ms: ms(
      10 * minute,
      [second, 24 * 60 * minute],
      "longest wait for a service's first byte, or for a call that may take long",
    ),
    mcp_sessions_max: integer(
      256,
      [1, 100_000],
      "sessions of MCP at /mcp; for one more the longest idle one ends",
    ),
    mcp_idle_timeout_ms: ms(
      30 * minute,
      [second, 24 * 60 * minute],
      "how long such a session may have nothing open before it ends",
    ),
    mcp_cache_bytes: bytes(
      64 * MiB,
      [MiB, 64 * GiB],
      "memory for results that are paged through at /mcp, and for what was sent there and may be asked for again",
    ),
    backup_dir: text(
      "",
      "directory that POST /v1/system/backups takes backups into, as bun run backup does; empty: none",
    ),
    token_in_query: flag(
      false,
      "take the token of GET as ?token= as well, for spreadsheets; addresses are kept in histories and logs of proxies",
    ),
    mcp_writes: flag(false, "let callers of /mcp load data, add documents and remember, beside reading"),
  },
  pgwire: pgwireSettings,
  storaged: {
    ...listening("127.0.0.1:3211"),
    max_put_bytes: bytes(256 * MiB, [1, 1024 * GiB], "largest object a PUT may store"),
    max_put_bytes_by_prefix: sizes(
      { "vectors/": 4 * GiB, "datasets/": 64 * GiB, "distill/": 64 * GiB },
      "larger limits for keys under a prefix, in bytes",
    ),
    max_concurrent_puts: integer(16, [1, 10_000], "PUTs at once; more get 503 with Retry-After"),
    idle_timeout_ms: ms(minute, [100, 60 * minute], "longest silence of a client that sends a body"),
    error_journal_max_bytes: bytes(
      16 * MiB,
      [64 * KiB, GiB],
      "size at which the error journal starts anew, keeping one old file",
    ),
    s3_timeout_ms: ms(30 * second, [100, 10 * minute], "longest silence of an S3 server"),
    s3_retries: integer(3, [0, 10], "tries again after an S3 server's 500, 503 or dropped connection"),
    s3_lease_ms: ms(
      30 * second,
      [second, 10 * minute],
      "how long an S3 bucket stays held by a Lakehouse that does not renew that",
    ),
  },
  buckets: tables(
    { primary: { kind: "local" }, warehouse: { kind: "local", layout: "plain" } },
    'one table a bucket: kind = "local" (path, default <data_dir>/buckets/<name>; layout = "plain" where others write as well) or "s3" (bucket, endpoint, region, path_style). Without warehouse there are no open tables',
  ),
  catalogd: catalogdSettings,
  ingestd: {
    ...listening("127.0.0.1:3213"),
    max_ingest_bytes: bytes(512 * MiB, [1, 1024 * GiB], "largest upload"),
    max_concurrent_ingests: integer(4, [1, 64], "ingests worked on at once"),
    max_waiting_ingests: integer(
      64,
      [0, 10_000],
      "uploads that may wait for their turn; more get 503 with Retry-After",
    ),
    max_rejects: integer(1000, [0, 100_000_000], "bad rows after which on_error=reject gives up"),
    max_columns: integer(4096, [1, 16_384], "most columns of a file"),
    max_row_bytes: bytes(16 * MiB, [KiB, GiB], "longest row"),
    row_group_rows: integer(122_880, [2048, 10_000_000], "rows in a Parquet row group"),
    compression_level: integer(1, [1, 22], "Zstandard level of the Parquet objects"),
    threads: integer(0, [0, 1024], "DuckDB threads; 0: one a core"),
    memory_limit: text("2GB", "memory DuckDB may use to ingest; 2GB: less where memory is short", memory),
    url_hosts: list(
      [],
      "hosts that an ingest may fetch a file from by url=, as files.example.com or 10.0.0.7:8080",
    ),
    sources: tables(
      {},
      'one table a PostgreSQL database whose tables may be loaded by source=: [ingestd.sources.<name>] url = "postgres://user@host/database?sslmode=verify-full" without a password, timeout_ms; its password is the secret [providers.<name>] api_key or <NAME>_API_KEY. Give it a user that may read alone',
    ),
    watch: tables(
      {},
      'one table a place whose files are taken as they appear, each once: [ingestd.watch.<name>] from = "/srv/incoming" or "s3://bucket/prefix", files = "*.csv", dataset (the name unless given), mode = "append" or "replace", and parameters of POST /v1/ingest',
    ),
    watch_interval_ms: ms(10 * second, [50, 24 * 60 * minute], "how often such a place is looked at"),
    jobs_kept: integer(200, [1, 100_000], "ended jobs that can still be asked about"),
    idle_timeout_ms: ms(minute, [second, 60 * minute], "longest silence of an uploading client"),
    base_timeout_ms: ms(
      minute,
      [1, 24 * 60 * minute],
      "time that the work on a file may take, whatever its size; waiting for the client is none",
    ),
    timeout_bytes_per_s: integer(
      MiB,
      [KiB, 1024 * GiB],
      "a second more for each so many bytes of it, decompressed",
    ),
    max_timeout_ms: ms(
      60 * minute,
      [1, 24 * 60 * minute],
      "the longest such time, and the longest that an ingest may ask for",
    ),
    max_documents: integer(
      10_000,
      [1, 1_000_000],
      "most documents of one request, those of archives among them",
    ),
    max_document_bytes: bytes(64 * MiB, [KiB, GiB], "largest document"),
    document_timeout_ms: ms(minute, [100, 60 * minute], "time that reading one document may take"),
    chunk_size: integer(1200, [100, 20_000], "most characters of a document's chunk, beside its overlap"),
    chunk_overlap: integer(
      150,
      [0, 10_000],
      "characters of a chunk that the next one repeats where a text goes on; at most half of the size",
    ),
  },
  queryd: { ...listening("127.0.0.1:3214"), ...querydSettings },
  vectord: {
    ...listening("127.0.0.1:3215"),
    hnsw_engine: choice("usearch", ["usearch", "faiss"], "what builds and searches hnsw indexes"),
    threads: integer(0, [0, 256], "threads for native work; 0: one a core"),
    max_body_bytes: bytes(256 * MiB, [KiB, 4 * GiB], "largest body of an add or a search"),
    max_metadata_bytes: bytes(64 * KiB, [64, 16 * MiB], "largest metadata of an item as JSON"),
    max_memory_bytes: memoryBytesMax("indexes", "half"),
    max_batch_items: integer(100_000, [1, 10_000_000], "most items or queries of one request"),
    max_waiting: integer(
      256,
      [1, 100_000],
      "calls that may wait for an engine; more get 429 with Retry-After",
    ),
    checkpoint_bytes: integer(
      256 * MiB,
      [KiB, 1024 * GiB],
      "appended bytes of an index after which its segments are folded into a checkpoint",
    ),
    checkpoint_segments: integer(
      512,
      [2, 1_000_000],
      "appended segments of an index after which they are folded into a checkpoint",
    ),
    compact_deleted_percent: integer(
      30,
      [1, 100],
      "share of deleted rows at which an index is compacted by itself, in percent",
    ),
    engines: tables(
      {},
      'one table an engine of others that indexes may lie in: [vectord.engines.<name>] kind = "pgvector", "weaviate" or "qdrant" (both: shards, replicas), url without a password, namespace, timeout_ms; its key is the secret [providers.<name>] api_key or <NAME>_API_KEY',
    ),
  },
  embedd: {
    ...listening("127.0.0.1:3216"),
    default_model: text("local", "model of requests that name none"),
    rerank_model: text(
      "",
      "cross-encoder of rerankings that name none, as onnx/NAME; empty: each names its own",
    ),
    cache_max_bytes: bytes(256 * MiB, [0, 1024 * GiB], "memory for cached vectors", "; 0: none"),
    max_batch_texts: integer(2048, [1, 1_000_000], "most texts of one request"),
    max_text_bytes: bytes(MiB, [1, 64 * MiB], "longest text"),
    max_waiting: integer(
      8192,
      [1, 1_000_000],
      "texts that may wait for a provider; more get 429 with Retry-After",
    ),
    timeout_ms: ms(minute, [100, 60 * minute], "longest wait for a provider's answer"),
    retries: integer(
      2,
      [0, 10],
      "tries again after a provider's 429, 503, openai's 5xx, or a connection that broke",
    ),
    onnx_max_bytes: bytes(GiB, [64 * MiB, 1024 * GiB], "memory of the process that runs onnx/… models"),
    onnx_threads: integer(0, [0, 1024], "processors that one run of an onnx/… model uses; 0: half of them"),
    ollama_url: text("", "another Ollama for embedd alone; empty: [providers.ollama] base_url"),
    openai_url: text("", "another openai for embedd alone; empty: [providers.openai] base_url"),
  },
  pathwayd: { ...listening("127.0.0.1:3217"), ...pathwaydSettings },
  matrixd: { ...listening("127.0.0.1:3218"), ...matrixdSettings },
  observerd: { ...listening("127.0.0.1:3219"), ...observerdSettings },
  chatd: { ...listening("127.0.0.1:3220"), ...chatdSettings },
  providers: providerSettings,
  models: modelSettings,
} satisfies Record<string, Record<string, Setting> | Setting>;

type SectionOf<S> = { readonly [K in keyof S]: ValueOf<S[K]> };
type Table = typeof settings;
/** The whole configuration: top-level keys and one object a section. */
export type Config = SectionOf<Table[""]> & {
  readonly [K in Exclude<keyof Table, "">]: Table[K] extends { kind: string }
    ? ValueOf<Table[K]>
    : SectionOf<Table[K]>;
};
/** The sections of services: those that listen. */
export type ServiceSection = {
  [K in keyof Table]: Table[K] extends { bind: unknown; url: unknown } ? K : never;
}[keyof Table];
