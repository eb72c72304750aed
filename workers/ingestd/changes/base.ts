/** A version that is to change, with the files that its rows are in: objects of a dataset, or what catalogd finds of an open table. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { DatasetManifest, IngestDeps, TablePlace } from "../jobs/jobs.ts";

export interface RowFile extends Pick<DatasetManifest["objects"][number], "key" | "bytes" | "row_count"> {
  /** Another one for other rows: of an open table, when more of them were deleted. */
  state: string;
}

export interface Base {
  manifest: DatasetManifest;
  files: readonly RowFile[];
  /** Of an open table. */
  place?: TablePlace;
}

/** The latest version, or undefined when there is no such dataset. */
export async function latestOf(
  name: string,
  { peers: { catalogd } }: Pick<IngestDeps, "peers">,
  requestId: string,
): Promise<DatasetManifest | undefined> {
  try {
    return await catalogd.verbs.manifest({ name }, { requestId });
  } catch (error) {
    if (error instanceof ServiceError && error.type === "not_found") return undefined;
    throw error;
  }
}

/** Throws `unsupported_table` and `unprocessable` for an open table that is not read or written here. */
export async function baseOf(
  manifest: DatasetManifest,
  { peers: { catalogd } }: Pick<IngestDeps, "peers">,
  requestId: string,
): Promise<Base> {
  if (manifest.metadata_location === undefined)
    return { manifest, files: manifest.objects.map((object) => ({ ...object, state: object.key })) };
  const { name, version } = manifest;
  const { folder, layout } = await catalogd.verbs.admit({ name }, { requestId });
  const { files, deletes } = await catalogd.verbs.files({ name, version }, { requestId });
  return {
    manifest,
    files: files.map(({ key, bytes, row_count, deletes: own, positions }) => ({
      ...{ key, bytes, row_count },
      state: JSON.stringify([key, own.map((at) => deletes[at]?.key), positions]),
    })),
    ...(folder !== undefined && layout && { place: { folder, layout } }),
  };
}
