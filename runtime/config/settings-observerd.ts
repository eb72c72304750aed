/** What observerd's section has beside what every service that listens has. */
import { bytes, flag, GiB, integer, KiB, MiB, minute, ms, second, text, url } from "./setting.ts";

const interval = (value: number, what: string) => ms(value, [10, 24 * 60 * minute], what);

/** `[telemetry]`: spans of every service. */
export const telemetrySettings = {
  otlp_endpoint: text(
    "",
    "OTLP/HTTP traces endpoint that every service's spans are sent to, as http://127.0.0.1:4318/v1/traces; empty: none",
    url,
  ),
  otlp_provider: text(
    "otlp",
    "the secret [providers.<this>] api_key that opens otlp_endpoint; user:password is sent as Basic, else as Bearer",
  ),
  sample_percent: integer(100, [0, 100], "share of traces that begin here and are recorded, in percent"),
  otlp_queue: integer(
    2048,
    [1, 1_000_000],
    "spans of one service that may wait to be exported; more are dropped and counted",
  ),
  otlp_batch: integer(512, [1, 100_000], "spans of one export"),
  otlp_interval_ms: ms(5 * second, [10, 24 * 60 * minute], "longest wait before an export"),
  otlp_timeout_ms: ms(10 * second, [10, 10 * minute], "longest wait for otlp_endpoint's answer"),
};

export const observerdSettings = {
  ring_operations: integer(2000, [1, 10_000_000], "latest operations kept in memory"),
  ring_max_bytes: bytes(64 * MiB, [KiB, 64 * GiB], "memory for them", " of their JSON"),
  recent_scenarios: integer(10, [1, 10_000], "latest scenario operations shown by stats"),
  max_event_bytes: bytes(256 * KiB, [KiB, 8 * MiB], "largest operation as JSON"),
  segment_bytes: integer(
    16 * MiB,
    [4 * KiB, GiB],
    "bytes of operations after which the log goes on in a new file",
  ),
  retained_bytes: bytes(
    GiB,
    [16 * KiB, 1024 * GiB],
    "disk for the log",
    "; beyond, the oldest files go and the totals stay",
  ),
  failure_clusters: integer(500, [1, 100_000], "failure clusters kept; the least recently seen leave first"),
  review_model: text("", "model that chatd asks for reviews and escalations; empty: none is asked"),
  review_timeout_ms: ms(30 * second, [1, 10 * minute], "longest wait for the judging model"),
  max_otlp_bytes: bytes(16 * MiB, [KiB, GiB], "largest OTLP body, unpacked"),
  max_otlp_spans: integer(10_000, [1, 1_000_000], "most spans or log records of one OTLP request"),
  otlp_export_url: text(
    "",
    "OTLP/HTTP traces endpoint that operations are sent to, as https://cloud.langfuse.com/api/public/otel/v1/traces; empty: none",
    url,
  ),
  otlp_export_provider: text(
    "langfuse",
    "the secret [providers.<this>] api_key that opens otlp_export_url; user:password is sent as Basic, else as Bearer",
  ),
  otlp_export_queue: integer(
    2048,
    [1, 1_000_000],
    "operations that may wait to be exported; more are dropped and counted",
  ),
  otlp_export_batch: integer(512, [1, 100_000], "most operations exported at once"),
  otlp_export_interval_ms: interval(5 * second, "longest wait for a batch to fill"),
  otlp_export_timeout_ms: ms(10 * second, [10, 10 * minute], "longest wait for the endpoint's answer"),
  otlp_export_retries: integer(
    5,
    [0, 100],
    "tries again after 429, 502, 503, 504 or a connection that broke",
  ),
  chat_calls: flag(true, "record the calls chatd finishes as operations"),
  error_analysis: flag(true, "loop: rates of failure clusters, and which of them grow"),
  error_analysis_interval_ms: interval(minute, "how often"),
  playbook_consolidation: flag(true, "loop: matrixd merges and drops playbooks"),
  playbook_consolidation_interval_ms: interval(60 * minute, "how often"),
  playbook_consolidation_timeout_ms: ms(5 * minute, [100, 60 * minute], "longest wait for matrixd"),
  overseer_corrections: flag(true, "loop: each line of overseer_corrections_path becomes an operation"),
  overseer_corrections_interval_ms: interval(5 * second, "how often"),
  overseer_corrections_path: text("", "JSON lines to follow; empty: none"),
  overseer_corrections_max_lines: integer(1000, [1, 1_000_000], "most lines taken in one run"),
  escalation: flag(true, "loop: a failure cluster that is over the threshold is brought up once a window"),
  escalation_interval_ms: interval(minute, "how often"),
  escalation_threshold: integer(20, [1, 1_000_000], "failures of a cluster within the window"),
  escalation_window_ms: ms(60 * minute, [second, 30 * 24 * 60 * minute], "the window"),
  escalation_max: integer(3, [1, 1000], "most clusters brought up in one run"),
  escalation_timeout_ms: ms(2 * minute, [100, 60 * minute], "longest wait for chatd"),
} as const;
