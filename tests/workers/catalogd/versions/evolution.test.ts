/** Which columns a version may have after another: by append, by replacement and by request. */
import { describe, expect, test } from "bun:test";
import { ServiceError } from "../../../../runtime/errors/errors.ts";
import { widens } from "../../../../runtime/sql/widening.ts";
import type { Evolution } from "../../../../workers/catalogd/schemas/schemas.ts";
import { planEvolution, planRegistration } from "../../../../workers/catalogd/versions/plan.ts";
import type { Registration } from "../../../../workers/catalogd/versions/registration.ts";
import {
  type Column,
  isLive,
  type Manifest,
  type Version,
} from "../../../../workers/catalogd/versions/version.ts";

const columns: Column[] = [
  { name: "a", type: "INTEGER", nullable: false },
  { name: "b", type: "DECIMAL(6,2)", nullable: true },
  { name: "c", type: "VARCHAR", nullable: true },
];
const [a, b, c] = columns as [Column, Column, Column];
const object = (key: string, nulls: string[] = []) => ({
  ...{ key, bytes: 1, etag: key, row_count: 2 },
  statistics: nulls.map((column, at) => ({ column, field_id: at + 1, null_count: 2 })),
});
let id = 0;
const given = { now: 1000, newId: () => `id-${++id}` };
const register = (head: Version | undefined, changes: Partial<Registration>): Manifest => {
  const asked = { name: "x", columns, objects: [object(`o${++id}`)], ...changes };
  const next = planRegistration(head, asked, given);
  if (!isLive(next)) throw new Error("a tombstone");
  return next;
};
const head = register(undefined, { objects: [object("first", ["c"])] });
const append = (proposed: Column[], nulls: string[] = []) =>
  register(head, {
    operation: "append",
    evolve: true,
    columns: proposed,
    objects: [object(`o${++id}`, nulls)],
  });
const shown = ({ columns: all }: Pick<Manifest, "columns">) =>
  all
    .map(({ name, type, nullable, field_id }) => `${field_id} ${name} ${type}${nullable ? "" : "!"}`)
    .join(", ");
const messageOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof ServiceError) return `${error.type}: ${error.message}`;
    throw error;
  }
  return "taken";
};

describe("an append with evolve", () => {
  test.each<[string, Column[], string]>([
    [
      "a new column is NULL in old rows",
      [a, { ...b, name: "d", nullable: false }, b, c],
      "1 a INTEGER!, 2 b DECIMAL(6,2), 3 c VARCHAR, 4 d DECIMAL(6,2)",
    ],
    ["a column that is missing", [b, c], "1 a INTEGER, 2 b DECIMAL(6,2), 3 c VARCHAR"],
    [
      "wider types",
      [{ ...a, type: "BIGINT" }, { ...b, type: "DECIMAL(9,2)" }, c],
      "1 a BIGINT!, 2 b DECIMAL(9,2), 3 c VARCHAR",
    ],
    [
      "a narrower type changes nothing",
      [{ ...a, type: "TINYINT" }, b, c],
      "1 a INTEGER!, 2 b DECIMAL(6,2), 3 c VARCHAR",
    ],
    ["NULL is taken", [{ ...a, nullable: true }, b, c], "1 a INTEGER, 2 b DECIMAL(6,2), 3 c VARCHAR"],
    [
      "a column of NULLs takes any type, as a new field",
      [a, b, { ...c, type: "DATE" }],
      "1 a INTEGER!, 2 b DECIMAL(6,2), 4 c DATE",
    ],
  ])("%s", (_name, proposed, expected) => {
    const next = append(proposed);
    expect(shown(next)).toBe(expected);
    expect(next.objects[0]).toEqual(head.objects[0] as never);
  });

  test("a column that is NULL throughout in the file keeps the registered type", () => {
    expect(shown(append([a, { ...b, type: "DATE" }, c], ["b"]))).toBe(shown(head).replace("!", "!"));
  });

  test.each<[string, Column[], string]>([
    ["another type", [{ ...a, type: "VARCHAR" }, b, c], "retyped: a (INTEGER → VARCHAR)"],
    [
      "fewer digits after the point",
      [a, { ...b, type: "DECIMAL(9,1)" }, c],
      "retyped: b (DECIMAL(6,2) → DECIMAL(9,1))",
    ],
    [
      "another form of texts",
      [a, { ...b, form: "shortest" }, c],
      "retyped: b (DECIMAL(6,2) → DECIMAL(6,2) shortest)",
    ],
  ])("%s is drift", (_name, proposed, expected) => {
    expect(messageOf(() => append(proposed))).toContain(expected);
  });

  test("objects say under which columns they were written, and only those that differ are kept", () => {
    const wide = append([{ ...a, type: "BIGINT" }, b, c]);
    expect([wide.schema_id, wide.objects.map(({ schema_id }) => schema_id)]).toEqual([1, [undefined, 1]]);
    expect(wide.schemas?.map(({ schema_id, columns: own }) => [schema_id, own.length])).toEqual([[0, 3]]);
    const whole = register(wide, { operation: "replace", columns: wide.columns, objects: [object("all")] });
    expect([whole.schema_id, whole.schemas, whole.last_schema_id]).toEqual([1, undefined, 1]);
  });
});

