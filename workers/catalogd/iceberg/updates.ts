/** What a commit does to a table's metadata (REST catalog, `TableUpdate`): all of them, each a pure function of a draft. */

import { sameId } from "./json.ts";
import { badRequest } from "./refusals.ts";
import { highestId, type IcebergSchema } from "./schema.ts";
import { addSnapshot, removeRef, removeSnapshots, setRef } from "./snapshot-updates.ts";
import { formatMax, type PartitionSpec, type SortOrder, type TableMetadata } from "./table-metadata.ts";

export interface Update {
  action: string;
  // biome-ignore lint/suspicious/noExplicitAny: fields are of the action, which decides how they are read.
  [field: string]: any;
}

/** A table under change, and what the updates before have added: -1 in a later one means the last of it. */
export interface Draft {
  table: TableMetadata;
  added: { schema: number; spec: number; order: number };
  /** Snapshots of these updates. */
  staged: Set<string>;
}

type Apply = (draft: Draft, update: Update) => void;

const actions: Readonly<Record<string, Apply>> = {
  "assign-uuid": ({ table }, { uuid }) => {
    if (table["table-uuid"] !== "" && table["table-uuid"] !== uuid)
      throw badRequest(`Cannot reassign uuid: expected ${table["table-uuid"]}`);
    table["table-uuid"] = text(uuid, "uuid");
  },
  "upgrade-format-version": ({ table }, { "format-version": to }) => {
    const from = table["format-version"];
    if (to > formatMax) throw badRequest(`Cannot upgrade table to unsupported format version: v${to}`);
    if (to < from) throw badRequest(`Cannot downgrade v${from} table to v${to}`);
    table["format-version"] = to;
    if (to >= formatMax) table["next-row-id"] ??= 0;
  },
  "add-schema": addSchema,
  "set-current-schema": ({ table, added }, { "schema-id": asked }) => {
    const id = asked === -1 ? added.schema : asked;
    if (!table.schemas.some((schema) => schema["schema-id"] === id))
      throw badRequest(`Cannot set current schema to unknown schema: ${id}`);
    table["current-schema-id"] = id;
  },
  "add-spec": addSpec,
  "set-default-spec": ({ table, added }, { "spec-id": asked }) => {
    const id = asked === -1 ? added.spec : asked;
    if (!table["partition-specs"].some((spec) => spec["spec-id"] === id))
      throw badRequest(`Cannot set default partition spec to unknown spec: ${id}`);
    table["default-spec-id"] = id;
  },
  "add-sort-order": addOrder,
  "set-default-sort-order": ({ table, added }, { "sort-order-id": asked }) => {
    const id = asked === -1 ? added.order : asked;
    if (!table["sort-orders"].some((order) => order["order-id"] === id))
      throw badRequest(`Cannot set default sort order to unknown sort order: ${id}`);
    table["default-sort-order-id"] = id;
  },
  "add-snapshot": addSnapshot,
  "set-snapshot-ref": setRef,
  "remove-snapshots": removeSnapshots,
  "remove-snapshot-ref": ({ table }, { "ref-name": name }) => removeRef(table, name),
  "set-properties": ({ table }, { updates, updated }) => {
    for (const [key, value] of Object.entries(updates ?? updated ?? {}))
      table.properties[ownName(key)] = text(value, `the property ${key}`);
  },
  "remove-properties": ({ table }, { removals, removed }) => {
    for (const key of list(removals ?? removed, "removals")) delete table.properties[String(key)];
  },
  "set-location": ({ table }, { location }) => {
    table.location = text(location, "location").replace(/\/+$/, "");
  },
  "set-statistics": ({ table }, { statistics }) => keepStatistics(table, "statistics", statistics),
  "remove-statistics": ({ table }, { "snapshot-id": id }) => dropStatistics(table, "statistics", id),
  "set-partition-statistics": ({ table }, update) =>
    keepStatistics(table, "partition-statistics", update["partition-statistics"]),
  "remove-partition-statistics": ({ table }, { "snapshot-id": id }) =>
    dropStatistics(table, "partition-statistics", id),
  "remove-schemas": ({ table }, { "schema-ids": ids }) => {
    const gone = new Set(list(ids, "schema-ids"));
    if (gone.has(table["current-schema-id"])) throw badRequest("Cannot remove current schema");
    table.schemas = table.schemas.filter((schema) => !gone.has(schema["schema-id"]));
  },
  "remove-partition-specs": ({ table }, { "spec-ids": ids }) => {
    const gone = new Set(list(ids, "spec-ids"));
    if (gone.has(table["default-spec-id"])) throw badRequest("Cannot remove default partition spec");
    table["partition-specs"] = table["partition-specs"].filter((spec) => !gone.has(spec["spec-id"]));
  },
  "add-encryption-key": ({ table }, { "encryption-key": key }) => {
    table["encryption-keys"] = [...(table["encryption-keys"] ?? []), key];
  },
  "remove-encryption-key": ({ table }, { "key-id": id }) => {
    table["encryption-keys"] = (table["encryption-keys"] ?? []).filter((key) => key["key-id"] !== id);
  },
};

