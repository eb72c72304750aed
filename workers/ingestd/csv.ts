/** CSV: stored while it is scanned; read by DuckDB as it is when clean, else row by row. */
import { fail } from "../../runtime/errors.ts";
import { exactTable } from "./csv-exact.ts";
import { type Layout, layoutOf, textColumn } from "./csv-layout.ts";
import { marksOf } from "./csv-rows.ts";
import { createCsvScan, type Scan } from "./csv-scan.ts";
import { decodingOf, looksLikeUtf16, toUtf8 } from "./encoding.ts";
import type { Format, Place, Reading, Source, Stored, Table } from "./format.ts";
import { createPartWriter } from "./parts.ts";
import { createRejects } from "./rejects.ts";
import { cell, type Part, readText, type TextFile } from "./text-table.ts";

export const csv: Format = {
  store: async (source, place) => {
    const { head, chunks, markBytes } = await asUtf8(source, place.reading);
    const layout = layoutOf({ head, whole: source.whole, markBytes }, place);
    const marks = marksOf(layout.dialect);
    const scan = createCsvScan(marks, layout.names.length);
    const writer = createPartWriter(place, "rows");
    let skip = layout.headerBytes;
    for await (const chunk of chunks) {
      place.signal.throwIfAborted();
      const bytes = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - bytes.length;
      await writer.write(bytes, scan.push(bytes));
    }
    return stored(await writer.end(), scan.end(), layout, place);
  },
};

function stored(parts: Part[], scan: Scan, layout: Layout, place: Place): Stored {
  const exact = () => exactTable(parts, layout, place);
  const plain = scan.clean && scan.longestRowBytes <= place.rowBytesMax;
  return { tables: plain ? [async () => scannedTable(parts, scan, layout, place), exact] : [exact] };
}

function scannedTable(parts: Part[], scan: Scan, layout: Layout, place: Place): Table {
  const { names, dialect } = layout;
  const width = names.length;
  const { longestRowBytes, lineEnd } = scan;
  const file: TextFile = { parts, dialect, width, longestRowBytes, lineEnd };
  const rows = scan.rows + (width === 1 ? scan.blankLines : 0);
  const columns = names.map((name, index) => textColumn(name, cell(index), place.reading));
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const skipped = width > 1 && scan.blankLines > 0 ? [`${scan.blankLines} blank lines were skipped`] : [];
  return {
    relation: readText(file),
    sample: readText({ ...file, parts: parts.slice(0, 1) }),
    columns,
    rowsIn: rows,
    rejects: createRejects(place, "scanned-rejects", place.rejectRules),
    rowBytes: rows === 0 ? 1 : bytes / rows,
    byName: false,
    warnings: [...layout.warnings, ...skipped],
  };
}

interface Utf8Source extends Pick<Source, "head" | "chunks"> {
  /** Bytes of the mark that was left out, where offsets still count it. */
  markBytes: number;
}

/** The text and its beginning as UTF-8. */
export async function asUtf8({ head, whole, chunks }: Source, { encoding }: Reading): Promise<Utf8Source> {
  const { decoding, markBytes } = decodingOf(head, encoding);
  if (decoding === "utf-8" && looksLikeUtf16(head)) {
    throw fail(
      "unprocessable",
      "the file has a zero in every other byte, as UTF-16 has: send encoding=utf-16",
    );
  }
  const decoded: Buffer[] = [];
  // A character at the end of the head may be cut: its last bytes are left to the stream.
  const whole16 = whole || decoding === "utf-8" ? head.length : head.length - (head.length % 2);
  const safe = decoding.startsWith("utf-16") && !whole ? evenEnd(head.subarray(0, whole16), decoding) : head;
  for await (const text of toUtf8(once(safe), decoding, markBytes)) decoded.push(Buffer.from(text));
  return {
    head: Buffer.concat(decoded),
    chunks: toUtf8(chunks, decoding, markBytes),
    markBytes: decoding === "utf-8" ? markBytes : 0,
  };
}

/** UTF-16 up to a whole character: a high surrogate at the end waits for its pair. */
function evenEnd(bytes: Buffer, decoding: string): Buffer {
  const high = bytes[bytes.length - (decoding === "utf-16le" ? 1 : 2)] ?? 0;
  return high >= 0xd8 && high <= 0xdb ? bytes.subarray(0, -2) : bytes;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
