/** One link of a dataset's chain, as it is stored: a version, or the tombstone of a drop. */
import type { Static } from "@sinclair/typebox";
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
