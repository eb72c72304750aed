/** Files by which engines delete rows of a table that is brought to other addresses: they name data files by these. */

import {
  type AvroRecord,
  type AvroSchema,
  decodeAvroFile,
  encodeAvroFile,
} from "../../../runtime/avro/avro.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { movedPositions, movedPuffin } from "../deletes/deletes.ts";

export interface MovedFile {
  /** What a manifest says of it now, where it said this. */
  fieldsOf: (file: AvroRecord) => AvroRecord;
}

interface Moving {
  bytes: (path: string) => Promise<Uint8Array>;
  moved: (address: string) => string;
  write: (what: string, bytes: Uint8Array) => Promise<string>;
}

interface Written {
  bytes: Uint8Array;
  /** The least and greatest address in it, where it has bounds. */
  bounds?: readonly [string, string] | undefined;
}

const rewriters: Record<
  string,
  (path: string, bytes: Uint8Array, moved: Moving["moved"]) => Promise<Written> | Written
> = {
  PARQUET: movedPositions,
  AVRO: movedAvro,
  PUFFIN: (path, bytes, moved) => ({ bytes: movedPuffin(path, bytes, moved) }),
};

/** Writes it anew. Throws `unsupported_table` for one that cannot be. */
export async function movedDeletes(file: AvroRecord, { bytes, moved, write }: Moving): Promise<MovedFile> {
  const path = String(file.file_path);
  const format = String(file.file_format).toUpperCase();
  const rewriter = Object.hasOwn(rewriters, format) ? rewriters[format] : undefined;
  if (!rewriter || (file.key_metadata ?? null) !== null)
    throw fail(
      "unsupported_table",
      `${path} names data files by their addresses, and is ${rewriter ? "encrypted" : `of ${format.slice(0, 20)}`}`,
    );
  const made = await rewriter(path, await bytes(path), moved);
  const address = await write(`deletes.${format.toLowerCase()}`, made.bytes);
  return {
    fieldsOf: (old) => ({
      file_path: address,
      file_size_in_bytes: made.bytes.length,
      // Of a vector its place in the file stays; what else says where bytes are is left out.
      ...(format !== "PUFFIN" && withoutPlaces(old)),
      ...boundsOf(old, made.bounds),
    }),
  };
}

const withoutPlaces = (file: AvroRecord): AvroRecord =>
  Object.fromEntries(
    ["column_sizes", "split_offsets"].flatMap((name) => (name in file ? [[name, null]] : [])),
  );

/** The id of the column of addresses (Iceberg's specification, "Reserved Field IDs"). */
const pathId = 2_147_483_546;

/** By bounds that are one and the same readers know that the deletes are of one file alone. */
function boundsOf(file: AvroRecord, bounds: Written["bounds"]): AvroRecord {
  const anew = (name: "lower_bounds" | "upper_bounds", address: string): AvroRecord => {
    const pairs = file[name];
    if (!Array.isArray(pairs)) return {};
    const value = new TextEncoder().encode(address);
    const changed = (pairs as AvroRecord[]).map((pair) =>
      Number(pair.key) === pathId ? { ...pair, value } : pair,
    );
    return { [name]: changed };
  };
  return bounds ? { ...anew("lower_bounds", bounds[0]), ...anew("upper_bounds", bounds[1]) } : {};
}

function movedAvro(path: string, bytes: Uint8Array, moved: Moving["moved"]): Written {
  const { records, header } = decodeAvroFile(bytes);
  const schema = JSON.parse(header.get("avro.schema") ?? "{}") as AvroSchema & {
    fields?: { name: string }[];
  };
  const names = (schema.fields ?? []).map(({ name }) => name);
  if (names.join() !== "file_path,pos")
    throw fail(
      "unsupported_table",
      `${path} has the columns ${names.join(", ").slice(0, 200)} and not file_path and pos alone`,
    );
  const own = [...header].filter(([name]) => !name.startsWith("avro."));
  const changed = records.map((record) => ({ ...record, file_path: moved(String(record.file_path)) }));
  const paths = changed.map((record) => record.file_path).sort();
  const [first, last] = [paths[0], paths.at(-1)];
  return {
    bytes: encodeAvroFile(schema, changed, Object.fromEntries(own)),
    ...(first !== undefined && last !== undefined && { bounds: [first, last] as const }),
  };
}
