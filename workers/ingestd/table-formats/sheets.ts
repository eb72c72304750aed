/** Which sheet of a workbook is read, and why. */
import { fail } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { FoundTable } from "./taking.ts";

export interface Sheet {
  name: string;
  isHidden: boolean;
}

const few = (names: readonly string[]): string =>
  names
    .slice(0, 20)
    .map((name) => `'${name}'`)
    .join(", ") + (names.length > 20 ? ", …" : "");

/** The sheet that was asked for, by name or number, or the first that is shown. Throws `invalid_field` naming those that there are. */
export function chosenSheet<S extends Sheet>(
  sheets: readonly S[],
  asked: string | undefined,
): { sheet: S; found: FoundTable[]; warnings: string[] } {
  const names = sheets.map(({ name }) => name);
  const byNumber = /^[1-9]\d{0,4}$/.test(asked ?? "") ? sheets[Number(asked) - 1] : undefined;
  const sheet =
    asked === undefined
      ? (sheets.find(({ isHidden }) => !isHidden) ?? sheets[0])
      : (sheets.find(({ name }) => name === asked) ??
        sheets.find(({ name }) => fold(name) === fold(asked)) ??
        byNumber);
  if (!sheet && asked !== undefined)
    throw fail(
      "invalid_field",
      `sheet: the file has no sheet '${asked.slice(0, 100)}'; it has ${few(names)}`,
    );
  if (!sheet) throw fail("unprocessable", "the workbook has no sheets");
  const why = asked === undefined ? "the first sheet that is shown" : "asked for by sheet";
  const found = sheets.map((each) => ({
    name: each.name,
    ...(each.isHidden && { hidden: true }),
    taken: each === sheet,
    why:
      each === sheet
        ? why
        : each.isHidden
          ? "hidden, and not asked for"
          : "another one is read: send sheet= for this one",
  }));
  const others = sheets.filter((each) => each !== sheet && !each.isHidden).map(({ name }) => name);
  const warnings =
    asked === undefined && others.length > 0
      ? [`the sheet '${sheet.name}' is read; the file has ${few(others)} too: send sheet= for another one`]
      : [];
  return { sheet, found, warnings };
}
