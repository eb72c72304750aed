/**
 * Rows of ours into open tables: files that an ingest or a change of rows has stored in the table's place become a snapshot
 * on the table as it is, by the way that every commit takes.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Change, Turns } from "../commits/commits.ts";
import { mainBranch, rowIdsFormat, type TableMetadata } from "../iceberg/iceberg.ts";
import { type Layout, layoutOf } from "../partitioning/partitioning.ts";
import { columnsOf, currentSchema, schemaWith } from "../table-columns/table-columns.ts";
import {
  checkMatch,
  checkRegistration,
  columnsFor,
  isLive,
  isOf,
  isOpen,
  type Manifest,
  type OpenVersion,
  planRegistration,
  type Registration,
} from "../versions/versions.ts";
import { relocate } from "./relocation.ts";
import { snapshotOf } from "./row-snapshot.ts";
import { type Asking, identifierOf, keyIn, type State } from "./state.ts";
import { changedTable } from "./table-change.ts";

/** Where an ingest puts files of the table, as the catalog names objects, and how its rows lie in them. */
export interface RowsPlace {
  folder: string;
  layout: Layout & { row_ids?: boolean };
}

export async function rowsPlace(state: State, head: OpenVersion, table: TableMetadata): Promise<RowsPlace> {
  const refuse = refusalOf(head);
  checkWritable(head, table);
  const schema = currentSchema(table);
  if (!schema) throw refuse("has no current schema");
  const { bucket, key } = keyIn(head.locations[0] ?? "", await state.roots());
  const { layout } = layoutOf(table, schema, refuse);
  const hasIds = table["format-version"] >= rowIdsFormat;
  return { folder: `${bucket}://${key}/data`, layout: { ...layout, ...(hasIds && { row_ids: true }) } };
}

/** Makes the version. Throws `schema_drift`, and `unprocessable` for a table that is not written to here. */
export async function writeRows(
  state: State,
  turns: Turns,
  {
    registration,
    beside,
    operationId,
    turn,
  }: {
    registration: Registration;
    beside: readonly Registration[];
    operationId: string | undefined;
    /** One that is held by this id. */
    turn?: string | undefined;
  },
  asking: Asking,
): Promise<Manifest[]> {
  const { name } = registration;
  await state.deps.resolveUnknown(name, asking.requestId);
  return turns.use(name, turn, async () => {
    await relocate(state, name, asking);
    const head = state.registry.manifest(name);
    if (!isOpen(head)) throw fail("conflict", `'${name}' is no open table now: send it again`);
    if (isOf(head, { operationId })) return [head];
    const next_version = head.version + 1;
    if (registration.version !== undefined && registration.version !== next_version)
      throw fail(
        "conflict",
        `the next version of '${name}' is ${next_version}, not ${registration.version}`,
        { details: { next_version } },
      );
    checkMatch(head, registration.if_match);
    const before = await state.files.read(head.metadata_location);
    checkWritable(head, before);
    const { operation = "replace", columns } = registration;
    // Forms of numbers are of files of text: Iceberg has none.
    const plain = columns.map(({ form: _, ...column }) => column);
    const { next } = columnsFor(head, { ...registration, columns: plain });
    const { schema, updates } = schemaWith(before, head.columns, next.columns);
    const adding = { before, schema, registration, refuse: refusalOf(head) };
    const snapshot = await snapshotOf(state, head, adding);
    const id = snapshot["snapshot-id"];
    const change = await changedTable(
      state,
      {
        identifier: identifierOf(name),
        requirements: [],
        updates: [
          ...updates,
          { action: "add-snapshot", snapshot },
          { action: "set-snapshot-ref", "ref-name": mainBranch, type: "branch", "snapshot-id": id },
        ],
        operation,
      },
      asking,
    );
    const also = beside.map((each) => datasetChange(state, each, operationId));
    const versions = await state.commitAll([{ ...change, operationId }], asking, also);
    return versions.filter(isLive);
  });
}

/** A dataset that has a version by the same commit. */
function datasetChange(
  { registry, deps: { clock, newId } }: State,
  registration: Registration,
  operationId: string | undefined,
): Change {
  checkRegistration(registration);
  const { name } = registration;
  return {
    name,
    plan: (head) => {
      registry.refuseCaseClash(name);
      return planRegistration(head, registration, { now: clock.now(), newId, operationId });
    },
  };
}

const refusalOf =
  ({ name }: Pick<OpenVersion, "name">) =>
  (why: string): Error =>
    fail("unprocessable", `'${name}' is an open table that ${why}: write to it by an engine that can`);

/** Throws `unprocessable` for a table that engines alone write to, and says why. */
export function checkWritable(head: OpenVersion, table: TableMetadata): void {
  const refuse = refusalOf(head);
  if (table.properties["encryption.key-id"] !== undefined) throw refuse("is encrypted");
  const { problem } = columnsOf(table);
  if (problem !== undefined) throw refuse(`cannot be read here, as ${problem}`);
  const reserved = currentSchema(table)?.fields.find(({ name }) =>
    /^_(row_id|last_updated_sequence_number)$/i.test(name),
  );
  if (reserved && table["format-version"] >= rowIdsFormat)
    throw refuse(`has a column '${reserved.name}', the name of what its rows are told apart by (format 3)`);
  const fixed = currentSchema(table)?.fields.find(({ type }) => JSON.stringify(type).includes('"fixed['));
  if (fixed) throw refuse(`has the column '${fixed.name}' with values of a fixed length`);
}
