/** A grid of many rows: only those in sight are in the page. */
import { element, notice } from "./elements.ts";

export interface Rows {
  columns: readonly { name: string; type: string }[];
  rows: readonly Record<string, unknown>[];
}

/** In pixels, as the style sheet has it. */
const rowHeight = 28;
/** Rows beyond those in sight. */
const spare = 10;
/** No browser makes an element higher than about this. */
const heightMax = 15_000_000;
/** Rows whose texts say how wide a column is. */
const measuredRows = 50;
const [narrowest, widest] = [6, 40];
/** Characters of a value that are shown when one points at it. */
const titleMax = 2000;

const textOf = (value: unknown): string =>
  value === null || value === undefined
    ? ""
    : typeof value === "object"
      ? JSON.stringify(value)
      : String(value);

/** Whether a type of SQL has numbers. */
export const isNumber = (type: string): boolean =>
  /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL.*|DOUBLE|FLOAT)$/.test(type);

/** As wide as what the first rows hold. */
function templateOf({ columns, rows }: Rows): string {
  const widths = columns.map(({ name, type }) => {
    const longest = rows
      .slice(0, measuredRows)
      .reduce((max, row) => Math.max(max, textOf(row[name]).length), name.length + type.length + 1);
    return `${Math.min(widest, Math.max(narrowest, longest)) + 2}ch`;
  });
  return widths.join(" ");
}

const headOf = ({ columns }: Rows): HTMLElement[] =>
  columns.map(({ name, type }) =>
    element(
      "div",
      { role: "columnheader", title: type },
      element("strong", {}, name),
      element("small", {}, ` ${type}`),
    ),
  );

function cellOf(row: Record<string, unknown>, { name, type }: Rows["columns"][number]): HTMLElement {
  const value = row[name];
  const isNull = value === null || value === undefined;
  return element("div", {
    role: "cell",
    className: isNull ? "null" : isNumber(type) ? "number" : "",
    textContent: isNull ? "NULL" : textOf(value),
    title: textOf(value).slice(0, titleMax),
  });
}

/** The rows to draw and where the first of them is; of too many, scrolling goes through all in larger steps. */
function inSight(view: HTMLElement, { count, height }: { count: number; height: number }) {
  const seen = Math.ceil(view.clientHeight / rowHeight) + spare;
  const isScaled = count * rowHeight > heightMax;
  const share = height > view.clientHeight ? view.scrollTop / (height - view.clientHeight) : 0;
  const first = isScaled
    ? Math.round(Math.min(1, share) * Math.max(0, count - seen + spare))
    : Math.floor(view.scrollTop / rowHeight);
  const from = Math.max(0, first - spare);
  const top = isScaled ? view.scrollTop - (first - from) * rowHeight : from * rowHeight;
  return { from, to: Math.min(count, first + seen), top };
}

/** Shows the rows in the place of whatever the element holds. */
export function showGrid(place: HTMLElement, all: Rows): void {
  const { columns, rows } = all;
  const template = templateOf(all);
  const line = (cells: HTMLElement[]) => {
    const made = element("div", { className: "line", role: "row" }, ...cells);
    made.style.gridTemplateColumns = template;
    return made;
  };
  const head = line(headOf(all));
  head.classList.add("head");
  const body = element("div", { className: "rows", role: "rowgroup" });
  const view = element(
    "div",
    { className: "view", role: "table", tabIndex: 0 },
    element("div", { role: "rowgroup", className: "heads" }, head),
    body,
  );
  view.setAttribute("aria-rowcount", String(rows.length + 1));
  view.setAttribute("aria-label", place.dataset.label ?? "Rows");
  const height = Math.min(heightMax, rows.length * rowHeight);
  body.style.height = `${height}px`;
  let shown = "";
  const draw = () => {
    const { from, to, top } = inSight(view, { count: rows.length, height });
    if (shown === `${from}-${to}`) return;
    shown = `${from}-${to}`;
    body.replaceChildren(
      ...rows.slice(from, to).map((row, at) => {
        const made = line(columns.map((column) => cellOf(row, column)));
        made.style.transform = `translateY(${top + at * rowHeight}px)`;
        made.setAttribute("aria-rowindex", String(from + at + 2));
        return made;
      }),
    );
  };
  view.onscroll = () => requestAnimationFrame(draw);
  place.replaceChildren(
    view,
    element(
      "p",
      { className: "row" },
      copying("CSV", () => asCsv(all)),
      copying("Markdown", () => asMarkdown(all)),
    ),
  );
  draw();
}

function copying(name: string, write: () => string): HTMLElement {
  const button = element("button", { type: "button", textContent: `Copy as ${name}` });
  button.onclick = () =>
    void navigator.clipboard.writeText(write()).then(
      () => notice("The rows are in the clipboard."),
      (cause) => notice(String(cause), true),
    );
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
