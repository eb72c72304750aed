/** Which items a filter means, and those of one page. */
import type { Condition } from "../../../runtime/filter/filter.ts";
import { type Rows, rowsOf } from "../rows/rows.ts";
import { rowsMatching } from "../search/search.ts";
import type { Generation } from "./generation.ts";

export interface Page {
  after: number | undefined;
  most: number;
  filter?: Condition;
  signal: AbortSignal;
}

export async function idsOf(
  { rows, fields }: Generation,
  filter: Condition,
  signal: AbortSignal,
): Promise<string[]> {
  await fields.prepare(filter, signal);
  const found = rowsOf(rowsMatching({ fields }, filter, rows.view()));
  return Array.from(found, (row) => rows.id(row));
}

export async function pageOf(
  { rows, fields }: Generation,
  { after, most, filter, signal }: Page,
): Promise<{ rows: Rows; found: Uint32Array }> {
  if (filter) await fields.prepare(filter, signal);
  const view = rows.view();
  const bits = filter ? rowsMatching({ fields }, filter, view) : view.alive;
  const from = after === undefined ? 0 : rows.after(after);
  return { rows, found: rowsOf(bits, from, most) };
}
