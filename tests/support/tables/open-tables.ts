/** A writer of open tables, as an engine is: its files go into the warehouse, then it commits to the REST catalog. */

import { decodeAvroFile, encodeAvroFile } from "../../../runtime/avro/avro.ts";
import type { Peer } from "../../../runtime/contract/endpoints.ts";
import { encodeManifestFile, encodeManifestList } from "../../../workers/catalogd/iceberg/manifest.ts";
import { withFirstRowIds } from "../../../workers/catalogd/iceberg/row-ids.ts";
import type { Storaged } from "../../../workers/storaged/contract.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers of the protocol, looked at by tests.
type Json = any;

export interface Answer {
  status: number;
  body: Json;
}

export interface AddedFile {
  /** Below the table's `data/`, or an address. */
  path: string;
  rows: number;
  bytes?: number;
  /** 0 data, 1 deleted positions, 2 equality deletes. */
  content?: number;
  format?: string;
  more?: Record<string, unknown>;
}

export interface Tables {
  /** One request below /iceberg/v1. */
  ask: (method: string, path: string, body?: unknown) => Promise<Answer>;
  make: (name: string, properties?: Record<string, string>) => Promise<Json>;
  /** Adds a snapshot with these files to the table as `metadata` says it is. */
  append: (name: string, metadata: Json, files: readonly AddedFile[], changes?: Changes) => Promise<Answer>;
}

interface Changes {
  requirements?: unknown[];
  manifestPath?: string;
  listPath?: string;
  id?: number;
}

export const schema = {
  type: "struct",
  fields: [
    { id: 7, name: "id", required: false, type: "long" },
    { id: 9, name: "name", required: false, type: "string" },
  ],
};

/** The key in the warehouse of an address below it, on a disk or on S3. */
export const inWarehouse = (address: string): string =>
  /^(?:s3:\/\/[^/]+|.*\/buckets\/warehouse)\/(.*)$/.exec(address)?.[1] ?? "";

/** `ns`: the namespace, made when it is not there. */
export function tablesOf(
  send: (request: Request) => Promise<Response>,
  storage: Pick<Peer<Storaged>["verbs"], "write" | "read">,
  ns = "open",
): Tables {
  let made = 0;
  const ask: Tables["ask"] = async (method, path, body) => {
    const response = await send(
      new Request(`http://localhost/iceberg/v1/main${path}`, {
        method,
        headers: { "user-agent": "Tester/1" },
        ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  };
  const put = (address: string, bytes: Uint8Array) =>
    storage.write({ bucket: "warehouse", key: inWarehouse(address), bytes });
  return {
    ask,
    make: async (name, properties = {}) => {
      await ask("POST", "/namespaces", { namespace: [ns] });
      const answer = await ask("POST", `/namespaces/${ns}/tables`, { name, schema, properties });
      if (answer.status !== 200) throw new Error(JSON.stringify(answer));
      return answer.body.metadata;
    },
    append: async (name, metadata, files, changes = {}) => {
      made += 1;
      const { location } = metadata;
      const snapshotId = changes.id ?? 1_000_000 + made;
      const place = {
        snapshotId,
        sequenceNumber: metadata["last-sequence-number"] + 1,
        schema: metadata.schemas[0],
        formatVersion: metadata["format-version"],
      };
      const added = files.map(({ path, rows, bytes = 1 }) => ({
        ...{
          uri: /^[a-z0-9]+:|^\//.test(path) ? path : `${location}/data/${path}`,
          rows,
          bytes,
          statistics: [],
        },
      }));
      const encoded = encodeManifestFile({ added }, place);
      const manifest = rewritten(encoded.bytes, files);
      const manifestPath = changes.manifestPath ?? `${location}/metadata/m${made}.avro`;
      await put(manifestPath, manifest);
      const isDelete = files.some(({ content = 0 }) => content > 0);
      const line = {
        ...encoded.line(manifestPath),
        manifest_length: manifest.length,
        content: isDelete ? 1 : 0,
      };
      const parent = metadata.snapshots?.find(
        (each: Json) => each["snapshot-id"] === metadata["current-snapshot-id"],
      );
      const before = parent
        ? await storage.read({ bucket: "warehouse", key: inWarehouse(parent["manifest-list"]) })
        : undefined;
      const lines = before ? (decodeAvroFile(before.bytes).records as unknown as (typeof line)[]) : [];
      const listPath = changes.listPath ?? `${location}/metadata/list${made}.avro`;
      const hasRowIds = place.formatVersion >= 3;
      const firstRowId = hasRowIds ? metadata["next-row-id"] : undefined;
      const { manifests, addedRows } = withFirstRowIds([...lines, line], firstRowId ?? 0);
      const list = hasRowIds ? manifests : [...lines, line];
      await put(
        listPath,
        encodeManifestList(list, { ...place, parentId: parent?.["snapshot-id"], firstRowId }),
      );
      const rows = added.reduce((sum, file) => sum + file.rows, 0);
      const snapshot = {
        "snapshot-id": snapshotId,
        ...(parent && { "parent-snapshot-id": parent["snapshot-id"] }),
        "sequence-number": place.sequenceNumber,
        "timestamp-ms": Date.now(),
        "manifest-list": listPath,
        "schema-id": 0,
        ...(hasRowIds && { "first-row-id": firstRowId, "added-rows": addedRows }),
        summary: {
          operation: "append",
          "total-records": String(Number(parent?.summary?.["total-records"] ?? 0) + (isDelete ? 0 : rows)),
        },
      };
      return ask("POST", `/namespaces/${ns}/tables/${encodeURIComponent(name)}`, {
        requirements: changes.requirements ?? [
          { type: "assert-table-uuid", uuid: metadata["table-uuid"] },
          { type: "assert-ref-snapshot-id", ref: "main", "snapshot-id": parent?.["snapshot-id"] ?? null },
        ],
        updates: [
          { action: "add-snapshot", snapshot },
          { action: "set-snapshot-ref", "ref-name": "main", type: "branch", "snapshot-id": snapshotId },
        ],
      });
    },
  };
}

/** The manifest with entries of another kind than data files in Parquet. */
function rewritten(manifest: Uint8Array, files: readonly AddedFile[]): Uint8Array {
  const { records, header } = decodeAvroFile(manifest);
  const schema = JSON.parse(header.get("avro.schema") ?? "");
  const optional = (name: string, type: string) => ({ name, type: ["null", type], default: null });
  const dataFile = schema.fields.find((field: Json) => field.name === "data_file").type;
  const more = [
    optional("referenced_data_file", "string"),
    optional("content_offset", "long"),
    optional("content_size_in_bytes", "long"),
  ];
  dataFile.fields.push(
    ...more.filter(({ name }) => !dataFile.fields.some((field: Json) => field.name === name)),
  );
  for (const [at, { content = 0, format = "PARQUET", more = {} }] of files.entries())
    Object.assign((records[at] as Json).data_file, { content, file_format: format, ...more });
  const rest = Object.fromEntries([...header].filter(([name]) => !name.startsWith("avro.")));
  return encodeAvroFile(schema, records, rest);
}
