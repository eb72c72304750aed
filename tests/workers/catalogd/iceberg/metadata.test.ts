/** Table metadata: what a new one is, what commits require of it and do to it, and ids of 63 bits all the way. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { exactText, parseExact, sameId } from "../../../../workers/catalogd/iceberg/json.ts";
import { checkRequirement, type Requirement } from "../../../../workers/catalogd/iceberg/requirements.ts";
import {
  emptyTable,
  newTable,
  type TableMetadata,
} from "../../../../workers/catalogd/iceberg/table-metadata.ts";
import { applyUpdates, type Update } from "../../../../workers/catalogd/iceberg/updates.ts";

const file = join(import.meta.dir, "../../../fixtures/catalogd/iceberg/pyiceberg-metadata.txt");
const foreign = async () => parseExact(await Bun.file(file).text()) as TableMetadata;
const head = 5671711466548026430n;
const first = 8446427089152437794n;
const now = 1_800_000_000_000;

/** With the message first, which is the title: ids of 63 bits are none of JSON's. */
const titled = <T>([what, type, message]: [T, string, string]): [string, T, string] => [message, what, type];

describe("JSON", () => {
  test("keeps every digit of integers beyond 2^53, and changes nothing else", async () => {
    const text =
      '{"snapshot-id":8723432189764512377,"a":-9007199254740993,"b":1.5,"c":"8723432189764512377","d":9007199254740991}';
    expect(exactText(parseExact(text))).toBe(text);
    const metadata = await Bun.file(file).text();
    expect(exactText(parseExact(metadata))).toBe(metadata);
  });
  test("has one id for a number and a bigint of the same digits", () => {
    expect([sameId(5, 5n), sameId(undefined, null), sameId(5, undefined)]).toEqual([true, true, false]);
  });
});

describe("a new table", () => {
  const request = {
    schema: {
      type: "struct" as const,
      "identifier-field-ids": [10],
      fields: [
        { id: 10, name: "id", required: true, type: "long" },
        {
          id: 20,
          name: "s",
          required: false,
          type: { type: "struct" as const, fields: [{ id: 30, name: "x", required: false, type: "int" }] },
        },
        {
          id: 40,
          name: "l",
          required: false,
          type: { type: "list" as const, "element-id": 50, element: "float", "element-required": false },
        },
      ],
    },
    "partition-spec": {
      fields: [{ "source-id": 10, "field-id": 5, name: "id_bucket", transform: "bucket[4]" }],
    },
    "write-order": { "order-id": 3, fields: [{ "source-id": 40, direction: "asc" }] },
    properties: { "format-version": "2", a: "b" },
  };
  test("has ids of its own, the fields of a struct before what is in them; partitions and sort orders follow", () => {
    const table = newTable(request, { uuid: "u", location: "file:///t", now });
    expect(table.schemas[0]).toMatchObject({
      "schema-id": 0,
      "identifier-field-ids": [1],
      fields: [{ id: 1 }, { id: 2, type: { fields: [{ id: 4 }] } }, { id: 3, type: { "element-id": 5 } }],
    });
    expect(table["last-column-id"]).toBe(5);
    expect(table["partition-specs"][0]?.fields[0]).toMatchObject({ "source-id": 1, "field-id": 1000 });
    expect(table["sort-orders"][0]).toEqual({
      "order-id": 3,
      fields: [{ "source-id": 3, direction: "asc" }],
    });
    expect(table["default-sort-order-id"]).toBe(3);
    expect(table.properties).toEqual({ a: "b" });
    expect(table["format-version"]).toBe(2);
  });
});

