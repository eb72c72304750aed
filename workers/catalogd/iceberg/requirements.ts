/** What a commit requires of the table that it changes (REST catalog, `TableRequirement`). */

import { type Id, sameId } from "./json.ts";
import { badRequest, commitFailed, noSuchTable } from "./refusals.ts";
import type { TableMetadata } from "./table-metadata.ts";

export interface Requirement {
  type: string;
  uuid?: string;
  ref?: string;
  "snapshot-id"?: Id | null;
  [expected: string]: unknown;
}

/** Requirements that name one number of the metadata, and what they call it. */
const numbers: Readonly<Record<string, [expected: string, actual: keyof TableMetadata, what: string]>> = {
  "assert-last-assigned-field-id": ["last-assigned-field-id", "last-column-id", "last assigned field id"],
  "assert-current-schema-id": ["current-schema-id", "current-schema-id", "current schema"],
  "assert-last-assigned-partition-id": [
    "last-assigned-partition-id",
    "last-partition-id",
    "last assigned partition id",
  ],
  "assert-default-spec-id": ["default-spec-id", "default-spec-id", "default partition spec"],
  "assert-default-sort-order-id": ["default-sort-order-id", "default-sort-order-id", "default sort order"],
};

/** Throws a conflict where the table is not as required; `table` is undefined where there is none. */
export function checkRequirement(table: TableMetadata | undefined, requirement: Requirement): void {
  const { type } = requirement;
  if (type === "assert-create") {
    if (table) throw commitFailed("Requirement failed: table already exists");
    return;
  }
  if (!table) throw noSuchTable("Table does not exist");
  if (type === "assert-ref-snapshot-id") {
    checkRef(table, requirement);
    return;
  }
  if (type === "assert-table-uuid") {
    const { uuid = "" } = requirement;
    if (String(uuid).toLowerCase() !== table["table-uuid"].toLowerCase())
      throw commitFailed(
        `Requirement failed: UUID does not match: expected ${uuid} != ${table["table-uuid"]}`,
      );
    return;
  }
  const number = Object.hasOwn(numbers, type) ? numbers[type] : undefined;
  if (!number) throw badRequest(`Unknown requirement: ${String(type).slice(0, 100)}`);
  const [expected, actual, what] = number;
  if (requirement[expected] !== table[actual])
    throw commitFailed(
      `Requirement failed: ${what} changed: expected id ${String(requirement[expected])} != ${String(table[actual])}`,
    );
}

function checkRef(table: TableMetadata, { ref: name = "", "snapshot-id": expected }: Requirement): void {
  const ref = Object.hasOwn(table.refs, name) ? table.refs[name] : undefined;
  const kind = ref?.type ?? "branch";
  if (expected === null || expected === undefined) {
    if (ref) throw commitFailed(`Requirement failed: ${kind} ${name} was created concurrently`);
    return;
  }
  if (!ref) throw commitFailed(`Requirement failed: branch or tag ${name} is missing, expected ${expected}`);
  if (sameId(ref["snapshot-id"], expected)) return;
  throw commitFailed(
    `Requirement failed: ${kind} ${name} has changed: expected id ${expected} != ${ref["snapshot-id"]}`,
  );
}
