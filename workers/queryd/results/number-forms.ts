/** The form in which a result's numbers were written as text, as the manifests of the datasets record it. */
import { fold } from "../../../runtime/sql/sql.ts";
import type { Column } from "../values/values.ts";

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

/** What manifests record of forms, as pairs, so that it can be sent: by folded name and type; and columns by folded alias. */
export interface RecordedForms {
  forms: [string, TextForm][];
  renamed: [string, string][];
}

/** A column of a manifest. */
interface FormedColumn {
  name: string;
  type: string;
  form?: TextForm;
}

const keyOf = (name: string, type: string): string => `${fold(name)}\n${type}`;

/** The forms of the columns in the datasets that are read, but those that differ among columns of one name and type. */
export function recordedForms(
  used: Iterable<{ columns: readonly FormedColumn[] }>,
  renamed: ReadonlyMap<string, string> | undefined,
): RecordedForms {
  const forms = new Map<string, TextForm | undefined>();
  for (const manifest of used) {
    for (const { name, type, form } of manifest.columns) {
      const key = keyOf(name, type);
      forms.set(key, forms.has(key) && forms.get(key) !== form ? undefined : form);
    }
  }
  const known = [...forms].filter((pair): pair is [string, TextForm] => pair[1] !== undefined);
  return { forms: known, renamed: [...(renamed ?? [])] };
}

/** For each column of a result the form recorded for its name and type. A form changes how a value is written, never the value. */
export function formsOf(
  columns: readonly Column[],
  recorded: RecordedForms | undefined,
): (TextForm | undefined)[] {
  const forms = new Map(recorded?.forms);
  const renamed = new Map(recorded?.renamed);
  return columns.map(({ name, type }) => forms.get(keyOf(renamed.get(fold(name)) ?? name, type.name)));
}
