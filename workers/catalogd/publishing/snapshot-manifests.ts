/** Which manifests a version's snapshot has: those of the snapshot before it, as far as their files stay, and what is new. */
import pMap from "p-map";
import type { AddedFile, ListedManifest, ManifestContent, ManifestEntry } from "../iceberg/iceberg.ts";
import type { DataObject, Manifest } from "../versions/versions.ts";
import { keepsAll } from "./snapshot.ts";

interface Before {
  keys?: readonly string[];
  manifests?: readonly ListedManifest[];
}

interface Tools {
  /** Writes a manifest of the version's; its line in the list. */
  write: (content: ManifestContent) => Promise<ListedManifest>;
  entriesIn: (
    manifests: readonly ListedManifest[],
  ) => Promise<{ line: ListedManifest; entries: ManifestEntry[] }[]>;
  filesOf: (objects: readonly DataObject[]) => Promise<AddedFile[]>;
  uriOf: (key: string) => Promise<string>;
}

interface After {
  manifests: readonly ListedManifest[];
  /** Objects that the version adds. */
  news: readonly DataObject[];
}

/** From here on the manifests of a snapshot are merged into one: readers open each of them. */
const manifestsMax = 100;

export const manifestsAfter = (before: Before, version: Manifest, tools: Tools): Promise<After> =>
  (keepsAll(before.keys ?? [], version.objects) ? afterAppend : afterChange)(before, version, tools);

/** The manifests of a version that adds objects to all that were there. */
async function afterAppend(
  { manifests = [], keys = [] }: Before,
  version: Manifest,
  tools: Tools,
): Promise<After> {
  const { write, entriesIn, filesOf } = tools;
  const news = version.objects.slice(keys.length);
  const isMany = manifests.length >= manifestsMax;
  const kept = isMany ? (await entriesIn(manifests)).flatMap(({ entries }) => entries) : [];
  const before = isMany ? [await write({ kept })] : manifests;
  if (news.length === 0) return { manifests: before, news };
  return {
    manifests: [...before, await write({ added: await filesOf(news) })],
    news,
  };
}

/**
 * The manifests of a version that some objects are gone from: those of whose files none is stay, and one of all others
 * says which went. Those which went earlier were told of then.
 */
async function afterChange({ manifests = [] }: Before, version: Manifest, tools: Tools): Promise<After> {
  const { write, entriesIn, filesOf, uriOf } = tools;
  const left = new Map(
    await pMap(version.objects, async (object) => [await uriOf(object.key), object] as const),
  );
  const stays = ({ data_file: file }: ManifestEntry) => {
    const object = left.get(file.file_path);
    return (
      object?.bytes === Number(file.file_size_in_bytes) && object.row_count === Number(file.record_count)
    );
  };
  const before = await entriesIn(manifests);
  const isMany = before.length >= manifestsMax;
  const whole = isMany ? [] : before.filter(({ entries }) => entries.length > 0 && entries.every(stays));
  const touched = before.filter((each) => !whole.includes(each)).flatMap(({ entries }) => entries);
  const known = new Set(
    before.flatMap(({ entries }) => entries.filter(stays)).map((entry) => entry.data_file.file_path),
  );
  const news = [...left].filter(([uri]) => !known.has(uri)).map(([, object]) => object);
  const content = {
    kept: touched.filter(stays),
    gone: touched.filter((entry) => !stays(entry)),
    added: await filesOf(news),
  };
  const kept = whole.map(({ line }) => line);
  const isEmpty = Object.values(content).every((each) => each.length === 0);
  return { manifests: isEmpty ? kept : [...kept, await write(content)], news };
}
