/** The form in which a result's numbers were written as text, as the manifests of the datasets record it. */
import { fold } from "../../runtime/sql-name.ts";
import type { Manifest } from "./catalog.ts";
import type { Column } from "./column-type.ts";

export type TextForm = "fixed" | "shortest";

/** The columns that the outermost SELECT names otherwise than they are: folded alias to name. */
export function renamedColumns(tree: unknown): ReadonlyMap<string, string> {
  const { select_list: list } = (tree ?? {}) as { select_list?: unknown };
  const items = (Array.isArray(list) ? list : []) as {
    class?: string;
    alias?: string;
    column_names?: string[];
  }[];
  return new Map(
    items.flatMap(({ class: kind, alias = "", column_names: path }) => {
      const name = path?.at(-1);
      return kind === "COLUMN_REF" && alias !== "" && name !== undefined ? [[fold(alias), name]] : [];
    }),
  );
}

/**
 * For each column of a result the form of the columns of its name and type in the datasets that are read; undefined
 * where there is none, or where they differ. A form changes how a value is written, never the value.
 */
export function formsOf(
  columns: readonly Column[],
  renamed: ReadonlyMap<string, string>,
  used: Iterable<Manifest>,
): (TextForm | undefined)[] {
  const forms = new Map<string, TextForm | undefined>();
  for (const manifest of used) {
    for (const { name, type, form } of manifest.columns) {
      const key = `${fold(name)}\n${type}`;
      forms.set(key, forms.has(key) && forms.get(key) !== form ? undefined : form);
    }
  }
  return columns.map(({ name, type }) => forms.get(`${fold(renamed.get(fold(name)) ?? name)}\n${type.name}`));
}