test("in another order columns are the registered ones, without evolve", () => {
  const next = register(head, { operation: "append", columns: [c, a, b] });
  expect(shown(next)).toBe(shown(head));
  expect(messageOf(() => register(head, { columns: [c, a] }))).toContain("removed: b");
});

test("a replacement with evolve takes the columns that come, and ids where values could stay", () => {
  const next = register(head, {
    evolve: true,
    columns: [
      { ...c, name: "d" },
      { ...a, type: "BIGINT" },
      { ...b, type: "VARCHAR" },
    ],
  });
  expect(shown(next)).toBe("4 d VARCHAR, 1 a BIGINT!, 5 b VARCHAR");
  expect(next.schemas).toBeUndefined();
});

describe("by request", () => {
  const evolve = (asked: Evolution, from: Version = head) =>
    planEvolution(from, { name: "x", asked, ifMatch: undefined }, given);

  test.each<[string, Evolution, string]>([
    [
      "added",
      { add: [{ name: "d", type: "text[]" }] },
      "1 a INTEGER!, 2 b DECIMAL(6,2), 3 c VARCHAR, 4 d text[]",
    ],
    [
      "renamed in a circle",
      {
        rename: [
          { name: "a", to: "c" },
          { name: "c", to: "a" },
        ],
      },
      "1 c INTEGER!, 2 b DECIMAL(6,2), 3 a VARCHAR",
    ],
    [
      "dropped and added again is another one",
      { drop: ["b"], add: [{ name: "b", type: "DECIMAL(6,2)" }] },
      "1 a INTEGER!, 3 c VARCHAR, 4 b DECIMAL(6,2)",
    ],
    ["widened", { widen: [{ name: "a", type: "long" }] }, "1 a BIGINT!, 2 b DECIMAL(6,2), 3 c VARCHAR"],
    ["in another order", { reorder: ["c", "a", "b"] }, "3 c VARCHAR, 1 a INTEGER!, 2 b DECIMAL(6,2)"],
  ])("%s", (_name, asked, expected) => {
    const next = evolve(asked);
    expect(shown(next)).toBe(expected);
    expect(next).toMatchObject({ operation: "evolve", parent: 1, objects: head.objects });
    expect(next.last_column_id).toBe(expected.includes("text[]") ? 5 : expected.includes("4 ") ? 4 : 3);
  });

  test("comments come and go, and nothing asked makes no version", () => {
    const next = evolve({ comment: [{ name: "a", text: "the key" }] });
    expect(next.columns[0]?.comment).toBe("the key");
    expect(next.schemas).toBeUndefined();
    expect(evolve({ comment: [{ name: "a", text: "" }] }, next).columns[0]?.comment).toBeUndefined();
    expect(evolve({})).toBe(head);
  });

  test.each<[string, Evolution, string]>([
    ["no such column", { drop: ["bb"] }, "unprocessable: drop.0: there is no column 'bb'; did you mean b"],
    ["a name that is taken", { add: [{ name: "A", type: "DATE" }] }, "'A' is there twice"],
    ["a rename onto another", { rename: [{ name: "a", to: "b" }] }, "'b' is there twice"],
    ["no column left", { drop: ["a", "b", "c"] }, "invalid_field: drop: expected a column to be left"],
    ["dropped and renamed", { drop: ["a"], rename: [{ name: "a", to: "d" }] }, "drop.0: 'a' is there twice"],
    ["a type that is none", { add: [{ name: "d", type: "NOPE" }] }, "'NOPE' is no type"],
    [
      "narrower",
      { widen: [{ name: "a", type: "SMALLINT" }] },
      "cannot become SMALLINT from INTEGER while its files stay: safe are",
    ],
    ["to text", { widen: [{ name: "a", type: "VARCHAR" }] }, "POST /v1/catalog/datasets/x/retype"],
    [
      "an order that lacks one",
      { reorder: ["a", "b"] },
      "reorder: expected every column once, as they are named after this request; c is missing",
    ],
    ["an order with one twice", { reorder: ["a", "b", "c", "a"] }, "reorder: expected every column once"],
    [
      "a comment on nothing",
      { comment: [{ name: "z", text: "" }] },
      "comment.0.name: there is no column 'z'",
    ],
  ])("refused: %s", (_name, asked, expected) => {
    expect(messageOf(() => evolve(asked))).toContain(expected);
  });

  test("a part of a nested column is refused with the way out", () => {
    const nested = evolve({ add: [{ name: "s", type: "STRUCT(a INTEGER)" }] });
    for (const asked of [{ rename: [{ name: "s.a", to: "b" }] }, { drop: ["s.a"] }])
      expect(messageOf(() => evolve(asked, nested))).toContain(
        "change in open tables alone: POST /v1/catalog/open",
      );
  });
});

