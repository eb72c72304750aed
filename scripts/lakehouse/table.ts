/** Rows as a table of text: columns as wide as what is in them, numbers to the right. */

export interface TableColumn {
  name: string;
  /** Its values stand to the right. */
  isNumber?: boolean;
}

interface Paint {
  dim: (text: string) => string;
  bold: (text: string) => string;
}

/** Longer cells are cut; `--json` and `--format` give them whole. */
const cellCharsMax = 60;
/** What would move the cursor, and what ends a line. */
const control = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** A value as a cell shows it: control characters by their codes, for a terminal obeys them. */
export function cellOf(value: unknown): string {
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const shown = text
    .slice(0, 4 * cellCharsMax)
    .replace(control, (char) =>
      char === "\n" ? "⏎" : `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
    );
  const characters = [...shown];
  return characters.length > cellCharsMax ? `${characters.slice(0, cellCharsMax - 1).join("")}…` : shown;
}

/** The lines of a table, each with its end. NULL and its like, where `value` is null or absent, are dim. */
export function tableOf(
  columns: readonly TableColumn[],
  rows: readonly (readonly unknown[])[],
  { dim, bold }: Paint,
): string {
  const cells = rows.map((row) => columns.map((_, at) => (row[at] == null ? "NULL" : cellOf(row[at]))));
  const names = columns.map(({ name }) => cellOf(name));
  const widths = names.map((name, at) =>
    cells.reduce((most, row) => Math.max(most, Bun.stringWidth(row[at] ?? "")), Bun.stringWidth(name)),
  );
  const padded = (text: string, at: number): string => {
    const space = " ".repeat(Math.max(0, (widths[at] ?? 0) - Bun.stringWidth(text)));
    if (columns[at]?.isNumber) return space + text;
    return at === columns.length - 1 ? text : text + space;
  };
  const lines = [
    bold(names.map(padded).join("  ")),
    dim(widths.map((width) => "─".repeat(width)).join("  ")),
    ...cells.map((row, y) =>
      row.map((text, at) => (rows[y]?.[at] == null ? dim(padded(text, at)) : padded(text, at))).join("  "),
    ),
  ];
  return `${lines.join("\n")}\n`;
}
