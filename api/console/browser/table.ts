/** A result as a grid of rows, and what can be taken along of it. */
import { frame as says } from "../texts/texts.ts";
import { copied, element } from "./elements.ts";
import { type Cells, Grid, rowHeight } from "./grid.ts";

export interface Rows {
  columns: readonly { name: string; type: string }[];
  rows: readonly Record<string, unknown>[];
}

/** Rows and digits that say how wide a column is, and its least and most, in characters. */
const [measuredRows, measuredDigits] = [50, 100];
const [narrowest, widest] = [6, 40];
/** Characters of a value that are in its cell, and that are shown when one points at it. */
const [cellMax, titleMax] = [200, 2000];
/** The most rows that are in sight at once, and pixels of a scroll bar. */
const [rowsSeen, scrollBarPx] = [14, 18];

const textOf = (value: unknown): string =>
  value === null || value === undefined
    ? ""
    : typeof value === "object"
      ? JSON.stringify(value)
      : String(value);
const cut = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max)}…` : text);

/** Whether a type of SQL has numbers. */
export const isNumber = (type: string): boolean =>
  /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL.*|DOUBLE|FLOAT)$/.test(type);

/** As wide as what the first rows hold. */
function cellsOf({ columns, rows }: Rows, characterPx: number): Cells {
  const measured = rows.slice(0, measuredRows);
  return {
    rows: rows.length,
    columns: columns.map(({ name, type }) => {
      const longest = measured.reduce(
        (max, row) => Math.max(max, textOf(row[name]).length),
        name.length + type.length + 1,
      );
      const characters = Math.min(widest, Math.max(narrowest, longest)) + 3;
      const head = () => [
        element("strong", { title: name }, cut(name, cellMax)),
        element("small", {}, ` ${type}`),
      ];
      return { widthPx: Math.ceil(characters * characterPx), isNumber: isNumber(type), head };
    }),
    textAt: (row, column) => {
      const value = rows[row]?.[columns[column]?.name ?? ""];
      return value === null || value === undefined ? null : cut(textOf(value), cellMax);
    },
  };
}

/** How wide a digit is in the element's font. */
function characterWidth(place: HTMLElement): number {
  const probe = element("span", { textContent: "0".repeat(measuredDigits) });
  place.replaceChildren(probe);
  // Nothing is measured where the place is not shown.
  return probe.getBoundingClientRect().width / measuredDigits || rowHeight / 3;
}

/** Shows the rows in the place of whatever the element holds. */
export function showGrid(place: HTMLElement, all: Rows): void {
  const { columns, rows } = all;
  const cells = cellsOf(all, characterWidth(place));
  const view = element("div", { className: "view", role: "table", tabIndex: 0 });
  view.ariaRowCount = String(rows.length + 1);
  view.ariaColCount = String(columns.length);
  view.ariaLabel = place.dataset.label ?? says.rows;
  view.style.height = `${(Math.min(rowsSeen, rows.length) + 1) * rowHeight + scrollBarPx}px`;
  place.replaceChildren(
    view,
    element(
      "p",
      { className: "row" },
      copying(says.csv, () => asCsv(all)),
      copying(says.markdown, () => asMarkdown(all)),
    ),
  );
  const grid = new Grid(view, cells);
  view.onmouseover = ({ target }) => {
    const at = grid.placeOf(target as Element);
    if (!at) return;
    const value = rows[at.row]?.[columns[at.column]?.name ?? ""];
    (target as HTMLElement).title = cut(textOf(value), titleMax);
  };
}

function copying(name: string, write: () => string): HTMLElement {
  const button = element("button", { type: "button", textContent: says.copyAs(name) });
  button.onclick = () => copied(write());
  return button;
}

const quoted = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function asCsv({ columns, rows }: Rows): string {
  const lines = rows.map((row) => columns.map(({ name }) => quoted(textOf(row[name]))).join(","));
  return [columns.map(({ name }) => quoted(name)).join(","), ...lines, ""].join("\n");
}

function asMarkdown({ columns, rows }: Rows): string {
  const escaped = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const lineOf = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [
    lineOf(columns.map(({ name }) => escaped(name))),
    lineOf(columns.map(() => "---")),
    ...rows.map((row) => lineOf(columns.map(({ name }) => escaped(textOf(row[name]))))),
    "",
  ].join("\n");
}
