/** Names in a statement and what they mean, where the catalog cannot give what is registered. */
import { expect, test } from "bun:test";
import { resolveDatasets } from "../../../../workers/queryd/catalog/datasets.ts";

const snapshot = {
  etag: "1",
  datasets: new Map(),
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
const named = (name: string) => () =>
  resolveDatasets({ tables: new Map([[name, 5]]), cteNames: new Set() }, snapshot, `FROM ${name}`);

test.each([
  ["large", "unavailable", "dataset 'Large' cannot be read now: dataset 'Large' stays closed: its manifest"],
  ["lost", "corrupt", "dataset 'Lost' cannot be read: its manifest is missing"],
  ["smaller", "sql_error", "there is no dataset 'smaller'"],
])("%s is %s", (name, type, message) => {
  expect(named(name)).toThrow(expect.objectContaining({ type, message: expect.stringContaining(message) }));
});
