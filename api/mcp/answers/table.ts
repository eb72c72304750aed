/** Rows as a Markdown table: compact, and read well by people and models. */
export type Row = Record<string, unknown>;
type Column = { name: string; type: string };

/** A complete cell: only what would break the table is escaped. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  const text =
    typeof value === "string" ? value : typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll("\r", "\\r").replaceAll("\n", "\\n");
}

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** The names of the columns with their types, and the line below them. */
export const headingRow = (columns: readonly Column[]): string[] => [
  line(columns.map(({ name, type }) => cell(`${name} (${type})`))),
  line(columns.map(() => "---")),
];

export const tableRow = (columns: readonly Column[], row: Row): string =>
  line(columns.map(({ name }) => cell(row[name])));
