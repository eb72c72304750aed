/** Names of the files that a dataset is published by: `_catalog/iceberg/<dataset>/<version>-<snapshot>-<what>`. */

/** Raised when what is written changes: files of an earlier revision are not taken for ours. */
const revision = 1;

export const publishedPrefix = (name: string): string => `_catalog/iceberg/${name}/`;

/** Files name others by their addresses: those of a store that has moved are written again. */
export const placeMark = (root: string): string =>
  Bun.SHA256.hash(JSON.stringify([revision, root]), "hex").slice(0, 8);

/**
 * Where writers of other programs are told to put files, and an object: on a disk nothing can be put below it. They would
 * write their files before they hear that they may not commit.
 */
export const readOnlyKey = (name: string): string => `${publishedPrefix(name)}read-only`;
export const readOnlyText =
  "This table is published by Lakehouse for reading. Change it by ingest, or by the verbs of its catalog.\n";

interface Named {
  name: string;
  version: number;
  snapshotId: number;
  mark: string;
}

const stem = ({ name, version, snapshotId, mark }: Named): string =>
  `${publishedPrefix(name)}${String(version).padStart(8, "0")}-${snapshotId}-${mark}`;

export const metadataKey = (named: Named): string => `${stem(named)}.metadata.json`;

/** With a digest of the bytes: the length of a manifest stands in its list. */
export const avroKey = (named: Named, what: "manifest" | "list", bytes: Uint8Array): string =>
  `${stem(named)}-${Bun.SHA256.hash(bytes as Uint8Array<ArrayBuffer>, "hex").slice(0, 16)}-${what}.avro`;

/** The version that a file belongs to; undefined where its name is none of ours. */
export function publishedVersion(
  key: string,
): { version: number; mark: string; isMetadata: boolean } | undefined {
  const [, digits, mark, end] =
    /\/(\d{8})-\d+-([0-9a-f]{8})(\.metadata\.json|-[0-9a-f]{16}-(?:manifest|list)\.avro)$/.exec(key) ?? [];
  if (digits === undefined || mark === undefined) return undefined;
  return { version: Number(digits), mark, isMetadata: end === ".metadata.json" };
}
