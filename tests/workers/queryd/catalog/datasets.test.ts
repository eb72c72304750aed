/** Names in a statement and what they mean, where the catalog cannot give what is registered. */
import { expect, test } from "bun:test";
import { resolveDatasets } from "../../../../workers/queryd/catalog/datasets.ts";
import { pastName } from "../../../../workers/queryd/catalog/past-name.ts";

const snapshot = {
  etag: "1",
  datasets: new Map(),
  views: new Map(),
  unreadable: new Map([
    [
      "Large",
      {
        name: "Large",
        type: "memory_full" as const,
        reason: "dataset 'Large' stays closed: its manifest needs 2 kB of memory",
      },
    ],
    ["Lost", { name: "Lost", type: "corrupt" as const, reason: "its manifest is missing" }],
  ]),
};
const named = (name: string) =>
  resolveDatasets({
    tables: new Map([[name, 5]]),
    cteNames: new Set(),
    sql: `FROM ${name}`,
    snapshot,
    asOf: undefined,
    past: async () => [],
  });

test.each([
  ["large", "unavailable", "dataset 'Large' cannot be read now: dataset 'Large' stays closed: its manifest"],
  ["lost", "corrupt", "dataset 'Lost' cannot be read: its manifest is missing"],
  ["smaller", "sql_error", "there is no dataset 'smaller'"],
])("%s is %s", async (name, type, message) => {
  await expect(named(name)).rejects.toEqual(
    expect.objectContaining({ type, message: expect.stringContaining(message) }),
  );
});

test.each<[string, ReturnType<typeof pastName>]>([
  ["jobs@3", { name: "jobs", version: 3 }],
  ["Jobs_2@12345678", { name: "Jobs_2", version: 12_345_678 }],
  ["jobs@2026-11-01T00:00:00Z", { name: "jobs", as_of: "2026-11-01T00:00:00Z" }],
  ["jobs@2026-11-01t00:00:00.123456z", { name: "jobs", as_of: "2026-11-01T00:00:00.123456Z" }],
  ["jobs@2026-11-01T00:00:00+02:00", { name: "jobs", as_of: "2026-11-01T00:00:00+02:00" }],
  ["jobs", undefined],
  ["jobs@", undefined],
  ["@3", undefined],
  ["jobs@0", undefined],
  ["jobs@03", undefined],
  ["jobs@123456789", undefined],
  ["jobs@-1", undefined],
  ["jobs@1.5", undefined],
  ["jobs@latest", undefined],
  ["jobs@v3", undefined],
  ["jobs@3@4", undefined],
  ["jobs@3 ", undefined],
  [" jobs@3", undefined],
  ["a b@3", undefined],
  ["../x@3", undefined],
  ["/etc/passwd@3", undefined],
  ["jobs@2026-11-01", undefined],
  ["jobs@2026-11-01T00:00:00", undefined],
  ["jobs@2026-11-01 00:00:00Z", undefined],
  ["jobs@2026-11-01T00:00:00.Z", undefined],
  ["jobs@2026-11-01T00:00:00Z.parquet", undefined],
  ["jobs.parquet@2026-11-01T00:00:00Z", undefined],
  ["s3://b/jobs@3", undefined],
])("%s as the name of a version", (text, expected) => {
  expect(pastName(text)).toEqual(expected);
});
