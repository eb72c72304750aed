/** Rows written anew for DuckDB, each with the line and byte it came from: what the exact readers of text end in. */
import { csvLine } from "./csv-text.ts";
import type { Placed, Table } from "./format.ts";
import { createPartWriter, partBytes } from "./parts.ts";
import { cell, readText, type TextFile } from "./text-table.ts";
import type { Workplace } from "./workplace.ts";

export interface PlacedText {
  /** SQL for the text of the column at this index. */
  cell: (index: number) => string;
  add: (line: number, byte: number, fields: readonly (string | null)[]) => void;
  /** Writes what was added; to be called often enough that it does not pile up. */
  flush: () => Promise<void>;
  end: (textAt: Placed["textAt"]) => Promise<Pick<Table, "relation" | "sample" | "rowBytes" | "placed">>;
}

/** Columns before the first one of the file: line and byte. */
const placeColumns = 2;
/** Rows of more characters are measured exactly; shorter ones by the most bytes their characters can take. */
const measuredCharacters = 100_000;
const bytesPerCharacterMax = 3;
/** Keeps a part below `partBytes` in any script but for its last row. */
const partCharactersMax = partBytes / bytesPerCharacterMax;

export function openPlacedText(place: Workplace, stem: string, width: number): PlacedText {
  const writer = createPartWriter(place, stem);
  /** Rows not yet written; each list ends a part but the last. */
  let pending: string[][] = [[]];
  let partCharacters = 0;
  let rows = 0;
  let longestRowBytes = 0;
  const flush = async () => {
    for (const [index, texts] of pending.entries()) {
      const bytes = Buffer.from(texts.join(""));
      await writer.write(bytes, index < pending.length - 1 ? [bytes.length] : []);
    }
    pending = [[]];
  };
  return {
    cell: (index) => cell(index + placeColumns),
    add: (line, byte, fields) => {
      const text = csvLine([String(line), String(byte), ...fields]);
      const most =
        text.length > measuredCharacters ? Buffer.byteLength(text) : text.length * bytesPerCharacterMax;
      if (most > longestRowBytes) longestRowBytes = most;
      rows += 1;
      pending.at(-1)?.push(text);
      partCharacters += text.length;
      if (partCharacters < partCharactersMax) return;
      partCharacters = 0;
      pending.push([]);
    },
    flush,
    end: async (textAt) => {
      await flush();
      const parts = await writer.end();
      const dialect = { delimiter: ",", quote: '"', nulls: [] };
      const file: TextFile = { parts, dialect, width: width + placeColumns, longestRowBytes, lineEnd: "\n" };
      const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
      return {
        relation: readText(file),
        sample: readText({ ...file, parts: parts.slice(0, 1) }),
        rowBytes: rows === 0 ? 1 : bytes / rows,
        placed: { line: `${cell(0)}::BIGINT`, byte: `${cell(1)}::BIGINT`, textAt },
      };
    },
  };
}
