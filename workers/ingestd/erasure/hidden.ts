/**
 * What files hold and no query shows: rows that an engine deleted in place, columns that were dropped, and files of an open
 * table that no version has. They are read as they are, by their own columns.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { peerError } from "../../../runtime/errors/errors.ts";
import { quoteText } from "../../../runtime/sql/sql.ts";
import type { DatasetManifest } from "../jobs/jobs.ts";
import { placeOf } from "../loading/loading.ts";
import type { Call } from "./erasure.ts";
import { mentions } from "./finding.ts";

/** The data files of a version of which something is hidden that names the subject. */
export async function filesThatHide(manifest: DatasetManifest, call: Call): Promise<Set<string>> {
  const files = await suspects(manifest, call);
  if (files.length === 0) return new Set();
  return reading(call, async (isHeldBy) => {
    const found = new Set<string>();
    for (const { key, deletes } of files)
      for (const each of [key, ...deletes]) if (!found.has(key) && (await isHeldBy(each))) found.add(key);
    return found;
  });
}

/** Of an open table the Parquet files in its folder that hold the subject; not those of the latest version, and none of `going`. */
export async function filesThatStay(
  { name, version, locations }: DatasetManifest,
  going: ReadonlySet<string>,
  call: Call,
): Promise<string[]> {
  if (locations === undefined) return [];
  const { parts, requestId, signal } = call;
  const { catalogd, storaged } = parts.deps.peers;
  const { folder = "" } = await catalogd.verbs.admit({ name }, { requestId });
  const { files, deletes } = await catalogd.verbs.files({ name, version }, { requestId });
  const known = new Set([...files, ...deletes].map(({ key }) => key));
  const { bucket = "primary", key: prefix } = placeOf(folder);
  const keys: string[] = [];
  for (let page_token: string | undefined; ; ) {
    const asked = { bucket, prefix, page_size: 1000, ...(page_token !== undefined && { page_token }) };
    const page = await storaged.verbs.list(asked, { requestId, signal });
    keys.push(...page.objects.map(({ key }) => `${bucket}://${key}`));
    page_token = page.next_page_token;
    if (page_token === undefined) break;
  }
  const others = keys.filter((key) => key.endsWith(".parquet") && !known.has(key) && !going.has(key));
  if (others.length === 0) return [];
  return reading(call, async (isHeldBy) => {
    const found: string[] = [];
    for (const key of others) if (await isHeldBy(key)) found.push(key);
    return found;
  });
}

/** Files that may hide something: all of an open table, and of others those that were written under other columns. */
async function suspects(
  manifest: DatasetManifest,
  { parts, requestId }: Call,
): Promise<{ key: string; deletes: string[] }[]> {
  const { name, version, objects, schema_id: schema = 0 } = manifest;
  if (manifest.metadata_location === undefined)
    return objects
      .filter(({ schema_id: own = 0 }) => own !== schema)
      .map(({ key }) => ({ key, deletes: [] }));
  const { files, deletes } = await parts.deps.peers.catalogd.verbs.files({ name, version }, { requestId });
  return files.map(({ key, deletes: own }) => ({
    key,
    deletes: own.flatMap((at) => deletes[at]?.key ?? []),
  }));
}

/** Gives the work a way to ask whether a Parquet file names the subject in any of its columns; each is read once. */
async function reading<T>(
  { parts, subject, requestId, signal }: Call,
  work: (isHeldBy: (key: string) => Promise<boolean>) => Promise<T>,
): Promise<T> {
  const { deps, engines, workDirectory } = parts;
  const directory = join(workDirectory, `erasure-${deps.newId()}`);
  await mkdir(directory, { recursive: true });
  const session = await engines.open(signal);
  const known = new Map<string, boolean>();
  try {
    return await work(async (key) => {
      const before = known.get(key);
      if (before !== undefined) return before;
      const path = join(directory, `${known.size}.parquet`);
      const { bucket = "primary", key: rest } = placeOf(key);
      const place = rest.split("/").map(encodeURIComponent).join("/");
      const response = await deps.peers.storaged.fetch(`/storage/get/${place}?bucket=${bucket}`, {
        headers: { "x-request-id": requestId },
        signal,
      });
      // It went while others were read.
      if (response.status === 404) return false;
      if (!response.ok) throw await peerError("storaged", response);
      await Bun.write(path, response);
      const file = `read_parquet(${quoteText(path)}, hive_partitioning = false)`;
      const columns = await session.describe(`FROM ${file}`);
      const [row] = await session.run(
        `SELECT count(*) AS n FROM ${file} WHERE ${mentions({ columns }, subject)}`,
      );
      const isHeld = Number(row?.n) > 0;
      known.set(key, isHeld);
      await rm(path, { force: true });
      return isHeld;
    });
  } finally {
    session.close();
    await rm(directory, { recursive: true, force: true });
  }
}
