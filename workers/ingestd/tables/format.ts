/** What every format gives: a relation that DuckDB can read, and what is known of its columns and rows. */
import type { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Slices } from "../../../runtime/scheduling/scheduling.ts";
import type { KnownFields } from "../../../runtime/sql/sql.ts";
import type { EngineError, Session } from "../engine/engine.ts";
import type { Narrow, Notation } from "../inference/inference.ts";
import type { Chunks, Encoding } from "../receiving/receiving.ts";
import type { RejectRules, Rejects } from "./rejects.ts";
import type { Scratch } from "./scratch.ts";
import type { Part } from "./text-table.ts";

/** How the client asked for the file to be read. */
export interface Reading {
  delimiter?: string;
  quote?: string;
  header?: boolean;
  encoding?: Encoding;
  /** Stands before a quote or itself inside quotes. */
  escape?: string;
  /** Lines that begin with it are no rows. */
  comment?: string;
  /** Lines before the header. */
  skip?: number;
  nulls: readonly string[];
  /** Types asked for, by folded column name. */
  types: ReadonlyMap<string, AskedType>;
  /** Types by value (`infer=values`), not by text. */
  byValue?: boolean;
  dateFormat?: string;
  timestampFormat?: string;
  /** A comma stands before the fraction of a number. */
  decimalComma?: true;
  /** Of files with different columns: the types may be of another one's. */
  isOfSeveral?: true;
}

export interface AskedType {
  /** The column as the client wrote it. */
  name: string;
  type: string;
}

/** Where and within which bounds a file is stored and read. */
export interface FileContext extends Scratch {
  reading: Reading;
  rejectRules: RejectRules;
  columnsMax: number;
  rowBytesMax: number;
  signal: AbortSignal;
  /** Work on the service's thread is done in slices, which give way to other requests. */
  slices: Slices;
  /** Says which phase begins, for an error that names those that took long. */
  phase: (what: string) => void;
  /** The columns of the dataset that the file is loaded into, when there is one. */
  registered?: () => Promise<Pick<Registered, "name" | "columns"> | undefined>;
  /** Columns of lines of JSON that were made of another source, whose rows they count: blank ones are none of it. */
  known?: readonly KnownColumn[];
  /** The file that a row at this byte is of, where there are several. */
  fileOf?: (byte: number) => string | undefined;
  /** Called for each run of rows that is stored while more are received, with the table as far as it is known. */
  onRun?: (table: Table, run: Run) => void;
}

/** A column that its source tells of, with its type where it has one, as SQL writes it. */
export interface KnownColumn {
  name: string;
  type?: string;
  /** Values of a type stand as characters unless as JSON. */
  as?: "text" | "json";
}

export interface TypedColumn {
  name: string;
  type: string;
}

/** The dataset that a file is loaded into: its columns, their types with the form of their texts. */
export interface Registered {
  name: string;
  columns: readonly TypedColumn[];
  /** The columns with their field ids, as registered. */
  known: KnownFields;
  /** The dataset takes the file's columns. */
  evolves: boolean;
  /** Rows take the place of others by a key, which changes no column. */
  isKeyed: boolean;
}

/** A received file's beginning, and all of it as a stream (the beginning included). */
export interface Source {
  head: Buffer;
  /** True when `head` is the whole file. */
  whole: boolean;
  chunks: Chunks | readonly Uint8Array[];
}

export interface Format {
  /** Stores the file while it is received. */
  store: (source: Source, place: FileContext) => Promise<Stored>;
}

/** A stored file: ways to read it, the fastest first. A later one is used when an earlier one fails. */
export interface Stored {
  /** Where the file is lines of JSON: those of several are read as one. */
  lines?: Lines;
  tables: ((session: Session) => Promise<Table | undefined>)[];
}

export interface Lines {
  parts: readonly Part[];
  /** Bytes of the file before them. */
  byteBase: number;
  /** Files that they are of, each with its first byte. */
  origins?: readonly { file: string; from: number }[];
}

export interface Table {
  /** SQL for a FROM clause. */
  relation: string;
  /** The first rows of it, cheaply. */
  sample: string;
  columns: Column[];
  /** Rows of the file, counted without reading it by DuckDB (for Parquet: by its footer). */
  rowsIn: number;
  rejects: Rejects;
  /** Set where the relation has each row's source position. */
  positions?: SourcePositions;
  /** The line of the row at this index; undefined where finding it would take too long. */
  lineOf?: (index: number) => Promise<number | undefined>;
  /** The rows again, in the runs that become one object each. */
  runs: Run[];
  /** True for the table whose runs may have been written while it was received. */
  speculative: boolean;
  /** Columns of the registered dataset that the file does not have are NULL in all its rows; else it must have them all. */
  mayLack: boolean;
  /** What a failure to read means, for formats that DuckDB alone reads. */
  explain?: (error: EngineError) => ServiceError;
  warnings: string[];
}

/** Rows that become one object. */
export interface Run {
  relation: string;
  rows: number;
  /** Average of the stored rows, in bytes. */
  rowBytes: number;
  /** Rows in each stored part but the last, where they are equal. */
  partRows: number | undefined;
}

export interface SourcePositions {
  line: string;
  byte: string;
  /** The row that begins at this offset, as it was written. */
  textAt: (byte: number) => Promise<string>;
}

export interface Column {
  name: string;
  /** SQL for the column's text, where the column is text. */
  cell: string;
  /** Types to look for, in order. */
  among: readonly Narrow[];
  /** How the column's text stands for values, where the column is text. */
  notation?: Notation;
  /** The type when none of them holds. */
  type: string;
  /** Asked for by the client: a value that does not convert makes its row a bad one. */
  forced: boolean;
  /** Whether `as` of this type is a cast that some value may not pass; as for texts when absent. */
  mayMiss?: (type: string) => boolean;
  /** SQL for the value as this type, or undefined when the column can never be had so. `index` names it in errors. */
  as: (type: string, index: number) => string | undefined;
}
