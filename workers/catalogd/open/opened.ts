/** A dataset that becomes an open table: one metadata more, and no data copied. Its objects stay where they are, and named. */
import { fail } from "../../../runtime/errors/errors.ts";
import { Unpublishable } from "../iceberg/iceberg.ts";
import { rootOf } from "../publishing/publishing.ts";
import { contentOf } from "../table-columns/table-columns.ts";
import { canonicalKey, isOpen, type Manifest } from "../versions/versions.ts";
import { type Asking, identifierOf, type State } from "./state.ts";

export async function openDataset(state: State, name: string, asking: Asking): Promise<Manifest> {
  const { registry, deps } = state;
  await deps.resolveUnknown(name, asking.requestId);
  return state.inTurn([name], async () => {
    const head = registry.manifest(name);
    if (isOpen(head)) return head;
    const folders = foldersOf(head);
    const published = await deps.publishing.table(name).catch((cause) => {
      if (!(cause instanceof Unpublishable)) throw cause;
      throw fail("unprocessable", `'${name}' cannot be an open table: ${cause.message}`);
    });
    const primary = rootOf(await deps.publishing.place());
    const place = await state.defaultPlace(identifierOf(name), head.dataset_id);
    await state.makeFolders(place);
    const { "write.data.path": _, "write.metadata.path": __, ...properties } = published.metadata.properties;
    // What engines would remove are objects of versions here: `gc.enabled` stays false.
    const metadata = { ...published.metadata, location: place, properties, "metadata-log": [] };
    const content = contentOf(metadata, {
      name,
      operation: "open",
      made_by: asking.madeBy,
      objects: head.objects,
      metadata_location: `${place}/metadata/00000-${deps.newId()}.metadata.json`,
      locations: [place, ...folders.map((folder) => `${primary}/${folder}`)],
    });
    const change = { name, before: head, content, metadata };
    const [version] = await state.commitAll([change], asking);
    return version as Manifest;
  });
}

/** Where its objects and their manifests are. Throws `unprocessable` for objects that somebody put elsewhere. */
function foldersOf({ name, objects }: Manifest): string[] {
  const folders = new Set([`_catalog/iceberg/${name}`]);
  for (const { key } of objects) {
    const [first, second, ...rest] = canonicalKey(key).split("/");
    if (first !== "datasets" || second === undefined || rest.length === 0)
      throw fail(
        "unprocessable",
        `'${name}' has the object '${key}', which is not below datasets/<name>/: others could not be kept to the files of this table; ingest it again first`,
      );
    folders.add(`datasets/${second}`);
  }
  return [...folders];
}
