/** Datasets and open tables as statements name them. */
import { quoteName } from "../../../runtime/sql/sql.ts";

/** A table in a namespace has quotes around each part; a version stands within the last. */
export function tableOf({ name, version }: { name: string; version?: number }): string {
  const parts = name.split(".");
  const last = parts.pop() ?? "";
  return [...parts, version === undefined ? last : `${last}@${version}`].map(quoteName).join(".");
}
