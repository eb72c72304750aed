/** Metadata as JSON: the same text as of all at once, whatever is in it, and no commit changes what was there before it. */
import { expect, test } from "bun:test";
import {
  applyUpdates,
  emptyTable,
  exactText,
  metadataText,
  parseExact,
  type TableMetadata,
} from "../../../../workers/catalogd/iceberg/iceberg.ts";

const adding = (id: number | bigint, more: object = {}) => [
  {
    action: "add-snapshot",
    snapshot: {
      "snapshot-id": id,
      "sequence-number": 0,
      "timestamp-ms": 1,
      summary: { operation: "append" },
      ...more,
    },
  },
  { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": id },
];

test("texts of entries are kept, and those of others are as they were", () => {
  const odd: TableMetadata = {
    ...emptyTable(1),
    gone: undefined,
    'x"y': [undefined, null, 9_007_199_254_740_993n],
    "metadata-log": [null, "text", { "timestamp-ms": 1, "metadata-file": "é" }] as never,
  };
  expect(metadataText(odd)).toBe(exactText(odd));
  let table = odd;
  const before: [TableMetadata, string][] = [];
  for (const id of [1, 2 ** 53 + 2, 9_007_199_254_740_993n]) {
    before.push([table, exactText(table)]);
    table = applyUpdates(table, adding(id, { "é\u2028": id }), 2);
    expect(metadataText(table)).toBe(exactText(table));
    expect(parseExact(metadataText(table))).toEqual(parseExact(exactText(table)));
  }
  table = applyUpdates(
    table,
    [
      { action: "set-properties", updates: { a: "b" } },
      { action: "set-statistics", statistics: { "snapshot-id": 1, "statistics-path": "p" } },
      { action: "add-schema", schema: { type: "struct", fields: [] } },
      { action: "remove-snapshots", "snapshot-ids": [1] },
    ],
    3,
  );
  expect(metadataText(table)).toBe(exactText(table));
  expect(table["snapshot-log"]).toHaveLength(2);
  // What was before a commit is read by others, and stays.
  for (const [old, text] of before) expect(exactText(old)).toBe(text);
});
