/** Files of deleted positions in Parquet (format 2): each row names a data file by its address. The only importer of hyparquet for them. */
import { gunzipSync } from "node:zlib";
import { type Compressors, parquetMetadata, parquetRead } from "hyparquet";
import { ByteWriter, parquetWrite } from "hyparquet-writer";
import { fail } from "../../../runtime/errors/errors.ts";

/** Ids of the columns (Iceberg's specification, "Reserved Field IDs"). */
const [pathId, positionId] = [2_147_483_546, 2_147_483_545];
/** Each takes some 20 bytes here while it is written anew. */
const rowsMax = 5_000_000;

const compressors: Compressors = {
  ZSTD: (input) => Bun.zstdDecompressSync(input),
  GZIP: (input) => gunzipSync(input),
};

export interface MovedPositions {
  bytes: Uint8Array;
  /** The least and the greatest address; of no rows none. */
  bounds: readonly [string, string] | undefined;
}

/** The same positions of the same files at other addresses, in the order of these. Throws `unsupported_table`. */
export async function movedPositions(
  path: string,
  bytes: Uint8Array,
  moved: (address: string) => string,
): Promise<MovedPositions> {
  const refuse = (why: string, cause?: unknown) =>
    fail("unsupported_table", `${path} names data files by their addresses, and ${why}`, { cause });
  const { paths, positions } = await columnsOf(bytes, refuse);
  const known = new Map<string, string>();
  const addresses = paths.map((each) => {
    const found = known.get(each) ?? moved(each);
    known.set(each, found);
    return found;
  });
  const order = addresses.map((_, at) => at);
  order.sort((one, other) => {
    const [a = "", b = ""] = [addresses[one], addresses[other]];
    if (a !== b) return a < b ? -1 : 1;
    return Number((positions[one] ?? 0n) - (positions[other] ?? 0n));
  });
  const sorted = order.map((at) => addresses[at] ?? "");
  const writer = new ByteWriter();
  const waits = parquetWrite({
    writer,
    schema: [
      { name: "table", num_children: 2 },
      {
        ...{ name: "file_path", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "REQUIRED" },
        field_id: pathId,
      },
      { name: "pos", type: "INT64", repetition_type: "REQUIRED", field_id: positionId },
    ],
    columnData: [
      { name: "file_path", data: sorted },
      { name: "pos", data: order.map((at) => positions[at] ?? 0n) },
    ],
    kvMetadata: [{ key: "delete-type", value: "position" }],
    createdBy: "lakehouse catalogd",
  });
  if (waits) throw new Error("writing to memory cannot wait");
  const [first, last] = [sorted[0], sorted.at(-1)];
  const bounds = first === undefined || last === undefined ? undefined : ([first, last] as const);
  return { bytes: new Uint8Array(writer.getBytes()), bounds };
}

async function columnsOf(
  bytes: Uint8Array,
  refuse: (why: string, cause?: unknown) => Error,
): Promise<{ paths: string[]; positions: bigint[] }> {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  const metadata = await Promise.try(parquetMetadata, buffer).catch((cause) => {
    throw refuse("cannot be read", cause);
  });
  const names = metadata.schema.slice(1).map(({ name }) => name);
  if (names.join() !== "file_path,pos")
    throw refuse(`has the columns ${names.join(", ").slice(0, 200)} and not file_path and pos alone`);
  if (Number(metadata.num_rows) > rowsMax) throw refuse(`has more than ${rowsMax} rows`);
  const found = { file_path: [] as unknown[], pos: [] as unknown[] };
  await Promise.try(parquetRead, {
    ...{ file: buffer, metadata, compressors },
    onChunk: ({ columnName, columnData }) => {
      for (const value of columnData as Iterable<unknown>)
        found[columnName as keyof typeof found].push(value);
    },
  }).catch((cause) => {
    throw refuse("cannot be read", cause);
  });
  const isWhole = [found.file_path, found.pos].every(({ length }) => length === Number(metadata.num_rows));
  if (!isWhole) throw refuse("has other rows than it says");
  return {
    paths: found.file_path.map((value) => {
      if (typeof value !== "string") throw refuse("has an address that is no text");
      return value;
    }),
    positions: found.pos.map((value) => {
      if (typeof value !== "bigint" && !Number.isSafeInteger(value))
        throw refuse("has a position that is no number");
      return BigInt(value as bigint | number);
    }),
  };
}
