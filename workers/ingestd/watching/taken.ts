/** Which files a watch has taken: the rows of `<dataset>__taken`, each committed with the rows of its file. */
import { fail } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import { askRows, latestOf, type Reading } from "../changes/changes.ts";
import type { Watch } from "./settings.ts";

export interface TakenBefore {
  bytes: number;
  modified: string;
  sha256: string;
  /** Of the dataset, with its rows. */
  version: number;
}

export interface Taken {
  /** The number of the next version of the dataset of taken files. */
  next: number;
  files: Map<string, TakenBefore>;
}

const columns = ["watch", "file", "bytes", "modified", "sha256", "version"];

/** As they are now: nothing is read where `known` is still so. Throws `unavailable` while a commit's end is not known. */
export async function takenBy(watch: Watch, reading: Reading, known: Taken | undefined): Promise<Taken> {
  const { deps, requestId } = reading;
  const { taken: name } = watch;
  const { next_version: next } = await deps.peers.catalogd.verbs.admit({ name }, { requestId });
  if (known?.next === next) return known;
  const manifest = await latestOf(name, deps, requestId);
  if (!manifest) return { next, files: new Map() };
  const lacks = columns.find((column) => !manifest.columns.some((each) => each.name === column));
  if (lacks !== undefined || manifest.metadata_location !== undefined)
    throw fail(
      "unprocessable",
      `the dataset '${name}' holds something else than the files that were taken: rename or drop it`,
    );
  const sql = `SELECT ${columns.join(", ")} FROM ${quoteName(`${name}@${manifest.version}`)} WHERE watch = ${quoteText(watch.name)} ORDER BY version, taken_at`;
  const rows = await askRows(reading, sql);
  const files = rows.map(({ file, bytes, modified, sha256, version }): [string, TakenBefore] => [
    String(file),
    {
      bytes: Number(bytes),
      modified: String(modified),
      sha256: String(sha256),
      version: Number(version),
    },
  ]);
  return { next: manifest.version + 1, files: new Map(files) };
}
