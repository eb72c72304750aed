/** Decisions without I/O: drift, fingerprints, the next version. */
import { describe, expect, test } from "bun:test";
import { ServiceError } from "../../../../runtime/errors/errors.ts";
import { fold } from "../../../../runtime/sql/names.ts";
import { planDrop, planRegistration } from "../../../../workers/catalogd/versions/plan.ts";
import { canonicalKey, type Registration } from "../../../../workers/catalogd/versions/registration.ts";
import {
  type Drift,
  driftError,
  schemaDrift,
  schemaFingerprint,
} from "../../../../workers/catalogd/versions/schema.ts";
import type { Column, DataObject, Version } from "../../../../workers/catalogd/versions/version.ts";

const columns: Column[] = [
  { name: "a", type: "BIGINT", nullable: true },
  { name: "b", type: "VARCHAR", nullable: true },
  { name: "c", type: "DATE", nullable: false },
];
const [a, b, c] = columns as [Column, Column, Column];
const d: Column = { name: "d", type: "DOUBLE", nullable: true };
const none: Drift = { added: [], removed: [], retyped: [], nullability: [], reordered: [] };

const drifts: readonly (readonly [string, Column[], Drift, string])[] = [
  ["added at the end", [a, b, c, d], { ...none, added: ["d"] }, "added: d"],
  ["added in the middle moves nothing", [a, d, b, c], { ...none, added: ["d"] }, "added: d"],
  ["removed", [a, c], { ...none, removed: ["b"] }, "removed: b"],
  ["renamed", [a, { ...b, name: "B" }, c], { ...none, added: ["B"], removed: ["b"] }, "added: B; removed: b"],
  [
    "retyped",
    [{ ...a, type: "VARCHAR" }, b, c],
    { ...none, retyped: [{ name: "a", from: "BIGINT", to: "VARCHAR" }] },
    "retyped: a (BIGINT → VARCHAR)",
  ],
  [
    "nullability",
    [a, b, { ...c, nullable: true }],
    { ...none, nullability: [{ name: "c", from: false, to: true }] },
    "nullability: c (not null → nullable)",
  ],
  ["reordered", [b, a, c], { ...none, reordered: ["b", "a"] }, "reordered: b, a"],
  [
    "all at once",
    [{ ...c, type: "VARCHAR", nullable: true }, d, a],
    {
      added: ["d"],
      removed: ["b"],
      retyped: [{ name: "c", from: "DATE", to: "VARCHAR" }],
      nullability: [{ name: "c", from: false, to: true }],
      reordered: ["c", "a"],
    },
    "added: d; removed: b; retyped: c (DATE → VARCHAR); nullability: c (not null → nullable); reordered: c, a",
  ],
];

describe("drift", () => {
  test.each(drifts)("%s", (_name, proposed, expected, message) => {
    const drift = schemaDrift(columns, proposed);
    expect(drift).toEqual(expected);
    expect(schemaFingerprint(proposed)).not.toBe(schemaFingerprint(columns));
    const error = driftError("x", drift);
    expect(error.message).toContain(`'x': ${message}; `);
    expect(error.details).toEqual(expected);
  });

  test("the message names ten columns of a kind, the details all", () => {
    const wide = Array.from({ length: 40 }, (_, at): Column => ({ ...a, name: `n${at}` }));
    const error = driftError("x", schemaDrift(columns, wide));
    expect(error.message).toContain("n9 and 30 more; removed: a, b, c");
    expect(error.message).not.toContain("n10");
    expect((error.details as Drift).added.length).toBe(40);
  });
});

describe("fingerprint", () => {
  test("is pinned", () => {
    expect(schemaFingerprint(columns)).toBe(
      "a91c7a841da7cf17c8d95bce5846905271a40c9c968726851f59f26472ccf180",
    );
  });
  test("no text of one column runs into another's", () => {
    const one = schemaFingerprint([{ name: "a,b", type: "X", nullable: true }]);
    const other = schemaFingerprint([{ name: "a", type: "b,X", nullable: true }]);
    expect(one).not.toBe(other);
  });
});

const object = (key: string, rows = 1): DataObject => ({
  key,
  bytes: 10,
  etag: `e-${key}`,
  row_count: rows,
  statistics: [],
});
const registration = (changes: Partial<Registration> = {}): Registration => ({
  name: "x",
  columns,
  objects: [object("1")],
  ...changes,
});
let ids = 0;
const given = { now: 1_000_000, newId: () => `id-${++ids}` };
const typeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof ServiceError) return error.type;
  }
  return "none";
};

