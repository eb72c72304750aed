/** How two versions of a dataset differ, by what their manifests say. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Catalogd } from "../contract.ts";
import {
  canonicalKey,
  type DataObject,
  type Manifest,
  schemaDrift,
  versionSummaryOf,
} from "../versions/versions.ts";

export type Difference = Omit<ReplyOf<Catalogd["endpoints"]["diff"]>, "name">;

export function differenceOf(from: Manifest, to: Manifest): Difference {
  const { added, removed, ...changed } = schemaDrift(from.columns, to.columns);
  const named = (names: readonly string[], { columns }: Manifest) =>
    columns.filter(({ name }) => names.includes(name));
  const [before, after] = [keysOf(from), keysOf(to)];
  const counted = (objects: readonly DataObject[], isMeant: (key: string) => boolean) => {
    const meant = objects.filter(({ key, etag }) => isMeant(`${etag} ${canonicalKey(key)}`));
    return { count: meant.length, bytes: meant.reduce((sum, { bytes }) => sum + bytes, 0) };
  };
  return {
    from: versionSummaryOf(from),
    to: versionSummaryOf(to),
    columns: { added: named(added, to), removed: named(removed, from), ...changed },
    row_count: to.row_count - from.row_count,
    bytes: to.bytes - from.bytes,
    objects: {
      added: counted(to.objects, (key) => !before.has(key)),
      removed: counted(from.objects, (key) => !after.has(key)),
      kept: counted(to.objects, (key) => before.has(key)),
    },
  };
}

/** Two versions may state other bytes for one key. */
const keysOf = ({ objects }: Manifest): ReadonlySet<string> =>
  new Set(objects.map(({ key, etag }) => `${etag} ${canonicalKey(key)}`));
