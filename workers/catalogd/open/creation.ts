/** New tables: from what a client asks for, and from metadata that is there already. */
import { newTable, refusals, type TableMetadata, type TableRequest } from "../iceberg/iceberg.ts";
import { contentOf } from "../table-columns/table-columns.ts";
import { isInside, normalised, placeFor } from "../table-files/table-files.ts";
import { isLive, type OpenVersion, type TableContent } from "../versions/versions.ts";
import { checkCommit } from "./commit-check.ts";
import { checkNamePart, propertiesOf } from "./namespaces.ts";
import { type Asking, type Identifier, type Loaded, loadedOf, nameOf, type State, shown } from "./state.ts";

export interface NewTable extends Omit<TableRequest, "properties"> {
  name: string;
  location?: unknown;
  properties?: unknown;
  "stage-create"?: unknown;
}

/** Throws `AlreadyExistsException` where a dataset or a table has the name, in whatever case. */
function refuseTaken(state: State, table: Identifier): void {
  if (isLive(state.head(table))) throw refusals.alreadyExists(`Table already exists: ${shown(table)}`);
  state.registry.refuseCaseClash(nameOf(table));
}

/** Throws `bad_request` for what is no table. */
async function metadataFor(
  state: State,
  { table, asked }: { table: Identifier; asked: NewTable },
): Promise<{ metadata: TableMetadata; place: string }> {
  const uuid = state.deps.newId();
  const place =
    asked.location === undefined || asked.location === null
      ? await state.defaultPlace(table, uuid)
      : placeFor(asked.location, await state.homes(nameOf(table)));
  const properties = propertiesOf(asked.properties);
  if (typeof asked.schema !== "object" || !Array.isArray(asked.schema?.fields))
    throw refusals.badRequest("Expected schema as a struct with fields");
  const location = typeof asked.location === "string" ? asked.location.replace(/\/+$/, "") : place;
  const metadata = newTable({ ...asked, properties }, { uuid, location, now: state.deps.clock.now() });
  const version = metadata["format-version"];
  if (![1, 2, 3].includes(version))
    throw refusals.badRequest(
      `Unsupported format version: ${properties["format-version"]}; expected 1, 2 or 3`,
    );
  await checkCommit(state.reader, { before: undefined, after: metadata, places: state.within([place]) });
  return { metadata, place };
}

/** Makes the table, or with `stage-create` says what it would be: the commit that follows makes it. */
export async function createTable(
  state: State,
  { namespace, asked }: { namespace: string; asked: NewTable },
  asking: Asking,
): Promise<Loaded & { staged: boolean }> {
  await state.namespaces.read(namespace);
  checkNamePart("table", asked.name);
  const table = { namespace, name: asked.name };
  await state.deps.resolveUnknown(nameOf(table), asking.requestId);
  refuseTaken(state, table);
  const { metadata, place } = await metadataFor(state, { table, asked });
  const isStaged = asked["stage-create"] === true;
  // Who named the place of a table that is only staged looks whether it is empty, and makes the folders itself.
  if (!isStaged || asked.location === undefined) await state.makeFolders(place);
  const location = `${place}/metadata/00000-${state.deps.newId()}.metadata.json`;
  if (isStaged) return { metadata, location, etag: metadata["table-uuid"], staged: true };
  const version = await madeTable(state, { table, metadata, location, place, writes: true }, asking);
  return { ...loadedOf(version, metadata), staged: false };
}

interface Made {
  table: Identifier;
  metadata: TableMetadata;
  location: string;
  place: string;
  /** The metadata is not there yet. */
  writes: boolean;
}

const madeTable = (state: State, made: Made, asking: Asking): Promise<OpenVersion> => {
  const { table, metadata, location, place, writes } = made;
  const name = nameOf(table);
  return state.inTurn([name], async () => {
    refuseTaken(state, table);
    const content: TableContent = contentOf(metadata, {
      ...{ name, operation: "create", made_by: asking.madeBy, objects: [] },
      ...{ metadata_location: location, locations: [place] },
    });
    const change = { name, before: state.head(table), content, ...(writes && { metadata }) };
    const [version] = await state.commitAll([change], asking);
    return version as OpenVersion;
  });
};

/** Makes a table of metadata that is in the warehouse. */
export async function registerTable(
  state: State,
  { namespace, name, location }: { namespace: string; name: unknown; location: unknown },
  asking: Asking,
): Promise<Loaded> {
  await state.namespaces.read(namespace);
  checkNamePart("table", name);
  const table = { namespace, name };
  await state.deps.resolveUnknown(nameOf(table), asking.requestId);
  refuseTaken(state, table);
  const homes = await state.homes(nameOf(table));
  const at = normalised("metadata-location", location);
  const bad = (why: string) => refusals.badRequest(`Invalid metadata-location '${at.slice(0, 300)}': ${why}`);
  if (!isInside(at, homes.homes)) throw bad(`expected a file below ${homes.homes.join(" or ")}`);
  const metadata = await state.files.read(at);
  const place = placeFor(metadata.location, homes);
  if (!at.startsWith(`${place}/`)) throw bad(`the table says that it is at ${place}`);
  await checkCommit(state.reader, { before: undefined, after: metadata, places: state.within([place]) });
  const version = await madeTable(state, { table, metadata, location: at, place, writes: false }, asking);
  return loadedOf(version, metadata);
}
