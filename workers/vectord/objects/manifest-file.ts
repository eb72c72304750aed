/** The manifest in the store: read, and swapped by etag, so that of two writers one fails. */
import { Mutex } from "async-mutex";
import { fail } from "../../../runtime/errors/errors.ts";
import { decodeManifest, encodeManifest, type Manifest, manifestKey } from "../lhv1/lhv1.ts";
import type { IndexMarks } from "./marks.ts";
import { isFailure, type ObjectStore } from "./store.ts";

export interface ManifestFile {
  current: () => Manifest;
  /** The current one, and those whose write is under way or failed and may still arrive: what any of them names is needed. */
  possible: () => Manifest[];
  /**
   * Replaces the manifest, durably; one change after the other. Throws `conflict` when somebody else did. `last` is the
   * last segment of an incarnation that begins with it.
   */
  change: (edit: (manifest: Manifest) => Manifest, last?: number) => Promise<Manifest>;
}

interface FileOptions {
  store: ObjectStore;
  newId: () => string;
  marks: IndexMarks;
}

/** Reads the manifest of an index; undefined when there is none. Throws `corrupt`. */
export async function readManifest(
  store: ObjectStore,
  name: string,
): Promise<{ manifest: Manifest; etag: string } | undefined> {
  const key = manifestKey(name);
  const read = await store.read(key);
  return read && { manifest: await decodeManifest(key, name, read.bytes), etag: read.etag };
}

/** Writes the first manifest of an index, of segments up to `last`. Throws `conflict` when there is one. */
export async function createManifest(
  options: FileOptions,
  manifest: Manifest,
  last = 0,
): Promise<ManifestFile> {
  const first = { ...manifest, write: options.newId() };
  const key = manifestKey(first.name);
  const made = (etag: string) => {
    options.marks.written(first);
    options.marks.appended(first.name, first.incarnation, last);
    return manifestFile(options, first, etag);
  };
  await options.marks.announce(first, last);
  try {
    return made((await options.store.write(key, encodeManifest(first), { if_none_match: "*" })).etag);
  } catch (error) {
    const found = await readManifest(options.store, first.name);
    if (found?.manifest.write === first.write) return made(found.etag);
    if (!found) throw error;
    throw fail("conflict", `there is an index '${first.name}' already; choose another name or drop it`, {
      cause: error,
    });
  }
}

/** The file of a manifest that was read. */
export function manifestFile(options: FileOptions, manifest: Manifest, etag: string): ManifestFile {
  const { store, newId, marks } = options;
  const key = manifestKey(manifest.name);
  let known = { manifest, etag };
  let attempts: Manifest[] = [];
  const mutex = new Mutex();

  const know = (found: typeof known) => {
    known = found;
    marks.written(found.manifest);
  };
  /** Tries once. False: the manifest was another than the known one, which is known now. */
  const swap = async (next: Manifest, last: number | undefined): Promise<boolean> => {
    await marks.announce(next, last);
    const before = attempts;
    attempts = [...before, next];
    try {
      const { etag } = await store.write(key, encodeManifest(next), { if_match: known.etag });
      know({ manifest: next, etag });
      return true;
    } catch (error) {
      const found = await readManifest(store, next.name);
      if (found?.manifest.write === next.write) {
        know(found);
        return true;
      }
      if (!isFailure(error, "precondition_failed")) throw error;
      attempts = before;
      if (!found || !before.some(({ write }) => write === found.manifest.write)) {
        throw fail("conflict", `'${key}' was changed by another process; open the index again`, {
          cause: error,
        });
      }
      know(found);
      return false;
    }
  };
  const change: ManifestFile["change"] = async (edit, last) => {
    for (;;) {
      if (await swap({ ...edit(known.manifest), write: newId() }, last)) {
        attempts = [];
        return known.manifest;
      }
    }
  };

  return {
    current: () => known.manifest,
    possible: () => [known.manifest, ...attempts],
    change: (edit, last) => mutex.runExclusive(() => change(edit, last)),
  };
}
