/** Who gets which field id: in a new dataset, beside known columns, and never one twice. */
import { expect, test } from "bun:test";
import { type KnownFields, type Numbered, numberColumns } from "../../../runtime/sql/field-ids.ts";

const column = (name: string, type = "BIGINT"): Numbered => ({ name, type });
const idsOf = (columns: readonly Numbered[], known?: KnownFields) => {
  const { columns: numbered, last_column_id } = numberColumns(columns, known);
  return [numbered.map(({ field_id, nested_ids }) => [field_id, ...(nested_ids ?? [])]), last_column_id];
};

const nested = "STRUCT(a INTEGER, b MAP(VARCHAR, INTEGER[]))[]";
const known: KnownFields = {
  columns: [
    { ...column("a"), field_id: 1 },
    { ...column("l", "BIGINT[]"), field_id: 7, nested_ids: [9] },
  ],
  last_column_id: 12,
};

test.each<[string, Numbered[], KnownFields | undefined, unknown]>([
  ["a new dataset: 1 to n", [column("a"), column("b", "DECIMAL(18,2)")], undefined, [[[1], [2]], 2]],
  [
    "parts come after all columns",
    [column("n", nested), column("b"), column("l", "BIGINT[]")],
    undefined,
    [[[1, 4, 5, 6, 7, 8, 9], [2], [3, 10]], 10],
  ],
  [
    "known ones keep theirs, in any order",
    [column("l", "BIGINT[]"), column("a")],
    known,
    [[[7, 9], [1]], 12],
  ],
  ["new ones get ids never given", [column("a"), column("c", "BIGINT[]")], known, [[[1], [13, 14]], 14]],
  ["another type is another column", [column("a", "VARCHAR"), column("A")], known, [[[13], [14]], 14]],
])("%s", (_name, columns, before, expected) => {
  expect(idsOf(columns, before)).toEqual(expected as never);
});
