/** How the columns of a dataset may change while its files stay: by a registration, and by request. */
import { fail, invalidField, suggestionsFor } from "../../../runtime/errors/errors.ts";
import {
  columnProblem,
  fold,
  isSameType,
  numberColumns,
  parseSqlType,
  plainType,
  wideningRule,
  widens,
} from "../../../runtime/sql/sql.ts";
import type { Evolution } from "../schemas/schemas.ts";
import { idOf } from "./object-schemas.ts";
import { checkText } from "./registration.ts";
import { driftError, schemaDrift } from "./schema.ts";
import type { Column, DataObject, Manifest } from "./version.ts";

type Numbered = Pick<Manifest, "columns" | "last_column_id">;

/** The columns of a version after an append of objects with other columns, and these as they stand in the objects. */
interface Evolved {
  next: Numbered;
  written: Column[];
}

/**
 * The columns after an append with `evolve`: columns that are new come at the end, those that the objects lack are NULL
 * there, types widen where no value changes, and a column that is NULL throughout takes any type (as a new field: no value
 * of it is lost). Throws `schema_drift` for every other change.
 */
export function evolvedByAppend(
  live: Manifest,
  { columns: proposed, objects }: { columns: readonly Column[]; objects: readonly DataObject[] },
): Evolved {
  const after = new Map(proposed.map((column) => [column.name, column]));
  const before = new Set(live.columns.map(({ name }) => name));
  const emptyIn = new Set(
    proposed.filter((column) => isNullIn(objects, column.name)).map(({ name }) => name),
  );
  const retyped: { name: string; from: string; to: string }[] = [];
  const kept = live.columns.map((column): Column => {
    const asked = after.get(column.name);
    if (!asked) return { ...column, nullable: true };
    const nullable = column.nullable || asked.nullable;
    if (emptyIn.has(column.name) && !isSameType(asked.type, column.type))
      return { ...column, nullable: true };
    if (widens(asked.type, column.type) || widens(column.type, asked.type)) {
      const type = widens(asked.type, column.type) ? column.type : asked.type;
      const changed = changedForm(column, asked);
      if (changed) retyped.push(changed);
      return { ...column, ...formOf(column, asked), type, nullable };
    }
    if (isNullColumn(live, column)) return { ...asked, nullable: true };
    retyped.push({ name: column.name, from: column.type, to: asked.type });
    return column;
  });
  if (retyped.length > 0)
    throw driftError(live.name, { ...schemaDrift(live.columns, proposed), retyped }, true);
  const added = proposed
    .filter(({ name }) => !before.has(name))
    .map((column) => ({ ...column, nullable: column.nullable || live.objects.length > 0 }));
  const next = numberColumns([...kept, ...added].map(withoutIds), live);
  return { next, written: writtenAs(proposed, next, emptyIn) };
}

/** The columns after a replacement with `evolve`: those of the file; a registered type that is wider stays. */
export function evolvedByReplace(live: Manifest, proposed: readonly Column[]): Evolved {
  const before = new Map(live.columns.map((column) => [column.name, column.type]));
  const columns = proposed.map((column) => {
    const registered = before.get(column.name) ?? column.type;
    return { ...withoutIds(column), type: widens(column.type, registered) ? registered : column.type };
  });
  const next = numberColumns(columns, live);
  return { next, written: writtenAs(proposed, next, new Set()) };
}

const withoutIds = ({ field_id: _, nested_ids: __, ...column }: Column): Column => column;

/** What stands in the objects, with the ids of the dataset's columns. A column of NULLs need not be read. */
function writtenAs(proposed: readonly Column[], { columns }: Numbered, empty: ReadonlySet<string>): Column[] {
  const byName = new Map(columns.map((column) => [column.name, column]));
  return proposed.flatMap((column) => {
    const now = byName.get(column.name);
    if (!now || (empty.has(column.name) && !isSameType(now.type, column.type))) return [];
    const { field_id, nested_ids } = now;
    return [{ ...withoutIds(column), field_id: field_id ?? 0, ...(nested_ids && { nested_ids }) }];
  });
}

/** The form of texts must stay: with another one old values would be written otherwise than they came. */
function changedForm(column: Column, asked: Column): { name: string; from: string; to: string } | undefined {
  const [before, after] = [column.form ?? "fixed", asked.form ?? column.form ?? "fixed"];
  if (before === after) return undefined;
  return { name: column.name, from: `${column.type} ${before}`, to: `${asked.type} ${after}` };
}

const formOf = (column: Column, asked: Column): Pick<Column, "form"> => {
  const form = asked.form ?? column.form;
  return form === undefined ? {} : { form };
};

/** Whether the column, under this name in the objects' files, has no value in any. */
const isNullIn = (objects: readonly DataObject[], name: string): boolean =>
  objects.every(({ row_count, statistics }) => {
    const found = statistics.find(({ column }) => column === name);
    return row_count === 0 || found?.null_count === row_count;
  });

