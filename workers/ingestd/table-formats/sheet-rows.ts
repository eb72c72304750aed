/** The cells of one sheet as rows: a header, names, and what a reader should know of what stands there. */
import { fail } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { nameColumns } from "../tables/tables.ts";
import { addressOf, type Cell, type CellKind, lettersOf, type Range, rangeOf } from "./cells.ts";
import type { Asked, RowWriter, TakenColumn } from "./taking.ts";

export interface SheetRows {
  /** Rows come in their order, from 0; those without cells may be left out. */
  row: (row: number, cells: readonly Cell[]) => void;
  /** Something that a reader should know, once for each kind, with the first place. */
  note: (what: string, where: string) => void;
  end: () => { columns: TakenColumn[]; warnings: string[] };
}

interface Column {
  kinds: Set<CellKind>;
}

interface Noted {
  count: number;
  first: string;
}

function createNotes() {
  const notes = new Map<string, Noted>();
  return {
    add: (what: string, where: string) => {
      const noted = notes.get(what);
      if (noted) noted.count += 1;
      else notes.set(what, { count: 1, first: where });
    },
    texts: () =>
      [...notes].map(([what, { count, first }]) =>
        count === 1 ? `${what}: in ${first}` : `${what}: ${count} times, first in ${first}`,
      ),
  };
}

/** Sheets have no more columns than this (XFD). */
const sheetColumnsMax = 16_384;

function createColumns(columnsMax: number) {
  const all: (Column | undefined)[] = [];
  let count = 0;
  return {
    all,
    used: () => [...all.entries()].filter((entry): entry is [number, Column] => entry[1] !== undefined),
    at: (place: number): Column => {
      const known = all[place];
      if (known) return known;
      count += 1;
      if (place >= sheetColumnsMax || count > columnsMax)
        throw fail(
          "unprocessable",
          `the sheet has over ${Math.min(columnsMax, sheetColumnsMax)} columns, the most that are taken: send range=`,
        );
      const made = { kinds: new Set<CellKind>() };
      all[place] = made;
      return made;
    },
  };
}

/** `writer` gets the rows, a line for each of the sheet's. Throws for a sheet without rows, or with too many columns. */
export function openSheetRows(asked: Asked, writer: RowWriter): SheetRows {
  const range = rangeOf(asked.range);
  const nulls = new Set(asked.nulls);
  const columns = createColumns(asked.columnsMax);
  const notes = createNotes();
  let header: readonly Cell[] | undefined = asked.header === false ? [] : undefined;
  let skipped = 0;
  let lines = 0;
  let rows = 0;
  let widest = 0;
  const names = namesOf(
    () => header ?? [],
    () => columns.all,
  );
  const toLine = (row: number) => {
    for (; lines < row; lines++) writer.line("");
    lines += 1;
  };
  return {
    note: notes.add,
    row: (row, all) => {
      const cells = within(all, row, range);
      if (cells.length === 0) return;
      if (header === undefined) {
        if (skipped < asked.skip) {
          skipped += 1;
          return;
        }
        header = cells;
        for (const { column } of cells) columns.at(column);
        return;
      }
      const fields: string[] = [];
      for (const cell of cells) {
        if (cell.kind === "error")
          notes.add(`error cells (as ${cell.text}) are NULL`, addressOf(row, cell.column));
        if (cell.kind === "error" || (cell.kind === "text" && nulls.has(cell.text))) continue;
        columns.at(cell.column).kinds.add(cell.kind);
        fields.push(`${JSON.stringify(names.of(cell.column))}:${written(cell)}`);
      }
      toLine(row);
      rows += 1;
      widest = Math.max(widest, fields.length);
      writer.line(`{${fields.join(",")}}`);
    },
    end: () => {
      if (header === undefined)
        throw fail(
          "unprocessable",
          `the sheet has no cells${asked.range === undefined ? "" : ` in ${asked.range}`}: there is no header row`,
        );
      if (rows === 0 && asked.header === false)
        throw fail("unprocessable", "the sheet has no cells: there are no rows");
      const taken = columns.used();
      const told = [
        ...names.warnings(),
        ...titleWarning(header, widest, asked),
        ...besideWarning(taken),
        ...notes.texts(),
      ];
      return { columns: taken.map(([at, { kinds }]) => typed(names.of(at), kinds)), warnings: told };
    },
  };
}

