/** Parts of nested columns of open tables change by their paths; each keeps its field id, and what cannot be is named. */
import { describe, expect, test } from "bun:test";
import type { TableMetadata } from "../../../../workers/catalogd/iceberg/table-metadata.ts";
import { newTable } from "../../../../workers/catalogd/iceberg/table-metadata.ts";
import { applyUpdates } from "../../../../workers/catalogd/iceberg/updates.ts";
import type { Evolution } from "../../../../workers/catalogd/schemas/schemas.ts";
import { contentOf, evolution } from "../../../../workers/catalogd/table-columns/table-columns.ts";
import type { Manifest } from "../../../../workers/catalogd/versions/versions.ts";

const optional = (id: number, name: string, type: unknown) => ({ id, name, required: false, type });
const struct = (...fields: ReturnType<typeof optional>[]) => ({ type: "struct" as const, fields });
const fields = [
  optional(1, "id", "long"),
  optional(2, "home", struct(optional(3, "city", "string"), optional(4, "zip", "int"))),
  optional(5, "tags", {
    ...{ type: "list", "element-id": 6, "element-required": false },
    element: struct(optional(7, "name", "string"), optional(8, "score", "float")),
  }),
  optional(9, "sums", {
    ...{
      type: "map",
      "key-id": 10,
      key: struct(optional(11, "k", "int")),
      "value-id": 12,
      "value-required": false,
    },
    value: struct(optional(13, "n", "decimal(9, 2)")),
  }),
  optional(14, "a.b", "string"),
  optional(15, "few", { type: "list", "element-id": 16, element: "int", "element-required": false }),
];
const table = (partition: { source: number; name: string }[] = []): TableMetadata =>
  newTable(
    {
      schema: struct(...fields) as never,
      "partition-spec": {
        fields: partition.map(({ source, name }) => ({
          ...{ "source-id": source, "field-id": 1000, name, transform: "identity" },
        })),
      },
    },
    { uuid: "6f9ab5a2-8f5e-4fd8-9b36-6a7c3a1b8b1d", location: "file:///t", now: 1 },
  );
const versionOf = (metadata: TableMetadata) =>
  ({
    ...contentOf(metadata, {
      ...{ name: "open.t", operation: "create", made_by: "test", objects: [] },
      ...{ metadata_location: "file:///t/m", locations: ["file:///t"] },
    }),
    version: 1,
  }) as unknown as Manifest;
const columnsAfter = (asked: Evolution, metadata = table()) => {
  const updates = evolution(versionOf(metadata), metadata, asked);
  return contentOf(applyUpdates(metadata, updates, 2), {} as never).columns;
};
const shape = (asked: Evolution) =>
  Object.fromEntries(
    columnsAfter(asked).map(({ name, type, nested_ids: ids = [] }) => [name, `${type} ${ids}`]),
  );

test("ids of a table are assigned level by level: what the tests below begin with", () => {
  expect(shape({})).toEqual({
    id: "BIGINT ",
    home: 'STRUCT("city" VARCHAR, "zip" INTEGER) 7,8',
    tags: 'STRUCT("name" VARCHAR, "score" FLOAT)[] 9,10,11',
    sums: 'MAP(STRUCT("k" INTEGER), STRUCT("n" DECIMAL(9,2))) 12,14,13,15',
    "a.b": "VARCHAR ",
    few: "INTEGER[] 16",
  });
});

describe("parts of a struct, of a list's element and of a map's value", () => {
  test("are renamed, widened, added, dropped, put in order and described, by one request", () => {
    const asked = {
      rename: [
        { name: "home.city", to: "town" },
        { name: "id", to: "key" },
      ],
      drop: ["tags.element.name"],
      widen: [
        { name: "home.zip", type: "BIGINT" },
        { name: "tags.element.score", type: "DOUBLE" },
        { name: "sums.value.n", type: "DECIMAL(18,2)" },
        { name: "few.element", type: "BIGINT" },
      ],
      add: [
        { name: "home.geo", type: "STRUCT(x DOUBLE, y DOUBLE)" },
        { name: "sums.value.of", type: "VARCHAR[]", comment: "who" },
        { name: "tags.element.name", type: "BIGINT" },
        { name: "note", type: "VARCHAR" },
      ],
      reorder: ["home.geo", "home.town", "home.zip"],
      comment: [{ name: "home.zip", text: "code" }],
    };
    expect(shape(asked)).toEqual({
      key: "BIGINT ",
      home: 'STRUCT("geo" STRUCT("x" DOUBLE, "y" DOUBLE), "town" VARCHAR, "zip" BIGINT) 17,18,19,7,8',
      tags: 'STRUCT("score" DOUBLE, "name" BIGINT)[] 9,11,22',
      sums: 'MAP(STRUCT("k" INTEGER), STRUCT("n" DECIMAL(18,2), "of" VARCHAR[])) 12,14,13,15,20,21',
      "a.b": "VARCHAR ",
      few: "BIGINT[] 16",
      note: "VARCHAR ",
    });
  });
  test("a column whose own name has the dot is that column", () => {
    expect(Object.keys(shape({ rename: [{ name: "a.b", to: "c" }] }))).toContain("c");
    expect(shape({ add: [{ name: "x.y", type: "INTEGER" }] })["x.y"]).toBe("INTEGER ");
  });
});

test.each<[string, Evolution, RegExp]>([
  [
    "no such part",
    { drop: ["home.cty"] },
    /drop\.0: column 'home' has no part 'home\.cty'; did you mean home\.city/,
  ],
  ["twice", { drop: ["home.city", "home.city"] }, /drop\.1: 'home\.city' is there twice/],
  ["all parts", { drop: ["home.city", "home.zip"] }, /expected a part of 'home' to be left; drop the column/],
  [
    "an element's name",
    { rename: [{ name: "tags.element", to: "x" }] },
    /'tags\.element' is an element, a key or a value/,
  ],
  [
    "into a list",
    { add: [{ name: "tags.x", type: "INTEGER" }] },
    /'tags' is a list, .*: expected a path such as tags\.element\.x/,
  ],
  ["into a key", { add: [{ name: "sums.key.x", type: "INTEGER" }] }, /a part of a map's key/],
  ["of a key", { drop: ["sums.key.k"] }, /a part of a map's key/],
  [
    "narrower",
    { widen: [{ name: "home.zip", type: "SMALLINT" }] },
    /'home\.zip' cannot become SMALLINT from INTEGER/,
  ],
  ["a struct as a type", { widen: [{ name: "home", type: "STRUCT(a INTEGER)" }] }, /cannot become STRUCT/],
  ["no type", { add: [{ name: "home.x", type: "NOPE" }] }, /NOPE/],
  ["a type of no format 2", { add: [{ name: "home.x", type: "HUGEINT" }] }, /no type for 'home\.x' HUGEINT/],
  [
    "a name that is there",
    { add: [{ name: "home.CITY", type: "VARCHAR" }] },
    /'home' would have the part 'city' twice/,
  ],
  ["a name that is none", { rename: [{ name: "home.city", to: "a\0b" }] }, /rename\.0\.to/],
  ["half an order", { reorder: ["home.zip"] }, /every part of 'home' once.*: home\.city, home\.zip/],
])("refused: %s", (_, asked, words) => {
  expect(() => columnsAfter(asked)).toThrow(words);
});

test("a part that rows are partitioned by stays, and so does the column around it", () => {
  for (const drop of ["home.zip", "home"])
    expect(() => columnsAfter({ drop: [drop] }, table([{ source: 4, name: "zip" }]))).toThrow(
      /column 'home' cannot go.*rows are partitioned, sorted or known by it/,
    );
});
