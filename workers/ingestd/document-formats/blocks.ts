/** Collects the blocks of a document while it is read. */
import type { Block } from "./content.ts";

/** The text has become longer than it may. */
export class BlockLimitError extends Error {}

/** Levels beyond that are not shown. */
const indentMax = 10;
const levelMax = 9;

/** Tables and lists are one block each; what is nested in a cell is text of the cell. */
export class Blocks {
  readonly #textMax: number;
  readonly #blocks: Block[] = [];
  #length = 0;
  /** What is open: the text of a paragraph, the lines of a list or table, the cells of a row. */
  #inline: string[] = [];
  #lines: string[] = [];
  #row: string[] = [];
  #cell: string[] = [];
  #heading: number | undefined;
  #isCode = false;
  #isItem = false;
  #page: number | undefined;
  #lists = 0;
  #tables = 0;

  constructor(textMax: number) {
    this.#textMax = textMax;
  }

  /** Adds to what is open; white space is one space, unless code is open. */
  text(text: string): void {
    this.#length += text.length;
    if (this.#length > this.#textMax) throw new BlockLimitError();
    this.#inline.push(this.#isCode ? text : text.replace(/\s+/g, " "));
  }

  lineBreak(): void {
    this.#inline.push("\n");
  }

  /** Ends the paragraph. */
  end(): void {
    const joined = this.#inline.join("");
    const text = wellFormed(this.#isCode ? joined.replace(/^\s*\n/, "").trimEnd() : flat(joined));
    this.#inline = [];
    const level = this.#heading;
    this.#heading = undefined;
    if (text === "") return;
    if (this.#tables > 0) this.#cell.push(text);
    else if (this.#lists > 0) this.#line(text);
    else if (level === undefined) this.#put({ kind: this.#isCode ? "code" : "paragraph", text });
    else {
      const within = Math.min(levelMax, Math.max(1, Number.isFinite(level) ? level : 1));
      this.#put({ kind: "heading", text: text.replaceAll("\n", " "), level: within });
    }
  }

  heading(level: number): void {
    this.end();
    this.#heading = level;
  }

  code(isOpen: boolean): void {
    this.end();
    this.#isCode = isOpen;
  }

  listStart(): void {
    this.end();
    this.#lists += 1;
  }

  item(): void {
    this.end();
    this.#isItem = true;
  }

  listEnd(): void {
    this.end();
    this.#lists = Math.max(0, this.#lists - 1);
    if (this.#lists === 0 && this.#tables === 0) this.#putLines("list");
  }

  tableStart(): void {
    this.end();
    if (this.#tables === 0) this.#putLines("list");
    this.#tables += 1;
  }

  cellEnd(): void {
    this.end();
    if (this.#tables !== 1) return;
    this.#row.push(this.#cell.join(" ").replaceAll("\n", " "));
    this.#cell = [];
  }

  rowEnd(): void {
    this.end();
    if (this.#tables !== 1) return;
    if (this.#cell.length > 0) this.cellEnd();
    if (this.#row.some((text) => text !== "")) this.#lines.push(this.#row.join(" | "));
    this.#row = [];
  }

  tableEnd(): void {
    if (this.#tables === 0) return;
    this.rowEnd();
    this.#tables -= 1;
    if (this.#tables === 0) this.#putLines("table");
  }

  page(page: number): void {
    this.end();
    this.#page = page;
  }

  /** Ends all that is open. */
  done(): Block[] {
    this.#tables = Math.min(1, this.#tables);
    this.tableEnd();
    this.end();
    this.#putLines("list");
    return this.#blocks;
  }

  #line(text: string): void {
    const indent = "  ".repeat(Math.min(this.#lists - 1, indentMax));
    this.#lines.push(`${indent}${this.#isItem ? "- " : "  "}${text.replaceAll("\n", `\n${indent}  `)}`);
    this.#isItem = false;
  }

  #putLines(kind: "list" | "table"): void {
    if (this.#lines.length > 0) this.#put({ kind, text: this.#lines.join("\n") });
    this.#lines = [];
  }

  #put(block: Block): void {
    this.#blocks.push({ ...block, ...(this.#page !== undefined && { page: this.#page }) });
  }
}

const flat = (text: string): string =>
  text
    .replace(/ *\n */g, "\n")
    .replace(/ {2,}/g, " ")
    .replace(/\n{2,}/g, "\n")
    .trim();

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const controls = /[\u0000-\u0008\u000b-\u001f\u007f\ufeff\u00ad]/g;
/** Without control characters, which no reader sees, and with what is no Unicode marked (U+FFFD). */
export const wellFormed = (text: string): string =>
  text.replace(/\r\n?/g, "\n").replace(controls, "").toWellFormed();
