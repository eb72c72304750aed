/** The next version of a dataset, decided from its head: pure, so that it can be decided again after a lost race. */
import { fail } from "../../../runtime/errors/errors.ts";
import { type KnownFields, numberColumns } from "../../../runtime/sql/sql.ts";
import { versionMax } from "../schemas/schemas.ts";
import { canonicalKey, type Registration } from "./registration.ts";
import { driftError, schemaDrift, schemaFingerprint } from "./schema.ts";
import { type Column, type DataObject, isLive, type Manifest, type Version } from "./version.ts";

/** What a decision takes from outside. */
export interface Given {
  /** Milliseconds since the epoch. */
  now: number;
  /** The identity of a dataset that is made. */
  newId: () => string;
  /** Of the request with an Idempotency-Key: what it made is not made again. */
  operationId?: string | undefined;
}

/** Objects and their column statistics in one version: encoding 500,000 takes about 3 s on one core, and grows evenly. */
const entriesMax = 500_000;

/**
 * The version that the registration makes, or the head itself when nothing would change. Throws `schema_drift`,
 * `conflict` for an appended key that is there already, and `resource_exhausted` for a version that is too large.
 */
export function planRegistration(
  head: Version | undefined,
  registration: Registration,
  given: Given,
): Version {
  const { name, operation = "replace", made_by = "client", version, new_columns = false } = registration;
  const live = isLive(head) ? head : undefined;
  if (head && isOf(head, given)) return head;
  const fingerprint = schemaFingerprint(registration.columns);
  const next = (head?.version ?? 0) + 1;
  if (version !== undefined && version !== next)
    throw fail("conflict", `the next version of '${name}' is ${next}, not ${version}`, {
      details: { next_version: next },
    });
  if (live && live.schema_fingerprint !== fingerprint && !(new_columns && operation === "replace"))
    throw driftError(name, schemaDrift(live.columns, registration.columns));
  const same = live?.schema_fingerprint === fingerprint;
  const proposed = live && same ? withForms(name, live.columns, registration.columns) : registration.columns;
  const fields = numbered(name, live, proposed);
  const objects =
    live && operation === "append" ? appended(live, registration.objects) : registration.objects;
  if (live && same && Bun.deepEquals(live.objects, objects, true)) return live;
  return {
    dataset_id: live?.dataset_id ?? given.newId(),
    name,
    ...following(head, given.now),
    ...(live && { parent: live.version }),
    schema_fingerprint: fingerprint,
    ...fields,
    objects,
    ...totals(name, objects),
    operation,
    made_by,
    ...named(given),
  };
}

/**
 * The columns with their field ids. Whoever gives ids must give those that the dataset has or would give, as they stand in
 * the files; in a new dataset they are taken as they come.
 */
function numbered(
  name: string,
  live: Manifest | undefined,
  proposed: readonly Column[],
): Pick<Manifest, "columns" | "last_column_id"> {
  const hasIds = proposed.every((column) => column.field_id !== undefined);
  const own = live ?? (hasIds ? asGiven(proposed) : undefined);
  const fields = numberColumns(proposed, own);
  for (const [at, { name: column, field_id: asked, nested_ids: nested = [] }] of proposed.entries()) {
    const is = fields.columns[at];
    if (asked === undefined || (is?.field_id === asked && Bun.deepEquals(is.nested_ids ?? [], nested)))
      continue;
    const ids = [is?.field_id, ...(is?.nested_ids ?? [])].join(", ");
    throw fail(
      "conflict",
      `column '${column}' of '${name}' has the field id ${ids}, not ${[asked, ...nested].join(", ")}: its columns have changed meanwhile, or leave field_id out`,
      { details: { column, field_ids: [is?.field_id, ...(is?.nested_ids ?? [])] } },
    );
  }
  return fields;
}

const asGiven = (columns: readonly Column[]): KnownFields => ({
  columns,
  last_column_id: columns.reduce(
    (max, { field_id = 0, nested_ids = [] }) => Math.max(max, field_id, ...nested_ids),
    0,
  ),
});

/** Whether the operation has made this version already. */
export const isOf = ({ operation_id: of }: Version, { operationId }: Pick<Given, "operationId">): boolean =>
  operationId !== undefined && of === operationId;