test("names of fields in quotes make no other type", () => {
  expect(
    widens(
      'STRUCT("a" INTEGER, b MAP(VARCHAR, STRUCT("c" DATE)))[]',
      'STRUCT(a INTEGER, "b" MAP(VARCHAR, STRUCT(c DATE)))[]',
    ),
  ).toBe(true);
  expect(widens("STRUCT(a INTEGER)", "STRUCT(b INTEGER)")).toBe(false);
});

test("types that hold every value of another one", () => {
  const types =
    "TINYINT UTINYINT SMALLINT USMALLINT INTEGER UINTEGER BIGINT UBIGINT FLOAT DOUBLE DECIMAL(6,2) DECIMAL(9,2) DECIMAL(9,3) VARCHAR DATE TIMESTAMP".split(
      " ",
    );
  const pairs = types.flatMap((from) =>
    types.filter((to) => from !== to && widens(from, to)).map((to) => `${from}>${to}`),
  );
  expect(pairs.join(" ")).toBe(
    "TINYINT>SMALLINT TINYINT>INTEGER TINYINT>BIGINT UTINYINT>SMALLINT UTINYINT>USMALLINT UTINYINT>INTEGER UTINYINT>UINTEGER UTINYINT>BIGINT UTINYINT>UBIGINT SMALLINT>INTEGER SMALLINT>BIGINT USMALLINT>INTEGER USMALLINT>UINTEGER USMALLINT>BIGINT USMALLINT>UBIGINT INTEGER>BIGINT UINTEGER>BIGINT UINTEGER>UBIGINT FLOAT>DOUBLE DECIMAL(6,2)>DECIMAL(9,2)",
  );
});
