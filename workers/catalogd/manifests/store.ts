/** Manifests in storage: one immutable object a version, written under a number that nobody else can take. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { columnProblem, numberColumns } from "../../../runtime/sql/sql.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { Head } from "../registry/registry.ts";
import { isLive, type Version } from "../versions/versions.ts";
import { manifestFolder, manifestKey, manifestPrefix, parseManifestKey } from "./key.ts";
import { decodeCommit, encodeManifest } from "./manifest.ts";

type Objects = Pick<Peer<Storaged>["verbs"], "list" | "read" | "write">;

export interface ManifestStore {
  /** Writes the version durably, and by it commits those of other names; false when its number is taken. */
  append: (version: Version, requestId: string, also?: readonly Version[]) => Promise<boolean>;
  /** The highest version number of each name. */
  latest: (name?: string) => Promise<Map<string, number>>;
  /** Every version number of each name, ascending, and the keys among them that are no manifest's. */
  versions: (name?: string) => Promise<{ versions: Map<string, number[]>; strange: string[] }>;
  /** A version, or why it cannot be read. Rejects when storage could not be asked. */
  read: (name: string, version: number) => Promise<Head>;
  /** The same with the versions that it commits. */
  readCommit: (name: string, version: number) => Promise<{ head: Head; also: Version[] }>;
}

/** What `storaged.read` gives in one piece; a manifest beyond could be written but not read again. */
const manifestBytesMax = 64 * 1024 * 1024;

export const createManifestStore = ({ list, read, write }: Objects): ManifestStore => ({
  append: async (version, requestId, also = []) => {
    const bytes = encodeManifest(version, also);
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
    const highest = new Map<string, number>();
    for await (const key of manifestKeys(list, name)) {
      const found = parseManifestKey(key);
      if (found) highest.set(found.name, Math.max(found.version, highest.get(found.name) ?? 0));
    }
    return highest;
  },

  versions: async (name) => {
    const versions = new Map<string, number[]>();
    const strange: string[] = [];
    for await (const key of manifestKeys(list, name)) {
      const found = parseManifestKey(key);
      if (!found) strange.push(key);
      else if (!versions.get(found.name)?.push(found.version)) versions.set(found.name, [found.version]);
    }
    for (const numbers of versions.values()) numbers.sort((a, b) => a - b);
    return { versions, strange };
  },

  read: async (name, version) => (await readCommit(read, name, version)).head,
  readCommit: (name, version) => readCommit(read, name, version),
});

async function readCommit(
  read: Objects["read"],
  name: string,
  version: number,
): Promise<{ head: Head; also: Version[] }> {
  const key = manifestKey(name, version);
  try {
    const commit = await decodeCommit((await read({ key })).bytes);
    const [found, also] = [numbered(commit.version), commit.also.map(numbered)];
    if (found.name !== name || found.version !== version)
      throw fail("corrupt", `it holds version ${found.version} of '${found.name}'`);
    // Earlier versions of the program took any text as a type; one bad dataset must not end every query.
    const isOurs = isLive(found) && found.metadata_location === undefined;
    const wrong = isOurs ? columnProblem(found.columns) : undefined;
    const unusable = wrong && { name, version, reason: unusableReason(key, wrong.problem), unusable: found };
    return { head: unusable ?? found, also };
  } catch (error) {
    if (!(error instanceof ServiceError) || !lasting.has(error.type)) throw error;
    const reason = `its manifest ${key} cannot be used: ${error.message}`;
    return { head: { name, version, reason }, also: [] };
  }
}

/** Versions stored before ids were kept: their files have those that columns get in a dataset that is new. */
const numbered = (version: Version): Version =>
  version.last_column_id === undefined && version.columns.length > 0 && !columnProblem(version.columns)
    ? { ...version, ...numberColumns(version.columns) }
    : version;

const unusableReason = (key: string, problem: string): string =>
  `its manifest ${key} cannot be used: ${problem}; drop the dataset and ingest its files again`;

/** Outcomes that asking again does not change; others mean that storage could not be asked. */
const lasting = new Set(["corrupt", "too_large", "internal"]);

/** Whatever is where manifests are, damaged or not. */
async function* manifestKeys(list: Objects["list"], name?: string): AsyncGenerator<string> {
  const prefix = name === undefined ? manifestPrefix : manifestFolder(name);
  for (let page_token: string | undefined; ; ) {
    const page = await list({ prefix, page_size: 10_000, ...(page_token !== undefined && { page_token }) });
    for (const { key } of page.objects) yield key;
    yield* page.corrupt ?? [];
    page_token = page.next_page_token;
    if (page_token === undefined) return;
  }
}
