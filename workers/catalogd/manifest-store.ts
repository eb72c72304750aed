/** Manifests in storage: one immutable object a version, written under a number that nobody else can take. */
import type { Peer } from "../../runtime/contract.ts";
import { fail, ServiceError } from "../../runtime/errors.ts";
import type { Storaged } from "../storaged/contract.ts";
import { decodeManifest, encodeManifest } from "./manifest.ts";
import { manifestFolder, manifestKey, manifestPrefix, parseManifestKey } from "./manifest-key.ts";
import type { Head } from "./registry.ts";
import type { Version } from "./version.ts";

type Objects = Pick<Peer<Storaged>["verbs"], "list" | "read" | "write">;

export interface ManifestStore {
  /** Writes the version durably; false when its number is taken. */
  append: (version: Version, requestId: string) => Promise<boolean>;
  /** The highest version number of each name. */
  latest: (name?: string) => Promise<Map<string, number>>;
  /** A version, or why it cannot be read. Rejects when storage could not be asked. */
  read: (name: string, version: number) => Promise<Head>;
}

/** What `storaged.read` gives in one piece; a manifest beyond could be written but not read again. */
const manifestBytesMax = 64 * 1024 * 1024;

export const createManifestStore = ({ list, read, write }: Objects): ManifestStore => ({
  append: async (version, requestId) => {
    const bytes = encodeManifest(version);
    if (bytes.length > manifestBytesMax) {
      const text = `the manifest of '${version.name}' would have ${bytes.length} bytes, at most ${manifestBytesMax}`;
      throw fail("resource_exhausted", `${text}: replace its objects by fewer, larger ones`);
    }
    try {
      // Without the caller's signal: a write that has begun is finished, so that its outcome is known.
      await write(
        { key: manifestKey(version.name, version.version), bytes, if_none_match: "*" },
        { requestId },
      );
      return true;
    } catch (error) {
      if (error instanceof ServiceError && error.type === "precondition_failed") return false;
      throw error;
    }
  },

  latest: async (name) => {
    const prefix = name === undefined ? manifestPrefix : manifestFolder(name);
    const versions = new Map<string, number>();
    let page_token: string | undefined;
    do {
      const page = await list({ prefix, page_size: 10_000, ...(page_token !== undefined && { page_token }) });
      for (const key of [...page.objects.map((object) => object.key), ...(page.corrupt ?? [])]) {
        const found = parseManifestKey(key);
        if (found) versions.set(found.name, Math.max(found.version, versions.get(found.name) ?? 0));
      }
      page_token = page.next_page_token;
    } while (page_token !== undefined);
    return versions;
  },

  read: async (name, version) => {
    const key = manifestKey(name, version);
    try {
      const found = await decodeManifest((await read({ key })).bytes);
      if (found.name === name && found.version === version) return found;
      throw fail("corrupt", `it holds version ${found.version} of '${found.name}'`);
    } catch (error) {
      if (!(error instanceof ServiceError) || !lasting.has(error.type)) throw error;
      return { name, version, reason: `its manifest ${key} cannot be used: ${error.message}` };
    }
  },
});

/** Outcomes that asking again does not change; others mean that storage could not be asked. */
const lasting = new Set(["corrupt", "too_large", "internal"]);
