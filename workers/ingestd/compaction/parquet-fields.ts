/** The fields of Parquet files as they stand there: names, types and field ids. */
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { EngineRow, Session } from "../engine/engine.ts";

/** The schema of one file. */
export interface FileFields {
  /** Equal for files of equal fields. */
  identity: string;
  /** By path, as `numberFields` has them; a field without one is missing. */
  ids: ReadonlyMap<string, number>;
}

export const listOf = (files: readonly string[]): string => `[${files.map(quoteText).join(", ")}]`;

/** The schemas of the files, in their order. */
export async function fieldsOf(session: Session, files: readonly string[]): Promise<FileFields[]> {
  const rows = await session.run(
    `SELECT file_name, name, type, type_length, repetition_type, num_children, converted_type, scale, precision, field_id, logical_type FROM parquet_schema(${listOf(files)})`,
  );
  const byFile = new Map<string, EngineRow[]>(files.map((file) => [file, []]));
  for (const { file_name: file, ...element } of rows) byFile.get(String(file))?.push(element);
  return [...byFile.values()].map(readFields);
}

/** Elements come depth first; the first one is the file's root. */
function readFields([root, ...elements]: EngineRow[]): FileFields {
  const ids = new Map<string, number>();
  let at = 0;
  const walk = (count: number, prefix: string): void => {
    for (let child = 0; child < count; child++) {
      const element = elements[at++];
      if (!element) throw new Error("a Parquet schema has fewer elements than it says");
      const children = Number(element.num_children ?? 0);
      // The level that lists and maps have in between has no name of its own.
      if (element.repetition_type === "REPEATED" && children > 0) {
        walk(children, prefix);
        continue;
      }
      const path = `${prefix}${prefix === "" ? "" : "."}${quoteName(String(element.name))}`;
      if (typeof element.field_id === "string" || typeof element.field_id === "number")
        ids.set(path, Number(element.field_id));
      walk(children, path);
    }
  };
  walk(Number(root?.num_children ?? 0), "");
  return { identity: JSON.stringify(elements), ids };
}
