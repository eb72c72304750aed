/** Settings of catalogd, and of the maintenance of what it registers. */
import { bytes, flag, GiB, integer, KiB, list, MiB } from "./setting.ts";
import { listening } from "./settings-listening.ts";
import { memoryBytesMax } from "./settings-memory.ts";

export const catalogdSettings = {
  ...listening("127.0.0.1:3212"),
  rehydrate_concurrency: integer(16, [1, 256], "manifests read at once at the start"),
  max_memory_bytes: memoryBytesMax("manifests", "a sixteenth"),
  changes_max_waiters: integer(256, [1, 100_000], "callers that may wait for a change at once"),
  maintenance: flag(
    true,
    "whether datasets are maintained by schedule: small objects merged, old versions and orphans removed",
  ),
  maintenance_every_minutes: integer(
    60,
    [1, 7 * 24 * 60],
    "old versions go so often, orphans once a day, in minutes",
  ),
  compact_min_objects: integer(
    32,
    [2, 256],
    "small objects beside each other that are merged, with the same rows in the same order",
  ),
  compact_target_bytes: bytes(128 * MiB, [KiB, 1024 * GiB], "objects of that size or more are not merged"),
  keep_versions: integer(
    100,
    [1, 99_999_999],
    "versions of a dataset that are kept, however old; of others those that were replaced of late",
  ),
  keep_days: integer(7, [0, 36_500], "days for which a version is kept after it was replaced"),
  max_versions: integer(
    1000,
    [1, 99_999_999],
    "of more versions of a dataset the earliest go, however late they were replaced, a tenth at a time",
  ),
  orphan_grace_days: integer(
    3,
    [0, 36_500],
    "days after which an object below datasets/ goes that no version names",
  ),
  open_locations: list(
    [],
    "addresses below which open tables may be and name files, besides the warehouse; a bucket has to be above each that a table is made in",
    {
      fits: (item) => /^(?:file:\/\/|s3:\/)(?:\/(?!\.{1,2}(?:\/|$))[^\s/\\]+)+\/?$/.test(item),
      expected: "file:///… or s3://…",
    },
  ),
};
