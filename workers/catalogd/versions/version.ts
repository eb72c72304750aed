/** One link of a dataset's chain, as it is stored: a version, or the tombstone of a drop. */
import type { Static } from "@sinclair/typebox";
import { fail } from "../../../runtime/errors/errors.ts";
import type {
  Column as ColumnSchema,
  Manifest as ManifestSchema,
  VersionObject as ObjectSchema,
} from "../schemas/schemas.ts";

export type Manifest = Static<typeof ManifestSchema>;
export type Column = Static<typeof ColumnSchema>;
export type DataObject = Static<typeof ObjectSchema>;

export type Version = Omit<Manifest, "operation"> & {
  operation: Manifest["operation"] | "drop";
  /** Of a tombstone: the name that the dataset has from then on. */
  renamed_to?: string;
};

/** The number of the first version that is kept. */
export const firstOf = ({ first_version = 1 }: Version): number => first_version;

/** Whether the dataset exists at this version; a tombstone only keeps its number. */
export const isLive = (version: Version | undefined): version is Manifest =>
  version !== undefined && version.operation !== "drop";

/** A version whose rows are where its metadata says. */
export type OpenVersion = Manifest & { metadata_location: string; locations: string[] };

export const isOpen = (version: Version | undefined): version is OpenVersion =>
  isLive(version) && version.metadata_location !== undefined;

/** Throws `unprocessable` for what only a dataset of ours takes. */
export function refuseOpen(head: Version | undefined, what: string, instead: string): void {
  if (!isOpen(head)) return;
  throw fail("unprocessable", `'${head.name}' is an open table, which ${what}: ${instead}`);
}
