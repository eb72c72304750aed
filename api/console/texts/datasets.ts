/** What the pages of datasets say. */
export const datasets = {
  title: "Datasets",
  heads: ["Name", "Rows", "Columns", "Size", "Version", "Changed"],
  none: "There are no datasets yet.",
  noneNamed: "No dataset has such a name.",
  firstShown: (number: number) => `The first ${number} are shown: search for the others.`,
  search: "Search",
  loadFile: "Load a file",
  view: "View",
  viewHelp: "a statement that is read like a dataset",
  views: "Views",
  viewHeads: ["View", "Columns", "Version", "Changed", ""],
  notReadable: (why: string) => `It cannot be read now: ${why}`,
  dropViewSays: (name: string) => `The view '${name}' will be dropped. What it reads stays.`,
  statement: "Statement",
  reads: "It reads",
  bringBack: "Bring it back",
  rows: "Rows",
  size: "Size",
  files: "Files",
  version: "Version",
  made: "Made",
  madeBy: (moment: string, made: { operation: string; by: string; of: string | undefined }) =>
    `${moment} by ${made.by}: ${made.operation}${made.of === undefined ? "" : ` of ${made.of}`}`,
  rejects: (rows: string) => `${rows} rows of its last load could not be read, and were set aside: `,
  asItWas: (version: number) => `This is version ${version}, as it was. `,
  toLatest: "To the latest",
  askSql: "Ask in SQL",
  drop: "Drop",
  dropSays: (name: string) =>
    `'${name}' will be dropped: nobody finds it any more. Its versions stay, and it can be brought back.`,
  columns: "Columns",
  columnHeads: ["Name", "Type", ""],
  noColumns: "It has no columns.",
  firstRows: "First rows",
  rowsOf: (name: string) => `Rows of ${name}`,
  byMeaning: "Search it by meaning",
  idColumn: "Column that tells rows apart",
  texts: "Texts to search",
  build: "Build a corpus",
  elsewhere: "Open it with other tools",
  copy: "Copy",
  copyOf: (tool: string) => `Copy the lines for ${tool}`,
  engines: (name: string, origin: string): [tool: string, code: string][] => [
    [
      "PyIceberg",
      `from pyiceberg.catalog import load_catalog
load_catalog("lakehouse", type="rest", uri="${origin}/iceberg").load_table("main.${name}").scan().to_arrow()`,
    ],
    [
      "DuckDB",
      `ATTACH 'main' AS lake (TYPE iceberg, ENDPOINT '${origin}/iceberg', AUTHORIZATION_TYPE 'none', DEFAULT_SCHEMA 'main');
SELECT * FROM lake.main.${name};`,
    ],
    [
      "Spark",
      `-- started with a catalog named lake, of type rest and uri ${origin}/iceberg
SELECT * FROM lake.main.${name};`,
    ],
  ],
  tools: (name: string, origin: string): [tool: string, code: string][] => [
    [
      "psql",
      `# where [pgwire] bind = "127.0.0.1:3223"
psql -h 127.0.0.1 -p 3223 lakehouse -c 'SELECT * FROM "${name}"'`,
    ],
    ["curl", `curl -sS ${origin}/v1/datasets/${name}.csv`],
  ],
  versions: "Versions",
  versionsHelp:
    "Each version is a snapshot: it is as it was, in SQL as NAME@VERSION, until maintenance expires it.",
  versionHeads: ["Version", "Made", "By", "Rows", "Size", ""],
  noVersions: "It has no versions.",
  operationBy: (operation: string, by: string) => `${operation}, ${by}`,
  compare: "Compare",
  goBack: "Go back to it",
  goBackSays: (name: string, version: number) =>
    `'${name}' will be as it was in version ${version}, as a new version. Those between stay.`,
  difference: (of: {
    from: string;
    to: number;
    rows: string;
    size: string;
    added: number;
    removed: number;
    kept: number;
  }) =>
    `From version ${of.from} to ${of.to}: ${of.rows} rows, ${of.size}; files ${of.added} added, ${of.removed} removed, ${of.kept} kept.`,
  columnDifference: (of: { added: string; removed: string; renamed: string; retyped: string }) =>
    `Columns added: ${of.added}; removed: ${of.removed}; renamed: ${of.renamed}; other types: ${of.retyped}.`,
  renamed: (from: string, to: string) => `${from} to ${to}`,
  noColumn: "none",
  sampled: (rows: string) => `Of a sample of ${rows} rows.`,
  moreColumns: (number: string) => `Look at more columns: there are ${number}`,
  profileHeads: ["Name", "Type", "NULL", "Different", "Least", "Most", "Mean", "How they lie"],
  nullShare: (column: string, percent: number) => `NULL in ${column}: ${percent} %`,
  histogram: (column: string, of: { min: string; max: string; parts: number; counts: string }) =>
    `${column} from ${of.min} to ${of.max}, in ${of.parts} parts: ${of.counts}`,
} as const;
