/** Rows written anew for DuckDB, each with its source position (line and byte): what the exact readers of text give. */
import type { SourcePositions, Table } from "./format.ts";
import { createPartSplitter } from "./part-splitter.ts";
import { createPartWriter } from "./parts.ts";
import type { Scratch } from "./scratch.ts";
import { cell, csvField, readText, type TextFile } from "./text-table.ts";

export interface PositionedText {
  /** SQL for the text of the column at this index. */
  cell: (index: number) => string;
  add: (line: number, byte: number, fields: readonly (string | null)[]) => void;
  /** The same with fields as they stand in such a file. */
  addCells: (line: number, byte: number, cells: readonly string[]) => void;
  /** Writes what was added; to be called often enough that it does not pile up. */
  flush: () => Promise<void>;
  end: (
    textAt: SourcePositions["textAt"],
  ) => Promise<Pick<Table, "relation" | "sample" | "runs" | "speculative" | "positions">>;
}

/** Columns before the first one of the file: line and byte. */
const placeColumns = 2;
export function openPositionedText(scratch: Scratch, stem: string, width: number): PositionedText {
  const writer = createPartWriter(scratch, stem);
  /** Rows not yet written; each list ends a part but the last. */
  let pending: string[][] = [[]];
  const rule = createPartSplitter();
  let bytes = 0;
  let rows = 0;
  let longestRowBytes = 0;
  const flush = async () => {
    for (const [index, texts] of pending.entries()) {
      const written = Buffer.from(texts.join(""));
      await writer.write(written, index < pending.length - 1 ? [written.length] : []);
    }
    pending = [[]];
  };
  const addCells: PositionedText["addCells"] = (line, byte, cells) => {
    const text = `"${line}","${byte}",${cells.join(",")}\n`;
    const length = Buffer.byteLength(text);
    if (length > longestRowBytes) longestRowBytes = length;
    rows += 1;
    bytes += length;
    pending.at(-1)?.push(text);
    if (rule.endRow(bytes)) pending.push([]);
  };
  return {
    cell: (index) => cell(index + placeColumns),
    add: (line, byte, fields) => addCells(line, byte, fields.map(csvField)),
    addCells,
    flush,
    end: async (textAt) => {
      await flush();
      const parts = await writer.end();
      const dialect = { delimiter: ",", quote: '"', nulls: [] };
      const file: TextFile = { parts, dialect, width: width + placeColumns, longestRowBytes, lineEnd: "\n" };
      const relation = readText(file);
      return {
        relation,
        sample: readText({ ...file, parts: parts.slice(0, 1) }),
        runs: [{ relation, rows, rowBytes: rows === 0 ? 1 : bytes / rows, partRows: rule.partRows() }],
        speculative: false,
        positions: { line: `${cell(0)}::BIGINT`, byte: `${cell(1)}::BIGINT`, textAt },
      };
    },
  };
}
