/** Operations as Parquet, with the columns that queryd's contract names. */
import { ByteWriter, type ParquetWriteOptions, parquetWrite } from "hyparquet-writer";
import { operationColumns } from "../../queryd/contract.ts";
import type { Operation } from "../contract.ts";
import { usageOf } from "./usage.ts";

type SchemaElement = NonNullable<ParquetWriteOptions["schema"]>[number];
type Name = (typeof operationColumns)[number]["name"];

const text = { type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } } as const;
const stored: Readonly<Record<(typeof operationColumns)[number]["type"], Omit<SchemaElement, "name">>> = {
  VARCHAR: text,
  JSON: text,
  BOOLEAN: { type: "BOOLEAN" },
  DOUBLE: { type: "DOUBLE" },
  BIGINT: { type: "INT64" },
  "TIMESTAMP WITH TIME ZONE": {
    type: "INT64",
    converted_type: "TIMESTAMP_MICROS",
    logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
  },
};

/** One file of these rows. */
export function encodeRows(operations: readonly Operation[]): Uint8Array {
  const rows = operations.map(rowOf);
  const writer = new ByteWriter();
  const waits = parquetWrite({
    writer,
    schema: [
      { name: "operations", num_children: operationColumns.length },
      ...operationColumns.map(({ name, type }) => ({
        ...stored[type],
        name,
        repetition_type: "OPTIONAL" as const,
      })),
    ],
    columnData: operationColumns.map(({ name }) => ({ name, data: rows.map((row) => row[name] ?? null) })),
    createdBy: "lakehouse observerd",
  });
  if (waits) throw new Error("writing to memory cannot wait");
  return writer.getBytes();
}

function rowOf(operation: Operation): Record<Name, unknown> {
  const { id, source, endpoint, success, model, run_id, trace_uid, error } = operation;
  const usage = usageOf(operation);
  return {
    id,
    timestamp: new Date(operation.timestamp),
    source,
    endpoint,
    success,
    duration_ms: operation.duration_ms,
    model,
    run_id,
    trace_uid,
    error,
    input_summary: operation.input_summary,
    output_summary: operation.output_summary,
    prompt_tokens: bigintOf(usage.prompt_tokens),
    completion_tokens: bigintOf(usage.completion_tokens),
    cost_usd: usage.cost_usd,
    attributes: operation.attributes && JSON.stringify(operation.attributes),
  };
}

const bigintOf = (count: number | undefined): bigint | undefined =>
  count === undefined ? undefined : BigInt(count);