export const named = ({ operationId }: Pick<Given, "operationId">) =>
  operationId === undefined ? {} : { operation_id: operationId };

/**
 * The same columns with the forms that are registered: who does not name a form keeps it, another one is drift. A
 * column without any has the fixed one, as those of manifests that know none.
 */
function withForms(name: string, live: readonly Column[], proposed: readonly Column[]): Column[] {
  const columns = proposed.map((column, index) => {
    const form = column.form ?? live[index]?.form;
    return form === undefined ? column : { ...column, form };
  });
  const changed = columns.filter(({ form = "fixed" }, index) => form !== (live[index]?.form ?? "fixed"));
  if (changed.length === 0) return columns;
  const withForm = ({ type, form }: Column) => (form === "shortest" ? `${type} shortest` : type);
  const retyped = changed.map((column) => {
    const before = live.find((each) => each.name === column.name) ?? column;
    return { name: column.name, from: withForm(before), to: withForm(column) };
  });
  throw driftError(name, { ...schemaDrift(live, proposed), retyped });
}

/** The tombstone that ends a dataset; version numbers go on after it. Throws `not_found` when there is no dataset. */
export function planDrop(
  head: Version | undefined,
  name: string,
  given: Pick<Given, "now" | "operationId"> & { renamedTo?: string },
): Version {
  if (head && isOf(head, given)) return head;
  if (!isLive(head)) throw fail("not_found", `there is no dataset named '${name}'`);
  return {
    dataset_id: head.dataset_id,
    name,
    ...following(head, given.now),
    parent: head.version,
    schema_fingerprint: head.schema_fingerprint,
    columns: head.columns,
    ...(head.last_column_id !== undefined && { last_column_id: head.last_column_id }),
    objects: [],
    row_count: 0,
    bytes: 0,
    operation: "drop",
    made_by: "client",
    ...(given.renamedTo !== undefined && { renamed_to: given.renamedTo }),
    ...named(given),
  };
}

/** The number after the head's, at a time not before the head's: the wall clock may have been set back. */
export function following(
  head: Version | undefined,
  now: number,
): Pick<Version, "version" | "created_at" | "first_version"> {
  const version = (head?.version ?? 0) + 1;
  if (version > versionMax) {
    throw fail(
      "resource_exhausted",
      `'${head?.name}' has ${versionMax} versions, the most there can be; use another name`,
    );
  }
  const time = head ? Math.max(now, Date.parse(head.created_at)) : now;
  const { first_version } = head ?? {};
  return {
    version,
    created_at: new Date(time).toISOString(),
    ...(first_version !== undefined && { first_version }),
  };
}

function appended(live: Manifest, added: readonly DataObject[]): DataObject[] {
  const present = new Set(live.objects.map(({ key }) => canonicalKey(key)));
  const twice = added.filter(({ key }) => present.has(canonicalKey(key))).map(({ key }) => key);
  if (twice.length === 0) return [...live.objects, ...added];
  throw fail(
    "conflict",
    `'${live.name}' holds ${twice.slice(0, 5).join(", ")}${twice.length > 5 ? ` and ${twice.length - 5} more` : ""} already: append takes new objects only`,
    { details: { keys: twice } },
  );
}

function totals(name: string, objects: readonly DataObject[]): { row_count: number; bytes: number } {
  const entries = objects.reduce((sum, { statistics }) => sum + 1 + statistics.length, 0);
  if (entries > entriesMax) {
    const text = `a version of '${name}' would hold ${objects.length} objects with ${entries - objects.length} column statistics`;
    throw fail(
      "resource_exhausted",
      `${text}, together at most ${entriesMax}: replace them by fewer, larger objects`,
    );
  }
  const row_count = objects.reduce((sum, object) => sum + object.row_count, 0);
  const bytes = objects.reduce((sum, object) => sum + object.bytes, 0);
  if (Number.isSafeInteger(row_count) && Number.isSafeInteger(bytes)) return { row_count, bytes };
  throw fail("unprocessable", `the objects' rows or bytes add up to more than ${Number.MAX_SAFE_INTEGER}`);
}
