/** What the upload page says. */
export const upload = {
  title: "Upload",
  drop: "Drop files here, or choose them.",
  dropHelp:
    "CSV, JSON, NDJSON, Parquet, XLSX, ODS, Avro and SQLite, also with gzip or zstd, become tables. PDF, DOCX, ODT, PPTX, HTML, Markdown, text and mail, also in zip and tar, become a corpus to search. Nothing is stored before you load it.",
  looking: "Looking at it …",
  dataset: "Dataset",
  loadIt: "Load it",
  tables: { sheet: "Sheet", table: "Table" },
  modes: [
    ["replace", "in the place of what it holds"],
    ["append", "besides what it holds"],
  ],
  setAside: "Set bad rows aside",
  load: "Load",
  loadAll: "Load all of them",
  typeOf: (column: string) => `Type of ${column}`,
  firstRowsOf: (file: string) => `First rows of ${file}`,
  badRow: (line: number, column: string | null, reason: string) =>
    `Line ${line}${column === null ? "" : `, ${column}`}: ${reason} `,
  badRows: (number: number) => `${number} rows cannot be read`,
  open: (dataset: string) => `Open ${dataset}`,
  unchanged: "It held this already: no version was made. ",
  loaded: (of: { rows: string; ms: number; rate: string; version: number }) =>
    `${of.rows} rows in ${of.ms} ms, ${of.rate} a second, as version ${of.version}. `,
  wereSetAside: (number: number) => `${number} rows were set aside: `,
  corpus: "Corpus",
  addToCorpus: "Add to the corpus",
  documents: (number: number, rows: number, corpus: string) =>
    `${number} documents in ${rows} rows of ${corpus}. `,
  searchIt: (corpus: string) => `Search ${corpus}`,
  foundLater: " They are found when the corpus is built, in a moment.",
  fileFailed: (file: string, why: string) => `${file}: ${why}`,
  progressOf: (file: string) => `Progress of ${file}`,
  cancel: "Cancel",
  allSent: "All is sent; it is being written.",
  sent: (of: { sent: string; all: string; rate: string; seconds: string }) =>
    `${of.sent} of ${of.all} MB, ${of.rate} MB a second, about ${of.seconds} s left`,
  jobIs: (state: string, share: string) => `${state} ${share}`,
  away: "Lakehouse does not answer. Nothing was loaded, as far as is known.",
  cancelled: "Cancelled; nothing was loaded.",
} as const;