describe("requirements", () => {
  const holds: Requirement[] = [
    { type: "assert-table-uuid", uuid: "3C803BE9-44a0-4e92-8bc4-611c08a8962c" },
    { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": head },
    { type: "assert-ref-snapshot-id", ref: "dev", "snapshot-id": null },
    { type: "assert-last-assigned-field-id", "last-assigned-field-id": 5 },
    { type: "assert-current-schema-id", "current-schema-id": 0 },
    { type: "assert-last-assigned-partition-id", "last-assigned-partition-id": 1000 },
    { type: "assert-default-spec-id", "default-spec-id": 0 },
    { type: "assert-default-sort-order-id", "default-sort-order-id": 0 },
  ];
  test.each(holds)("$type holds", async (requirement) => {
    checkRequirement(await foreign(), requirement);
  });
  const fails: [Requirement, string, string][] = [
    [{ type: "assert-create" }, "conflict", "table already exists"],
    [{ type: "assert-table-uuid", uuid: "x" }, "conflict", "UUID does not match: expected x != 3c803be9"],
    [
      { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": 5671711466548026400n },
      "conflict",
      "branch main has changed: expected id 5671711466548026400 != 5671711466548026430",
    ],
    [
      { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": null },
      "conflict",
      "branch main was created concurrently",
    ],
    [
      { type: "assert-ref-snapshot-id", ref: "dev", "snapshot-id": 1 },
      "conflict",
      "branch or tag dev is missing, expected 1",
    ],
    [
      { type: "assert-last-assigned-field-id", "last-assigned-field-id": 4 },
      "conflict",
      "last assigned field id changed",
    ],
    [
      { type: "assert-current-schema-id", "current-schema-id": 1 },
      "conflict",
      "current schema changed: expected id 1 != 0",
    ],
    [
      { type: "assert-last-assigned-partition-id", "last-assigned-partition-id": 9 },
      "conflict",
      "last assigned partition id",
    ],
    [{ type: "assert-default-spec-id", "default-spec-id": 9 }, "conflict", "default partition spec changed"],
    [
      { type: "assert-default-sort-order-id", "default-sort-order-id": 9 },
      "conflict",
      "default sort order changed",
    ],
    [{ type: "assert-weather" }, "bad_request", "Unknown requirement: assert-weather"],
    [{ type: "constructor" }, "bad_request", "Unknown requirement: constructor"],
  ];
  test.each(fails.map(titled))("fails: %s", async (message, requirement, type) => {
    const table = await foreign();
    expect(() => checkRequirement(table, requirement)).toThrow(
      expect.objectContaining({ type, message: expect.stringContaining(message) }),
    );
  });
  test("of a table that is not there: only that it is not", () => {
    checkRequirement(undefined, { type: "assert-create" });
    expect(() => checkRequirement(undefined, { type: "assert-table-uuid", uuid: "x" })).toThrow(
      "Table does not exist",
    );
  });
});

const snapshot = {
  "snapshot-id": 8723432189764512377n,
  "parent-snapshot-id": head,
  "sequence-number": 3,
  "timestamp-ms": now - 1,
  "manifest-list": "file:///x",
  summary: { operation: "append" },
  "schema-id": 0,
};
const after = async (...updates: Update[]) => applyUpdates(await foreign(), updates, now);

describe("updates", () => {
  test("add a snapshot and make it the current one; the old metadata stays as it was", async () => {
    const before = await foreign();
    const table = applyUpdates(
      before,
      [
        { action: "add-snapshot", snapshot },
        {
          action: "set-snapshot-ref",
          "ref-name": "main",
          type: "branch",
          "snapshot-id": snapshot["snapshot-id"],
        },
        { action: "set-snapshot-ref", "ref-name": "v1", type: "tag", "snapshot-id": first },
      ],
      now,
    );
    expect(before).toEqual(await foreign());
    expect(table).toMatchObject({
      "current-snapshot-id": 8723432189764512377n,
      "last-sequence-number": 3,
      "last-updated-ms": now,
    });
    expect(table["snapshot-log"].at(-1)).toEqual({
      "snapshot-id": 8723432189764512377n,
      "timestamp-ms": now - 1,
    });
    expect(table.refs).toEqual({
      main: { type: "branch", "snapshot-id": 8723432189764512377n },
      v1: { type: "tag", "snapshot-id": first },
    });
    expect(exactText(table)).toContain('"current-snapshot-id":8723432189764512377,');
  });

  test("evolve the schema: -1 means what was added last, an equal schema is none more", async () => {
    const old = (await foreign()).schemas[0];
    const schema = {
      ...old,
      fields: [...(old?.fields ?? []), { id: 6, name: "note", required: false, type: "string" }],
    };
    const table = await after(
      { action: "add-schema", schema },
      { action: "set-current-schema", "schema-id": -1 },
      { action: "add-schema", schema: old },
    );
    expect(table.schemas.map((each) => each["schema-id"])).toEqual([0, 1]);
    expect([table["current-schema-id"], table["last-column-id"]]).toEqual([1, 6]);
  });

  test("add partition specs and sort orders", async () => {
    const table = await after(
      { action: "add-spec", spec: { fields: [{ "source-id": 4, name: "day", transform: "day" }] } },
      { action: "set-default-spec", "spec-id": -1 },
      {
        action: "add-sort-order",
        "sort-order": {
          fields: [{ "source-id": 1, direction: "asc", transform: "identity", "null-order": "nulls-first" }],
        },
      },
      { action: "set-default-sort-order", "sort-order-id": -1 },
    );
    expect(table["partition-specs"][1]).toMatchObject({ "spec-id": 1, fields: [{ "field-id": 1001 }] });
    expect([table["default-spec-id"], table["last-partition-id"], table["default-sort-order-id"]]).toEqual([
      1, 1001, 1,
    ]);
  });

  test("remove snapshots with the branches that name them, and the log up to the last that went", async () => {
    const table = await after({ action: "remove-snapshots", "snapshot-ids": [head] });
    expect(table.snapshots.map((each) => each["snapshot-id"])).toEqual([first]);
    expect([table.refs, table["current-snapshot-id"], table["snapshot-log"]]).toEqual([{}, -1, []]);
    expect(
      (await after({ action: "remove-snapshots", "snapshot-ids": [first] }))["snapshot-log"],
    ).toHaveLength(1);
  });

  test("replace a table: its branch goes, its log stays", async () => {
    const table = await after({ action: "remove-snapshot-ref", "ref-name": "main" });
    expect([table.refs, table["current-snapshot-id"], table["snapshot-log"].length]).toEqual([{}, -1, 2]);
  });

  test("set and remove properties, statistics, the location, schemas, specs and keys", async () => {
    const table = await after(
      { action: "set-properties", updates: { a: "1", b: "2" } },
      { action: "remove-properties", removals: ["a", "none"] },
      { action: "set-statistics", statistics: { "snapshot-id": head, "statistics-path": "x" } },
      { action: "set-statistics", statistics: { "snapshot-id": head, "statistics-path": "y" } },
      { action: "set-partition-statistics", "partition-statistics": { "snapshot-id": head } },
      { action: "remove-partition-statistics", "snapshot-id": head },
      { action: "set-location", location: "file:///moved/" },
      { action: "add-encryption-key", "encryption-key": { "key-id": "k" } },
      { action: "remove-encryption-key", "key-id": "k" },
      { action: "upgrade-format-version", "format-version": 3 },
    );
    expect(table.properties).toEqual({ b: "2" });
    expect(table.statistics).toEqual([{ "snapshot-id": head, "statistics-path": "y" }]);
    expect(table["partition-statistics"]).toEqual([]);
    expect([table.location, table["encryption-keys"], table["format-version"], table["next-row-id"]]).toEqual(
      ["file:///moved", [], 3, 0],
    );
  });

  test("create a table from nothing", () => {
    const table = applyUpdates(
      emptyTable(now),
      [
        { action: "assign-uuid", uuid: "u" },
        { action: "upgrade-format-version", "format-version": 2 },
        {
          action: "add-schema",
          schema: { type: "struct", fields: [{ id: 1, name: "a", required: false, type: "int" }] },
        },
        { action: "set-current-schema", "schema-id": -1 },
        { action: "add-spec", spec: { fields: [] } },
        { action: "set-default-spec", "spec-id": -1 },
        { action: "add-sort-order", "sort-order": { fields: [] } },
        { action: "set-default-sort-order", "sort-order-id": -1 },
        { action: "set-location", location: "file:///t" },
      ],
      now,
    );
    expect(table).toMatchObject({
      "table-uuid": "u",
      "format-version": 2,
      "current-schema-id": 0,
      "default-spec-id": 0,
      "default-sort-order-id": 0,
      "last-column-id": 1,
    });
  });

  const refused: [Update, string, string][] = [
    [
      { action: "add-snapshot", snapshot: { ...snapshot, "snapshot-id": head } },
      "bad_request",
      `Snapshot already exists for id: ${head}`,
    ],
    [
      { action: "add-snapshot", snapshot: { ...snapshot, "sequence-number": 2 } },
      "conflict",
      "sequence number 2 older than last sequence number 2",
    ],
    [{ action: "add-snapshot" }, "bad_request", "Expected snapshot"],
    [
      { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": 1 },
      "bad_request",
      "unknown snapshot: 1",
    ],
    [
      { action: "set-snapshot-ref", "ref-name": "__proto__", type: "tag", "snapshot-id": head },
      "bad_request",
      "ref-name",
    ],
    ...["", " ", "a\u0000b", "a\nb", "x".repeat(1025), 5, null].map((name): [Update, string, string] => [
      { action: "set-snapshot-ref", "ref-name": name, type: "tag", "snapshot-id": head },
      "bad_request",
      "ref-name",
    ]),
    [
      { action: "set-snapshot-ref", "ref-name": "main", type: "tag", "snapshot-id": head },
      "bad_request",
      "Cannot make main a tag",
    ],
    [
      { action: "set-snapshot-ref", "ref-name": "v", type: "label", "snapshot-id": head },
      "bad_request",
      "expected branch or tag",
    ],
    [
      { action: "set-snapshot-ref", "ref-name": "v", "snapshot-id": head },
      "bad_request",
      "expected branch or tag",
    ],
    [{ action: "set-properties", updates: JSON.parse('{"__proto__":"x"}') }, "bad_request", "__proto__"],
    [
      { action: "set-properties", updates: { a: 1 } },
      "bad_request",
      "Expected the property a as text, got 1",
    ],
    [{ action: "remove-properties" }, "bad_request", "Expected removals as a list, got nothing"],
    [{ action: "assign-uuid", uuid: "other" }, "bad_request", "Cannot reassign uuid"],
    [
      { action: "upgrade-format-version", "format-version": 4 },
      "bad_request",
      "unsupported format version: v4",
    ],
    [
      { action: "upgrade-format-version", "format-version": 1 },
      "bad_request",
      "Cannot downgrade v2 table to v1",
    ],
    [{ action: "set-current-schema", "schema-id": 7 }, "bad_request", "unknown schema: 7"],
    [{ action: "set-default-spec", "spec-id": 7 }, "bad_request", "unknown spec: 7"],
    [{ action: "set-default-sort-order", "sort-order-id": 7 }, "bad_request", "unknown sort order: 7"],
    [{ action: "add-schema" }, "bad_request", "Expected schema"],
    [{ action: "remove-schemas", "schema-ids": [0] }, "bad_request", "Cannot remove current schema"],
    [
      { action: "remove-partition-specs", "spec-ids": [0] },
      "bad_request",
      "Cannot remove default partition spec",
    ],
    [{ action: "set-location", location: 5 }, "bad_request", "Expected location as text, got 5"],
    [{ action: "make-coffee" }, "bad_request", "Cannot convert metadata update action: make-coffee"],
    [{ action: "toString" }, "bad_request", "Cannot convert metadata update action: toString"],
  ];
  test.each(refused.map(titled))("refused: %s", async (message, update, type) => {
    await expect(after(update)).rejects.toMatchObject({ type, message: expect.stringContaining(message) });
  });
});
