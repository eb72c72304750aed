/** How two versions of a dataset differ, by what their manifests say. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Catalogd } from "../contract.ts";
import {
  type Column,
  canonicalKey,
  type DataObject,
  type Manifest,
  schemaDrift,
  versionSummaryOf,
} from "../versions/versions.ts";

export type Difference = Omit<ReplyOf<Catalogd["endpoints"]["diff"]>, "name">;

export function differenceOf(from: Manifest, to: Manifest): Difference {
  const [before, after] = [keysOf(from), keysOf(to)];
  const counted = (objects: readonly DataObject[], isMeant: (key: string) => boolean) => {
    const meant = objects.filter(({ key, etag }) => isMeant(`${etag} ${canonicalKey(key)}`));
    return { count: meant.length, bytes: meant.reduce((sum, { bytes }) => sum + bytes, 0) };
  };
  return {
    from: versionSummaryOf(from),
    to: versionSummaryOf(to),
    columns: columnsOf(from, to),
    row_count: to.row_count - from.row_count,
    bytes: to.bytes - from.bytes,
    objects: {
      added: counted(to.objects, (key) => !before.has(key)),
      removed: counted(from.objects, (key) => !after.has(key)),
      kept: counted(to.objects, (key) => before.has(key)),
    },
  };
}

/** Columns are the same where their field ids are; those of another dataset, before a drop, where their names are. */
function columnsOf(from: Manifest, to: Manifest): Difference["columns"] {
  const isOne = from.dataset_id === to.dataset_id;
  const idOf = ({ name, field_id }: Column) => (isOne && field_id !== undefined ? `${field_id}` : `=${name}`);
  const before = new Map(from.columns.map((column) => [idOf(column), column]));
  const after = new Map(to.columns.map((column) => [idOf(column), column]));
  const renamed = to.columns.flatMap((column) => {
    const was = before.get(idOf(column))?.name;
    return was === undefined || was === column.name ? [] : [{ from: was, to: column.name }];
  });
  // The rest is compared under the names after.
  const kept = from.columns.flatMap((column) => {
    const is = after.get(idOf(column));
    return is ? [{ ...column, name: is.name }] : [];
  });
  const common = to.columns.filter((column) => before.has(idOf(column)));
  const { retyped, nullability, reordered } = schemaDrift(kept, common);
  return {
    added: to.columns.filter((column) => !before.has(idOf(column))),
    removed: from.columns.filter((column) => !after.has(idOf(column))),
    ...{ renamed, retyped, nullability, reordered },
  };
}

/** Two versions may state other bytes for one key. */
const keysOf = ({ objects }: Manifest): ReadonlySet<string> =>
  new Set(objects.map(({ key, etag }) => `${etag} ${canonicalKey(key)}`));
