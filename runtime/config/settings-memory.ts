/** What the sections of pathwayd and matrixd have beside what every service that listens has. */
import { bytes, GiB, integer, KiB, list, MiB, minute, ms, second } from "./setting.ts";

/** A service that holds its state whole; the share is `memoryShare` where the budget is made. */
export const memoryBytesMax = (what: string, share: string) =>
  bytes(
    0,
    [0, 1024 * 1024 * GiB],
    `memory that ${what} may take`,
    `; more get 507; 0: ${share} of what all else leaves of the machine's or control group's`,
  );

export const pathwaydSettings = {
  max_content_bytes: bytes(256 * KiB, [KiB, 64 * MiB], "largest content of a trace, as JSON"),
  max_traces: integer(1_000_000, [1, 1_000_000_000], "traces kept, with those retired; more get 429"),
  max_log_bytes: bytes(
    512 * MiB,
    [KiB, 2047 * MiB],
    "largest log, which is held in memory too",
    "; beyond, only retire is taken",
  ),
  max_memory_bytes: memoryBytesMax("traces", "an eighth"),
  max_waiting: integer(
    8192,
    [1, 1_000_000],
    "changes that may wait to be stored; more get 429 with Retry-After",
  ),
  compact_min_bytes: bytes(16 * MiB, [KiB, 2047 * MiB], "size from which the log is compacted by itself"),
  compact_replay_percent: integer(
    50,
    [1, 100],
    "share of single replays in the log at which it is compacted by itself, in percent",
  ),
};

export const matrixdSettings = {
  corpus_timeout_ms: ms(
    10 * second,
    [1, 10 * minute],
    "longest wait for one corpus in a search that names none",
  ),
  max_memory_bytes: memoryBytesMax("playbooks", "a sixteenth"),
  max_playbooks: integer(100_000, [1, 10_000_000], "playbooks kept; more get 429"),
  playbook_half_life_days: integer(
    90,
    [0, 36_500],
    "days after which a playbook that nobody confirms counts half; 0: it never fades",
  ),
  playbook_similarity_percent: integer(
    45,
    [1, 100],
    "least cosine of a query and a playbook's wording, in percent",
  ),
  weak_models: list([], "further models that context helps, as parts of their names"),
  strong_models: list(
    [],
    "further models that context may hurt, as parts of their names; they win over weak_models",
  ),
};