/** The metadata with the updates applied; the old one stays as it is. Throws `bad_request` and `conflict`. */
export function applyUpdates(before: TableMetadata, updates: readonly Update[], now: number): TableMetadata {
  const { snapshots, "snapshot-log": log, "metadata-log": files, ...rest } = before;
  const table: TableMetadata = {
    ...before,
    ...structuredClone(rest as TableMetadata),
    // What has been stays: entries of thousands of snapshots are shared with the metadata before.
    snapshots: [...snapshots],
    "snapshot-log": [...log],
    "metadata-log": [...files],
  };
  table["last-updated-ms"] = Math.max(now, before["last-updated-ms"]);
  const draft: Draft = { table, added: { schema: -1, spec: -1, order: -1 }, staged: new Set() };
  for (const update of updates) {
    const { action } = update;
    const apply = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (!apply) throw badRequest(`Cannot convert metadata update action: ${String(action).slice(0, 100)}`);
    apply(draft, update);
  }
  return table;
}

function text(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  throw badRequest(`Expected ${what} as text, got ${JSON.stringify(value) ?? "nothing"}`);
}

/** An object of JavaScript has no field of this name. */
function ownName(name: string): string {
  if (name !== "__proto__") return name;
  throw badRequest("Cannot use the name __proto__");
}

function list(value: unknown, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw badRequest(`Expected ${what} as a list, got ${JSON.stringify(value) ?? "nothing"}`);
}

/** Equal for what is equal but for the order of its keys, and for `except`. */
const shape = (value: unknown, except?: string): string =>
  JSON.stringify(value, (key, each) => {
    if (key === except) return undefined;
    if (typeof each === "bigint") return String(each);
    if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
  });

function addSchema({ table, added }: Draft, { schema, "last-column-id": last }: Update): void {
  if (!Array.isArray(schema?.fields)) throw badRequest("Expected schema as a struct with fields");
  const known = table.schemas.find((each) => shape(each, "schema-id") === shape(schema, "schema-id"));
  added.schema = known?.["schema-id"] ?? 1 + Math.max(-1, ...table.schemas.map((each) => each["schema-id"]));
  if (!known) table.schemas.push({ ...(schema as IcebergSchema), "schema-id": added.schema });
  const most = highestId({ type: "struct", fields: schema.fields });
  table["last-column-id"] = Math.max(table["last-column-id"], last ?? 0, most);
}

function addSpec({ table, added }: Draft, { spec }: Update): void {
  let last = table["last-partition-id"];
  const fields: PartitionSpec["fields"] = list(spec?.fields ?? [], "spec.fields").map((each) => {
    const field = each as PartitionSpec["fields"][number];
    const id = field["field-id"] ?? last + 1;
    last = Math.max(last, id);
    return { ...field, "field-id": id };
  });
  const specs = table["partition-specs"];
  const known = specs.find((each) => shape(each.fields) === shape(fields));
  added.spec = known?.["spec-id"] ?? 1 + Math.max(-1, ...specs.map((each) => each["spec-id"]));
  if (!known) specs.push({ "spec-id": added.spec, fields });
  table["last-partition-id"] = last;
}

function addOrder({ table, added }: Draft, { "sort-order": order }: Update): void {
  const fields = list(order?.fields ?? [], "sort-order.fields") as SortOrder["fields"];
  const orders = table["sort-orders"];
  const known = orders.find((each) => shape(each.fields) === shape(fields));
  const next = fields.length === 0 ? 0 : 1 + Math.max(0, ...orders.map((each) => each["order-id"]));
  added.order = known?.["order-id"] ?? next;
  if (!known) orders.push({ "order-id": added.order, fields });
}

type Statistics = "statistics" | "partition-statistics";

function keepStatistics(
  table: TableMetadata,
  which: Statistics,
  entry: TableMetadata[Statistics][number],
): void {
  if (typeof entry !== "object" || entry === null) throw badRequest(`Expected ${which} as an object`);
  dropStatistics(table, which, entry["snapshot-id"]);
  table[which].push(entry);
}

function dropStatistics(table: TableMetadata, which: Statistics, id: number | bigint): void {
  table[which] = (table[which] ?? []).filter((each) => !sameId(each["snapshot-id"], id));
}
