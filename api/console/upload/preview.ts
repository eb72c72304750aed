/** What the service makes of a file: its columns with their types and why, its first rows, and rows that cannot be read. */
import { element } from "../browser/browser.ts";
import { frame, upload as says } from "../texts/texts.ts";

export interface Preview {
  format: string;
  /** Of a workbook or a database: what may be chosen. */
  tables?: { name: string; hidden?: boolean; taken: boolean; why: string }[];
  dialect?: Record<string, unknown>;
  columns: { name: string; type: string; why: string }[];
  rows: (string | null)[][];
  bad_rows: number;
  problems: { line: number; column: string | null; reason: string; text: string }[];
  warnings: string[];
  whole_file: boolean;
}

/** Characters of a value that are shown. */
const shownMax = 500;
const commonTypes = [
  "VARCHAR",
  "BIGINT",
  "DOUBLE",
  "DECIMAL(18,2)",
  "BOOLEAN",
  "DATE",
  "TIMESTAMP",
  "TIMESTAMP WITH TIME ZONE",
];

/** Each column's name, and its type, which may be changed. */
export function headsOf({ columns }: Preview): {
  heads: HTMLElement[];
  changed: () => Record<string, string>;
} {
  const selects = columns.map((column) => {
    const all = [column.type, ...commonTypes.filter((type) => type !== column.type)];
    const options = all.map((type) => element("option", { value: type, textContent: type }));
    const select = element("select", { title: column.why }, ...options);
    select.setAttribute("aria-label", says.typeOf(column.name));
    return { column, select };
  });
  return {
    heads: selects.map(({ column: { name, why }, select }) =>
      element("th", { scope: "col" }, name, element("br"), select, element("small", { textContent: why })),
    ),
    changed: () =>
      Object.fromEntries(
        selects.flatMap(({ column: { name, type }, select: { value } }) =>
          value === type ? [] : [[name, value]],
        ),
      ),
  };
}

export function tableOf({ name }: File, { rows }: Preview, heads: readonly HTMLElement[]): HTMLElement {
  const lines = rows.map((row) =>
    element(
      "tr",
      {},
      ...row.map((value) =>
        element("td", {
          textContent: value?.slice(0, shownMax) ?? frame.null,
          className: value === null ? "null" : "",
        }),
      ),
    ),
  );
  const table = element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...lines),
  );
  return element(
    "div",
    { className: "scrolls", tabIndex: 0, role: "region", ariaLabel: says.firstRowsOf(name) },
    table,
  );
}

export function problemsOf({ bad_rows: bad, problems }: Preview): HTMLElement[] {
  if (bad === 0) return [];
  const summary = element("summary", { textContent: says.badRows(bad) });
  return [element("details", {}, summary, linesOf(problems))];
}

/** Rows that cannot be read, each in its line of the file. */
export const linesOf = (problems: Preview["problems"]): HTMLElement =>
  element(
    "ul",
    {},
    ...problems.map(({ line, column, reason, text }) =>
      element("li", {}, says.badRow(line, column, reason), element("code", { textContent: text })),
    ),
  );
