/** Stored objects as a registration of the catalog. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import type { Catalogd } from "../../catalogd/contract.ts";
import type { DatasetManifest } from "../jobs/jobs.ts";
import { type Laid, registeredObject } from "./laying.ts";

/** Who a version was made by, in its manifest. */
const madeBy = "ingestd";

export type Registration = InputOf<Catalogd["endpoints"]["commit"]>["registrations"][number];

export function registrationOf(
  name: string,
  operation: "replace" | "append",
  objects: readonly Laid[],
  before: DatasetManifest | undefined,
): Registration {
  // A column registered as NOT NULL stays so until a NULL comes.
  const strict = new Set(before?.columns.filter(({ nullable }) => !nullable).map((column) => column.name));
  const hasNulls = (column: string) =>
    objects.some(({ written: { statistics, rows } }) => {
      const found = statistics.find((each) => each.column === column);
      return (found?.null_count ?? rows) > 0;
    });
  return {
    name,
    operation,
    made_by: madeBy,
    columns: (objects[0]?.written.columns ?? []).map((column) => ({
      ...column,
      nullable: !(strict.has(column.name) && !hasNulls(column.name)),
    })),
    objects: objects.map(registeredObject),
  };
}
