/**
 * Puffin files (Iceberg's specification of them): blobs, and a footer that says what each is. Of a deletion vector it names the
 * data file, by which PyIceberg finds the vector, whatever the manifest says. Pure.
 */
import { fail } from "../../../runtime/errors/errors.ts";

const magic = Buffer.from("PFA1");
/** Length of the payload, flags, magic. */
const tailBytes = 12;
const referenced = "referenced-data-file";

interface Footer {
  blobs?: { properties?: Record<string, string> }[];
}

/** The same file with other addresses of data files. Throws `unsupported_table` for one that cannot be told them. */
export function movedPuffin(path: string, bytes: Uint8Array, moved: (address: string) => string): Uint8Array {
  const refuse = (why: string, cause?: unknown) =>
    fail("unsupported_table", `${path} names data files by their addresses, and ${why}`, { cause });
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = file.length - tailBytes;
  if (end < 2 * magic.length || !file.subarray(-4).equals(magic)) throw refuse("is no Puffin file");
  const start = end - file.readInt32LE(end);
  if (start < 2 * magic.length || !file.subarray(start - 4, start).equals(magic))
    throw refuse("its footer is damaged");
  if (file.readUInt32LE(end + 4) !== 0) throw refuse("its footer is compressed");
  let footer: Footer;
  try {
    footer = JSON.parse(file.toString("utf8", start, end));
  } catch (cause) {
    throw refuse("its footer is no JSON", cause);
  }
  for (const { properties } of footer.blobs ?? []) {
    const of = properties?.[referenced];
    if (properties && of !== undefined) properties[referenced] = moved(of);
  }
  const payload = Buffer.from(JSON.stringify(footer));
  const length = Buffer.alloc(4);
  length.writeInt32LE(payload.length);
  return Buffer.concat([file.subarray(0, start), payload, length, file.subarray(end + 4)]);
}