/** Whether no object of the dataset has a value of the column, as far as statistics tell; of an open table's files none do here. */
function isNullColumn({ objects, schemas = [], ...live }: Manifest, { field_id }: Column): boolean {
  if (live.metadata_location !== undefined) return false;
  return objects.every((object) => {
    const schema = schemas.find(({ schema_id }) => schema_id === idOf(object)) ?? live;
    const own = schema.columns.find((column) => column.field_id === field_id);
    return own === undefined || isNullIn([object], own.name);
  });
}

/** The columns after a request, in this order: renamed, dropped, widened, added, put in order, described. */
export function evolvedByRequest(live: Manifest, asked: Evolution): Numbered {
  const { rename = [], drop = [], widen = [], add = [], reorder, comment = [] } = asked;
  const named = [
    ...rename.map(({ name }, at) => ({ field: `rename.${at}.name`, name })),
    ...drop.map((name, at) => ({ field: `drop.${at}`, name })),
    ...widen.map(({ name }, at) => ({ field: `widen.${at}.name`, name })),
  ];
  for (const { field, name } of named) find(field, name, live.columns);
  refuseTwice(named);
  const names = new Map(rename.map(({ name, to }) => [name, to]));
  const types = new Map(
    widen.map(({ name, type }, at) => [name, widened(live, name, type, `widen.${at}.type`)]),
  );
  const kept = live.columns
    .filter(({ name }) => !drop.includes(name))
    .map((column) => ({
      ...column,
      name: names.get(column.name) ?? column.name,
      type: types.get(column.name) ?? column.type,
    }));
  const added = add.map((column) => ({ ...column, type: checkedType(column), nullable: true }));
  const all = [...kept, ...added];
  if (all.length === 0) throw invalidField("drop", "expected a column to be left; DELETE drops the dataset");
  const wrong = columnProblem(all);
  if (wrong) throw fail("unprocessable", wrong.problem, { details: { field: wrong.field } });
  const ordered = reorder ? inOrder(reorder, all) : all;
  for (const [at, { text }] of comment.entries()) checkText(`comment.${at}.text`, text);
  for (const [at, { comment: text = "" }] of add.entries()) checkText(`add.${at}.comment`, text);
  const texts = new Map(
    comment.map(({ name, text }, at) => [find(`comment.${at}.name`, name, ordered).name, text]),
  );
  const described = ordered.map(({ comment: before, ...column }): Column => {
    const text = texts.get(column.name) ?? before;
    return text === undefined || text === "" ? column : { ...column, comment: text };
  });
  const ids = new Map(kept.map((column) => [column.name, column]));
  return numberColumns(described, live, ({ name }) => ids.get(name));
}

function find(field: string, name: string, columns: readonly Column[]): Column {
  const found = columns.find((column) => column.name === name);
  if (found) return found;
  const near = suggestionsFor(
    name,
    columns.map((column) => column.name),
  );
  const around = columns.find((column) => name.startsWith(`${column.name}.`) && isNested(column));
  const elsewhere = `; parts of a nested column, such as '${around?.name}', change in open tables alone: POST /v1/catalog/open/<name> makes one`;
  const suggested = near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "";
  const hint = around ? elsewhere : suggested;
  throw fail("unprocessable", `${field}: there is no column '${name.slice(0, 200)}'${hint}`, {
    details: { field },
  });
}

const isNested = ({ type }: Column): boolean => parseSqlType(type).kind !== "scalar";

function refuseTwice(named: readonly { field: string; name: string }[]): void {
  const seen = new Set<string>();
  for (const { field, name } of named) {
    const what = `${field.split(".")[0]} ${name}`;
    const isDropped =
      field.startsWith("drop") && named.some((other) => other.name === name && other.field !== field);
    if (seen.has(what) || isDropped)
      throw fail("unprocessable", `${field}: '${name}' is there twice; a request changes each column once`, {
        details: { field },
      });
    seen.add(what);
  }
}

function widened(live: Manifest, name: string, type: string, field: string): string {
  const { type: from } = find(field, name, live.columns);
  const to = checkedType({ name, type });
  if (widens(from, to)) return to;
  throw fail(
    "unprocessable",
    `${field}: column '${name}' cannot become ${to} from ${from} while its files stay: ${wideningRule}; POST /v1/catalog/datasets/${live.name}/retype rewrites the column and says which values do not hold`,
    { details: { field, from, to } },
  );
}

function checkedType({ name, type }: { name: string; type: string }): string {
  const wrong = columnProblem([{ name, type }]);
  if (wrong) throw fail("unprocessable", wrong.problem, { details: { field: name } });
  return plainType(type);
}

function inOrder(names: readonly string[], columns: readonly Column[]): Column[] {
  const left = columns.filter(({ name }) => !names.includes(name)).map(({ name }) => name);
  const ordered = names.map((name, at) => find(`reorder.${at}`, name, columns));
  if (left.length > 0 || new Set(names.map(fold)).size < names.length)
    throw fail(
      "unprocessable",
      `reorder: expected every column once, as they are named after this request${left.length > 0 ? `; ${left.slice(0, 10).join(", ")} ${left.length > 1 ? "are" : "is"} missing` : ""}`,
      { details: { field: "reorder" } },
    );
  return ordered;
}
