/** Which fields a filter over the metadata of a corpus may name. */

import { fail, suggestionsFor } from "../../../runtime/errors/errors.ts";
import { parseFilter, pathsOf } from "../../../runtime/filter/filter.ts";
import type { Corpus } from "../schemas/schemas.ts";

/**
 * Throws `invalid_field` for a filter that names a field no row of the corpus can have: its columns are declared, so a
 * misspelt one is a mistake and not a filter without hits.
 */
export function checkFields(
  filter: Record<string, unknown>,
  { name, metadata_columns: columns = [] }: Pick<Corpus, "name" | "metadata_columns">,
): void {
  const condition = parseFilter(filter);
  const isKnown = (path: string) =>
    columns.some((column) => path === column || path.startsWith(`${column}.`));
  const stray = condition && pathsOf(condition).find((path) => !isKnown(path));
  if (stray === undefined) return;
  const [near] = suggestionsFor(stray, columns);
  const shown = columns.slice(0, 50).join(", ");
  throw fail(
    "invalid_field",
    `filter.${stray.slice(0, 100)}: corpus '${name}' has no metadata column of this name${near ? `; did you mean '${near}'?` : ""}; it has ${shown || "none"}`,
    { details: { field: `filter.${stray.slice(0, 100)}` } },
  );
}
