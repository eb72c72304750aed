/** Versions of open tables: what they hold is in Iceberg's metadata, which a version names. Pure, as `plan.ts`. */
import { following, type Given, named } from "./plan.ts";
import { schemaFingerprint } from "./schema.ts";
import { isLive, type Manifest, type Version } from "./version.ts";

/** What a version of an open table says. */
export type TableContent = Pick<
  Manifest,
  "name" | "dataset_id" | "columns" | "row_count" | "bytes" | "operation" | "made_by" | "objects"
> & {
  last_column_id: number;
  metadata_location: string;
  /** Where its files may be, the table's location first. */
  locations: string[];
};

/** The version that follows the head. */
export const planOpen = (head: Version | undefined, content: TableContent, given: Given): Version => ({
  ...content,
  ...following(head, given.now),
  ...(isLive(head) && { parent: head.version }),
  schema_fingerprint: schemaFingerprint(content.columns),
  ...named(given),
});

const partForm = /^[A-Za-z0-9_](?:[A-Za-z0-9_ .-]{0,98}[A-Za-z0-9_.-])?$/;
/** Whether it may be the name of a namespace or of a table in one. */
export const isNamePart = (text: string): boolean => partForm.test(text);
