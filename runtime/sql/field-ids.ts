/**
 * Field ids: the number by which open tables know a column and each part of a nested one, whatever its name and place
 * become. A dataset gives each number once. The one rule of who gets which, for whoever plans a version and whoever
 * writes its files.
 */
import { parseSqlType, type SqlType } from "./type-grammar.ts";
import { widens } from "./widening.ts";

export interface Numbered {
  name: string;
  type: string;
  field_id?: number;
  /**
   * Of what is nested in it, each part before what is nested in that: a list's element, a map's key and value, a
   * struct's fields. Absent where nothing is.
   */
  nested_ids?: readonly number[];
}

interface FieldIds {
  field_id: number;
  nested_ids?: number[];
}

/** How many parts are nested in a type, at all levels. */
function partCount(type: SqlType): number {
  if (type.kind === "scalar") return 0;
  if (type.kind === "list") return 1 + partCount(type.item);
  if (type.kind === "map") return 2 + partCount(type.key) + partCount(type.value);
  return type.fields.reduce((sum, field) => sum + 1 + partCount(field.type), 0);
}

/** Of most types nothing is nested: their texts need no parsing. */
const partsOf = (type: string): number =>
  /[[(]/.test(type) && !type.startsWith("DECIMAL(") ? partCount(parseSqlType(type)) : 0;

/** The columns of a dataset as they are known, and the highest id that was ever given in it. */
export interface KnownFields {
  columns: readonly Numbered[];
  last_column_id?: number;
}

/**
 * Gives each column its ids: those of the known column that `sameAs` finds for it, or new ones. New ids go to the
 * columns in order and then on to what is nested in them: of a dataset that is new, 1 to n for the columns.
 * Versions stored before ids were kept have these very ids in their files.
 */
export function numberColumns<C extends Numbered>(
  columns: readonly C[],
  known: KnownFields = { columns: [] },
  sameAs: (column: C) => Numbered | undefined = sameColumn(known),
): { columns: (C & FieldIds)[]; last_column_id: number } {
  let last = known.last_column_id ?? 0;
  const ids = columns.map((column): FieldIds => {
    const before = sameAs(column);
    if (before?.field_id === undefined) return { field_id: ++last };
    return {
      field_id: before.field_id,
      ...(before.nested_ids && { nested_ids: [...before.nested_ids] }),
    };
  });
  const numbered = columns.map((column, at): C & FieldIds => {
    const own = ids[at] as FieldIds;
    const parts = own.field_id > (known.last_column_id ?? 0) ? partsOf(column.type) : 0;
    if (parts > 0) own.nested_ids = Array.from({ length: parts }, () => ++last);
    return { ...column, ...own };
  });
  return { columns: numbered, last_column_id: last };
}

/** The column of the same name, where one of both types holds all values of the other. */
function sameColumn({ columns }: KnownFields): (column: Numbered) => Numbered | undefined {
  const byName = new Map(columns.map((column) => [column.name, column]));
  return ({ name, type }) => {
    const found = byName.get(name);
    return found && (widens(found.type, type) || widens(type, found.type)) ? found : undefined;
  };
}
