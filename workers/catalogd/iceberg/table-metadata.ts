/** Table metadata (format 2, §"Table Metadata Fields"): what it is, and what a new table's is. */
import { exactText, type Id } from "./json.ts";
import { freshIds, type IcebergSchema } from "./schema.ts";
import type { IcebergStruct } from "./type-map.ts";

interface PartitionField {
  "source-id": number;
  "field-id": number;
  name: string;
  transform: string;
  [attribute: string]: unknown;
}
export interface PartitionSpec {
  "spec-id": number;
  fields: PartitionField[];
}
export interface SortOrder {
  "order-id": number;
  fields: { "source-id": number; [attribute: string]: unknown }[];
}
export interface Snapshot {
  "snapshot-id": Id;
  "parent-snapshot-id"?: Id | null;
  "sequence-number": Id;
  "timestamp-ms": number;
  "manifest-list"?: string;
  summary?: Record<string, string>;
  "schema-id"?: number;
  [attribute: string]: unknown;
}
export interface SnapshotRef {
  "snapshot-id": Id;
  type: string;
  [attribute: string]: unknown;
}

/** What we look at; everything else that others write stays as it is. */
export interface TableMetadata {
  "format-version": number;
  "table-uuid": string;
  location: string;
  "last-sequence-number": Id;
  "last-updated-ms": number;
  "last-column-id": number;
  "current-schema-id": number;
  schemas: IcebergSchema[];
  "default-spec-id": number;
  "partition-specs": PartitionSpec[];
  "last-partition-id": number;
  "default-sort-order-id": number;
  "sort-orders": SortOrder[];
  properties: Record<string, string>;
  "current-snapshot-id": Id;
  refs: Record<string, SnapshotRef>;
  snapshots: Snapshot[];
  statistics: { "snapshot-id": Id; [attribute: string]: unknown }[];
  "partition-statistics": { "snapshot-id": Id; [attribute: string]: unknown }[];
  "snapshot-log": { "timestamp-ms": number; "snapshot-id": Id }[];
  "metadata-log": { "timestamp-ms": number; "metadata-file": string }[];
  "next-row-id"?: Id;
  "encryption-keys"?: { "key-id": string; [attribute: string]: unknown }[];
  [attribute: string]: unknown;
}

/** Where there is no snapshot: readers of format 1 and 2 take it for none. */
export const noSnapshot = -1;
/** Ids of partition fields begin at 1000. */
const firstPartitionId = 1000;
export const formatDefault = 2;
/** The latest format that a table may have: tables of it are kept and committed to. */
export const formatMax = 3;

/** What a table is made of, as a client asks for it. */
export interface TableRequest {
  schema: IcebergStruct & { "identifier-field-ids"?: number[] };
  "partition-spec"?: { fields?: PartitionField[] } | null;
  "write-order"?: { "order-id"?: number; fields?: SortOrder["fields"] } | null;
  properties?: Record<string, string> | null;
}

const nothingYet = {
  "last-sequence-number": 0,
  "current-snapshot-id": noSnapshot,
  refs: {},
  snapshots: [],
  statistics: [],
  "partition-statistics": [],
  "snapshot-log": [],
  "metadata-log": [],
} as const;

/** A new table: ids of its fields are assigned anew, and what refers to them follows. */
export function newTable(
  request: TableRequest,
  { uuid, location, now }: { uuid: string; location: string; now: number },
): TableMetadata {
  const { "format-version": asked, ...properties } = request.properties ?? {};
  const { schema, last, renamed } = freshIds(request.schema);
  const remapped = <F extends { "source-id": number }>(field: F): F => ({
    ...field,
    "source-id": renamed.get(field["source-id"]) ?? field["source-id"],
  });
  const spec = (request["partition-spec"]?.fields ?? []).map((field, at) => ({
    ...remapped(field),
    "field-id": firstPartitionId + at,
  }));
  const order = (request["write-order"]?.fields ?? []).map(remapped);
  const orderId = order.length > 0 ? request["write-order"]?.["order-id"] || 1 : 0;
  const version = Number(asked ?? formatDefault);
  return {
    ...structuredClone(nothingYet as unknown as TableMetadata),
    "format-version": version,
    "table-uuid": uuid,
    location,
    "last-updated-ms": now,
    "last-column-id": last,
    "current-schema-id": 0,
    schemas: [{ ...schema, "schema-id": 0 }],
    "default-spec-id": 0,
    "partition-specs": [{ "spec-id": 0, fields: spec }],
    "last-partition-id": firstPartitionId - 1 + spec.length,
    "default-sort-order-id": orderId,
    "sort-orders": [{ "order-id": orderId, fields: order }],
    properties,
    ...(version >= formatMax && { "next-row-id": 0 }),
  };
}

/** What the updates that create a table are applied to: at format 1, which one of them upgrades. */
export const emptyTable = (now: number): TableMetadata => ({
  ...structuredClone(nothingYet as unknown as TableMetadata),
  "format-version": 1,
  "table-uuid": "",
  location: "",
  "last-updated-ms": now,
  "last-column-id": 0,
  "current-schema-id": -1,
  schemas: [],
  "default-spec-id": -1,
  "partition-specs": [],
  "last-partition-id": firstPartitionId - 1,
  "default-sort-order-id": -1,
  "sort-orders": [],
  properties: {},
});

/** Their entries are replaced and removed, and never changed. */
const histories: readonly string[] = ["snapshots", "snapshot-log", "metadata-log"];
const texts = new WeakMap<object, string>();

function entryText(entry: unknown): string {
  if (typeof entry !== "object" || entry === null) return exactText(entry) ?? "null";
  const text = texts.get(entry) ?? exactText(entry);
  texts.set(entry, text);
  return text;
}

/**
 * The metadata as `exactText` gives it, to be asked for when it changes no more: the text is kept as long as the metadata. Each
 * commit adds an entry to lists that grow with the table's history, and the others keep theirs.
 */
export function metadataText(metadata: TableMetadata): string {
  const known = texts.get(metadata);
  if (known !== undefined) return known;
  const fields = Object.entries(metadata).flatMap(([name, value]) => {
    const isHistory = histories.includes(name) && Array.isArray(value);
    const text = isHistory ? `[${value.map(entryText).join(",")}]` : exactText(value);
    return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`];
  });
  const text = `{${fields.join(",")}}`;
  texts.set(metadata, text);
  return text;
}