describe("the next version", () => {
  const head = planRegistration(undefined, registration(), given);

  test("of nothing is version 1 without parent", () => {
    expect(head).toMatchObject({
      name: "x",
      version: 1,
      operation: "replace",
      made_by: "client",
      row_count: 1,
      bytes: 10,
    });
    expect(head.parent).toBeUndefined();
    expect(head.created_at).toBe(new Date(given.now).toISOString());
  });

  test("of the same objects is the head itself", () => {
    expect(
      planRegistration(head, registration({ objects: [{ ...object("1") }], made_by: "other" }), given),
    ).toBe(head as never);
  });

  test("of objects in another order is a new one", () => {
    const two = planRegistration(head, registration({ objects: [object("1"), object("2", 4)] }), given);
    expect(two).toMatchObject({
      version: 2,
      parent: 1,
      dataset_id: head.dataset_id,
      row_count: 5,
      bytes: 20,
    });
    expect(
      planRegistration(two, registration({ objects: [object("2", 4), object("1")] }), given),
    ).toMatchObject({ version: 3 });
  });

  test("by append keeps the old objects first", () => {
    const next = planRegistration(
      head,
      registration({ operation: "append", objects: [object("2", 4)], made_by: "t" }),
      given,
    );
    expect(next).toMatchObject({ version: 2, operation: "append", made_by: "t", row_count: 5 });
    expect(next.objects.map(({ key }) => key)).toEqual(["1", "2"]);
    expect(planRegistration(head, registration({ operation: "append", objects: [] }), given)).toBe(
      head as never,
    );
    expect(planRegistration(undefined, registration({ operation: "append" }), given)).toMatchObject({
      version: 1,
    });
  });

  test("by append refuses a key that is there, however it is addressed", () => {
    for (const key of ["1", "primary://1"])
      expect(
        typeOf(() =>
          planRegistration(head, registration({ operation: "append", objects: [object(key)] }), given),
        ),
      ).toBe("conflict");
    expect(
      typeOf(() =>
        planRegistration(head, registration({ operation: "append", objects: [object("other://1")] }), given),
      ),
    ).toBe("none");
  });

  test("keeps the field ids, and takes those that are given only where they are the dataset's", () => {
    const ids = ({ columns: numbered, last_column_id }: Version) => [
      ...numbered.map(({ field_id }) => field_id),
      last_column_id,
    ];
    const withIds = (...given: number[]) =>
      columns.map((column, at) => ({ ...column, field_id: given[at] ?? 1 }));
    expect(ids(head)).toEqual([1, 2, 3, 3]);
    const own = planRegistration(undefined, registration({ columns: withIds(5, 9, 7) }), given);
    expect(ids(own)).toEqual([5, 9, 7, 9]);
    const next = { operation: "append" as const, objects: [object("2")] };
    for (const proposed of [columns, withIds(5, 9, 7)])
      expect(ids(planRegistration(own, registration({ ...next, columns: proposed }), given))).toEqual([
        5, 9, 7, 9,
      ]);
    const other = () => planRegistration(own, registration({ ...next, columns: withIds(1, 2, 3) }), given);
    expect(other).toThrow("column 'a' of 'x' has the field id 5, not 1");
  });

  test("of another schema is drift, by replace and append", () => {
    for (const operation of ["replace", "append"] as const)
      expect(typeOf(() => planRegistration(head, registration({ operation, columns: [a, c] }), given))).toBe(
        "schema_drift",
      );
  });

  test("after a drop is a new dataset with the next number, of any schema", () => {
    const tombstone = planDrop(head, "x", given);
    expect(tombstone).toMatchObject({ version: 2, parent: 1, operation: "drop", objects: [], row_count: 0 });
    const again = planRegistration(tombstone, registration({ columns: [d] }), given);
    expect(again.version).toBe(3);
    expect(again.parent).toBeUndefined();
    expect(again.dataset_id).not.toBe(head.dataset_id);
  });

  test("of a drop needs a dataset", () => {
    expect(typeOf(() => planDrop(undefined, "x", given))).toBe("not_found");
    expect(typeOf(() => planDrop(planDrop(head, "x", given), "x", given))).toBe("not_found");
  });

  test("is not before its parent when the clock is set back", () => {
    const next = planRegistration(head, registration({ objects: [] }), { ...given, now: 5 });
    expect(next.created_at).toBe(head.created_at);
  });

  test("has bounds: versions, entries, sums", () => {
    const last: Version = { ...head, version: 99_999_999 };
    expect(typeOf(() => planRegistration(last, registration({ objects: [] }), given))).toBe(
      "resource_exhausted",
    );
    const heavy = (count: number): DataObject[] => {
      const statistics = Array.from({ length: 5000 }, (_, at) => ({ column: `c${at}`, field_id: at + 1 }));
      return Array.from({ length: count }, (_, at) => ({ ...object(`o${at}`), statistics }));
    };
    expect(typeOf(() => planRegistration(undefined, registration({ objects: heavy(99) }), given))).toBe(
      "none",
    );
    expect(typeOf(() => planRegistration(undefined, registration({ objects: heavy(100) }), given))).toBe(
      "resource_exhausted",
    );
    const most = Number.MAX_SAFE_INTEGER;
    expect(
      typeOf(() =>
        planRegistration(undefined, registration({ objects: [object("1", most), object("2", 1)] }), given),
      ),
    ).toBe("unprocessable");
  });
});

test("case folding is that of ASCII alone, as in DuckDB", () => {
  expect(fold("ABCxyz_09É")).toBe("abcxyz_09É");
  expect(canonicalKey("primary://a")).toBe("a");
  expect(canonicalKey("other://a")).toBe("other://a");
});
