/** A commit to one table: what it requires holds of the table as it is, what it does is applied, and all is inside. */
import {
  applyUpdates,
  checkRequirement,
  emptyTable,
  type Requirement,
  refusals,
  type TableMetadata,
  type Update,
} from "../iceberg/iceberg.ts";
import { contentOf } from "../table-columns/table-columns.ts";
import { normalised, placeFor } from "../table-files/table-files.ts";
import { isLive, isOpen, type Manifest, type Registration, type Version } from "../versions/versions.ts";
import { checkCommit } from "./commit-check.ts";
import { type Asking, type ChangeOf, type Identifier, nameOf, type State, shown } from "./state.ts";

export interface TableChange {
  identifier: Identifier;
  requirements: readonly Requirement[];
  updates: readonly Update[];
  operation?: "rollback" | "expire" | "evolve" | NonNullable<Registration["operation"]>;
  /** The version that it was decided on: with another one it is a conflict. */
  onVersion?: number;
}

/** Earlier files that metadata names (`write.metadata.previous-versions-max`), unless the table says how many. */
const logMax = 100;

/** The version that the change makes, whose metadata is not written yet. */
export async function changedTable(
  state: State,
  change: TableChange,
  { madeBy }: Asking,
): Promise<ChangeOf & { metadata: TableMetadata }> {
  const { identifier: table, requirements, updates } = change;
  const { files, reader, deps } = state;
  const name = nameOf(table);
  const head = state.head(table);
  const creates = requirements.some(({ type }) => type === "assert-create");
  if (change.onVersion !== undefined && head?.version !== change.onVersion)
    throw refusals.commitFailed(`${name} was changed meanwhile: read it again`);
  if (!isOpen(head) && !creates) throw refusals.noSuchTable(`Table does not exist: ${shown(table)}`);
  const before = isOpen(head) ? await files.read(head.metadata_location) : undefined;
  // A dataset of the name is in the way as well.
  for (const requirement of requirements)
    checkRequirement(before ?? (isLive(head) ? emptyTable(0) : undefined), requirement);
  if (!before) {
    await state.namespaces.read(table.namespace);
    state.registry.refuseCaseClash(name);
  }
  const now = deps.clock.now();
  const after = applyUpdates(before ?? emptyTable(now), updates, now);
  if (after["table-uuid"] === "") after["table-uuid"] = deps.newId();
  if (after.location === "") after.location = await state.defaultPlace(table, after["table-uuid"]);
  const known = isOpen(head) ? head.locations : [];
  const asked = normalised("location", after.location);
  // What it says stays as the client wrote it.
  const place = known.includes(asked) ? asked : placeFor(asked, await state.homes(name));
  const locations = [place, ...known.filter((other) => other !== place)];
  if (!before) await state.makeFolders(place);
  await checkCommit(reader, { before, after, places: state.within(locations) });
  const { metadata_location } = nextMetadata({ head, place, before, after, newId: deps.newId });
  const content = contentOf(after, {
    name,
    operation: change.operation ?? (before ? "commit" : "create"),
    made_by: madeBy,
    objects: objectsOf(head),
    metadata_location,
    locations,
  });
  return { name, before: head, content, metadata: after };
}

/** Where the metadata that follows is written; it names the one before. */
export function nextMetadata({
  head,
  place,
  before,
  after,
  newId,
}: {
  head: Version | undefined;
  place: string;
  before: TableMetadata | undefined;
  after: TableMetadata;
  newId: () => string;
}): { metadata_location: string; after: TableMetadata } {
  const location = before && isOpen(head) ? head.metadata_location : undefined;
  if (before && location !== undefined) logged(after, before, location);
  const folder = after.properties["write.metadata.path"]?.replace(/\/+$/, "") ?? `${place}/metadata`;
  const number = String(location === undefined ? 0 : 1 + numberOf(location)).padStart(5, "0");
  return { metadata_location: `${folder}/${number}-${newId()}.metadata.json`, after };
}

/** Objects of ours that the table was opened with stay named, so that no maintenance of ours takes them. */
const objectsOf = (head: unknown): Manifest["objects"] =>
  isOpen(head as Manifest) ? (head as Manifest).objects : [];

const numberOf = (location: string): number =>
  Number(/\/v?(\d{1,9})(?:-[^/]*)?\.metadata\.json$/.exec(location)?.[1] ?? 0);

function logged(after: TableMetadata, before: TableMetadata, location: string): void {
  const asked = Number(after.properties["write.metadata.previous-versions-max"] ?? logMax);
  const most = Number.isInteger(asked) && asked > 0 ? Math.min(asked, logMax) : logMax;
  const entry = { "timestamp-ms": before["last-updated-ms"], "metadata-file": location };
  after["metadata-log"] = [...before["metadata-log"], entry].slice(-most);
}
