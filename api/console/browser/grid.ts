/**
 * The rows and columns in sight of a large table. Their elements are used again for the next ones: a frame of scrolling
 * writes texts and transforms of the rows that come, and makes no element and asks for no measure.
 */
import { frame as says } from "../texts/texts.ts";
import { element } from "./elements.ts";

export interface Cells {
  rows: number;
  columns: readonly { widthPx: number; isNumber: boolean; head: () => Node[] }[];
  /** What is shown; null where there is no value. */
  textAt: (row: number, column: number) => string | null;
}

/** In pixels, as the style sheet has it. */
export const rowHeight = 28;
/** No browser makes an element higher than about this: of more rows, scrolling goes through all in larger steps. */
const heightMax = 15_000_000;
/** Rows above and below those in sight, and pixels beside the columns in sight. */
const [spareRows, sparePx] = [8, 600];
/** Rows are placed from a row that is at most so far away: transforms of more pixels are not exact. */
const baseRowsMax = 100_000;

interface Line {
  element: HTMLElement;
  cells: { element: HTMLElement; text: Text; isNull: boolean }[];
  /** Which row it shows; -1 for none. */
  row: number;
}

export class Grid {
  readonly #view: HTMLElement;
  readonly #cells: Cells;
  /** Where each column begins, and where the last one ends. */
  readonly #lefts: number[];
  readonly #height: number;
  readonly #head = lineOf();
  readonly #sheet = element("div", { className: "sheet", role: "rowgroup" });
  #lines: Line[] = [];
  #seen = { width: 0, height: 0 };
  #columns = { first: 0, end: 0 };
  #base = 0;
  #isDue = false;

  /** The view scrolls; it has a height of its own. */
  constructor(view: HTMLElement, cells: Cells) {
    this.#view = view;
    this.#cells = cells;
    this.#lefts = [0];
    for (const { widthPx } of cells.columns) this.#lefts.push((this.#lefts.at(-1) ?? 0) + widthPx);
    this.#height = Math.min(heightMax, cells.rows * rowHeight);
    this.#head.element.classList.add("head");
    const body = element("div", { className: "rows" }, this.#sheet);
    body.style.height = `${this.#height}px`;
    view.style.setProperty("--width", `${this.#lefts.at(-1)}px`);
    view.replaceChildren(element("div", { className: "heads", role: "rowgroup" }, this.#head.element), body);
    view.onscroll = () => this.#drawSoon();
    new ResizeObserver(() => this.#fit()).observe(view);
    this.#fit();
  }

  /** Where a cell's element stands in the table; undefined where it is none of its cells. */
  placeOf(cell: Element): { row: number; column: number } | undefined {
    const line = this.#lines.find((each) => each.element === cell.parentElement);
    const at = line?.cells.findIndex((each) => each.element === cell) ?? -1;
    return line && at >= 0 ? { row: line.row, column: this.#columns.first + at } : undefined;
  }

  /** As many lines as the view has room for. */
  #fit(): void {
    const { clientHeight: height, clientWidth: width } = this.#view;
    if (height === this.#seen.height && width === this.#seen.width) return;
    this.#seen = { height, width };
    const room = Math.ceil(height / rowHeight) + 1 + 2 * spareRows;
    this.#lines = Array.from({ length: Math.min(this.#cells.rows, room) }, lineOf);
    this.#sheet.replaceChildren(...this.#lines.map((line) => line.element));
    this.#placeColumns(this.#view.scrollLeft);
    this.#draw();
  }

  #drawSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw(): void {
    // Read before anything is written: the frame before has laid out all there is.
    const { scrollTop, scrollLeft } = this.#view;
    if (!this.#hasColumns(scrollLeft)) this.#placeColumns(scrollLeft);
    const { rows } = this.#cells;
    const top = this.#topOf(scrollTop);
    const first = Math.floor(top / rowHeight) - spareRows;
    const from = Math.max(0, Math.min(first, rows - this.#lines.length));
    if (top !== scrollTop) {
      if (Math.abs(from - this.#base) > baseRowsMax) {
        this.#base = from;
        this.#forget();
      }
      this.#sheet.style.transform = `translateY(${scrollTop - top + this.#base * rowHeight}px)`;
    }
    for (let row = from; row < from + this.#lines.length; row++) {
      const line = this.#lines[row % this.#lines.length];
      if (line && line.row !== row) this.#write(line, row);
    }
  }

  /** Where the rows' pixels are that are seen at a place of the scroll bar, were they all there. */
  #topOf(scrollTop: number): number {
    const all = this.#cells.rows * rowHeight;
    const beyond = rowHeight - this.#seen.height;
    if (all === this.#height) return scrollTop;
    return (Math.min(scrollTop, this.#height + beyond) / (this.#height + beyond)) * (all + beyond);
  }

  #write(line: Line, row: number): void {
    line.row = row;
    line.element.style.transform = `translateY(${(row - this.#base) * rowHeight}px)`;
    line.element.ariaRowIndex = String(row + 2);
    for (const [at, cell] of line.cells.entries()) {
      const text = this.#cells.textAt(row, this.#columns.first + at);
      const shown = text ?? says.null;
      if (cell.text.data !== shown) cell.text.data = shown;
      if (cell.isNull === (text === null)) continue;
      cell.isNull = text === null;
      cell.element.classList.toggle("null", cell.isNull);
    }
  }

  #forget(): void {
    for (const line of this.#lines) line.row = -1;
  }

  /** Whether the columns that are there are all that can be seen. */
  #hasColumns(left: number): boolean {
    const { first, end } = this.#columns;
    const isFirst = first === 0 || (this.#lefts[first] ?? 0) <= left;
    return isFirst && (end === this.#lefts.length - 1 || (this.#lefts[end] ?? 0) >= left + this.#seen.width);
  }

  #placeColumns(left: number): void {
    const [from, to] = [left - sparePx, left + this.#seen.width + sparePx];
    const { columns } = this.#cells;
    const inSight = columns.flatMap(({ widthPx }, at) => {
      const begins = this.#lefts[at] ?? 0;
      return begins < to && begins + widthPx > from ? [at] : [];
    });
    this.#columns = { first: inSight[0] ?? 0, end: (inSight.at(-1) ?? -1) + 1 };
    const style = this.#view.style;
    style.setProperty("--left", `${this.#lefts[this.#columns.first]}px`);
    style.setProperty("--columns", inSight.map((at) => `${columns[at]?.widthPx}px`).join(" "));
    for (const line of [this.#head, ...this.#lines]) {
      line.cells = inSight.map((at) => cellOf(at, columns[at]?.isNumber ?? false, line === this.#head));
      line.element.replaceChildren(...line.cells.map((cell) => cell.element));
    }
    for (const [at, cell] of this.#head.cells.entries())
      cell.element.replaceChildren(...(columns[inSight[at] ?? 0]?.head() ?? []));
    this.#forget();
  }
}

const lineOf = (): Line => ({
  element: element("div", { className: "line", role: "row" }),
  cells: [],
  row: -1,
});

function cellOf(column: number, isNumber: boolean, isHead: boolean): Line["cells"][number] {
  const text = document.createTextNode("");
  const role = isHead ? "columnheader" : "cell";
  const made = element("div", { role, className: isNumber && !isHead ? "number" : "" }, text);
  made.ariaColIndex = String(column + 1);
  return { element: made, text, isNull: false };
}
