/** What is asked of a file whose rows are to be taken out, and what comes of it: lines of JSON, for the reader of NDJSON. */
import { fail } from "../../../runtime/errors/errors.ts";

export interface Asked {
  path: string;
  /** The file that rows go into, a line of JSON each. */
  into: string;
  /** Where in a JSON document the rows are: a JSON Pointer. */
  pointer?: string;
  table?: string;
  sheet?: string;
  range?: string;
  header?: boolean;
  skip: number;
  nulls: readonly string[];
  columnsMax: number;
  rowBytesMax: number;
  /** Of the lines together. */
  bytesMax: number;
}

/** A column whose type the source says. */
export interface TakenColumn {
  name: string;
  /** As SQL has it; absent where its values show it. */
  type?: string;
  /** How its values stand in the lines, where it has a type. */
  as?: "text" | "json";
}

/** Bytes as SQL reads them in a text: `\x0A` for each. */
export const bytesText = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString("hex").replace(/../g, "\\x$&");

/** A sheet of a workbook or a table of a database: whether its rows were taken, and why. */
export interface FoundTable {
  name: string;
  hidden?: boolean;
  taken: boolean;
  why: string;
}

export interface Taken {
  columns: TakenColumn[];
  found: FoundTable[];
  warnings: string[];
}

/** Takes the rows out of a file. Throws what is wrong with it. */
export type TableReader = (asked: Asked) => Promise<Taken>;

export interface RowWriter {
  /** One line; an empty one stands for a row of the source that is none, so that lines count as its rows do. */
  line: (text: string) => void;
  /** To be awaited now and then: what was added does not pile up. */
  flush: () => Promise<void>;
  end: () => Promise<void>;
}

/** Characters that are gathered before they are written. */
const gatheredMax = 1024 * 1024;

/** Throws `too_large` beyond so many bytes: a small file can stand for endless rows. */
export function openRowWriter(into: string, bytesMax: number): RowWriter {
  const sink = Bun.file(into).writer();
  let gathered: string[] = [];
  let characters = 0;
  let bytes = 0;
  const write = async () => {
    const text = gathered.join("");
    gathered = [];
    characters = 0;
    bytes += Buffer.byteLength(text);
    if (bytes > bytesMax)
      throw fail(
        "too_large",
        `the rows of the file are more than ${bytesMax} bytes of text, eight times what ingestd.max_ingest_bytes sets`,
      );
    sink.write(text);
    await sink.flush();
  };
  return {
    line: (text) => {
      gathered.push(text, "\n");
      characters += text.length + 1;
    },
    flush: async () => {
      if (characters >= gatheredMax) await write();
    },
    end: async () => {
      await write();
      await sink.end();
    },
  };
}