const within = (cells: readonly Cell[], row: number, { top, left, bottom, right }: Range): readonly Cell[] =>
  row < top || row > bottom ? [] : cells.filter(({ column }) => column >= left && column <= right);

/** Names of the columns by their places: of the header's cells, and of columns that have values and no name. */
function namesOf(header: () => readonly Cell[], columns: () => readonly (Column | undefined)[]) {
  let of: Map<number, string> | undefined;
  /** Between named ones: told of where they have values. */
  const nameless = new Set<number>();
  const warnings: string[] = [];
  const made = () => {
    if (of) return of;
    const cells = header();
    const first = cells[0]?.column ?? 0;
    const last = cells.at(-1)?.column ?? -1;
    const texts = new Map(cells.map(({ column, text }) => [column, text.trim() === "" ? null : text]));
    // What lies between two names may have values: it is named by its place, as in a CSV.
    const places = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    const named = nameColumns(places.map((at) => texts.get(at) ?? null));
    of = new Map(places.map((at, index) => [at, named.names[index] ?? ""]));
    for (const [index, at] of places.entries())
      if ((texts.get(at) ?? null) !== null && named.names[index] !== texts.get(at))
        warnings.push(
          `column ${lettersOf(at)} repeats the name '${texts.get(at)}': it is called '${named.names[index]}'`,
        );
      else if ((texts.get(at) ?? null) === null) nameless.add(at);
    return of;
  };
  return {
    of: (at: number): string => {
      const known = made().get(at);
      if (known !== undefined) return known;
      const taken = new Set([...made().values()].map((name) => fold(name)));
      let name = `column${at + 1}`;
      while (taken.has(fold(name))) name += "_";
      made().set(at, name);
      if (header().length > 0) nameless.add(at);
      return name;
    },
    warnings: () => {
      made();
      const used = [...nameless].filter((at) => columns()[at] !== undefined);
      return [
        ...warnings,
        ...used.map(
          (at) => `column ${lettersOf(at)} has no name in the header: it is called '${of?.get(at)}'`,
        ),
      ];
    },
  };
}

const written = ({ kind, text }: Cell): string =>
  kind === "number" || kind === "boolean" ? text : JSON.stringify(text.toWellFormed());

/** The type that a column's cells say. Of one kind of text, numbers and booleans their values show it. */
function typed(name: string, kinds: ReadonlySet<CellKind>): TakenColumn {
  const all = [...kinds];
  const areOf = (...among: CellKind[]) => all.length > 0 && all.every((kind) => among.includes(kind));
  if (areOf("date")) return { name, type: "DATE", as: "text" };
  if (areOf("date", "timestamp")) return { name, type: "TIMESTAMP", as: "text" };
  if (areOf("time")) return { name, type: "TIME", as: "text" };
  return { name };
}

/** A single cell above rows that are wider is more often a title than a header. */
const titleWarning = (header: readonly Cell[], widest: number, { skip }: Asked): string[] =>
  header.length === 1 && widest > 1
    ? [
        `the header row has one cell and rows below have ${widest}: it may be a title; send skip=${skip + 1}, or range=`,
      ]
    : [];

/** Between two used columns one that is not used at all may part two tables. */
function besideWarning(taken: readonly [number, Column][]): string[] {
  const gap = taken.findIndex(([at], index) => index > 0 && at > (taken[index - 1]?.[0] ?? at) + 1);
  const [at] = taken[gap - 1] ?? [];
  return gap < 0 || at === undefined
    ? []
    : [
        `column ${lettersOf(at + 1)} is empty: there may be two tables beside each other; send range= for one of them`,
      ];
}
