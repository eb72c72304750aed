/**
 * How far corpora have come, in the service's marks: of each directory the revision of its record and the generation of
 * its database. What is there may be ahead of it, and never behind.
 */
import { basename, dirname, join } from "node:path";
import type { MarkKeeping } from "../../../runtime/line-log/line-log.ts";
import { acceptance, restored } from "../../../runtime/marks/marks.ts";
import { recordName } from "./record.ts";

/** A corpus, as far as it is marked. */
interface Marked {
  directory: string;
  record: { revision?: number };
  live?: { id: string; state: { generation: number } };
  kept: MarkKeeping;
}

interface CorpusMark {
  revision: number;
  /** The build that searches use, and its generation. */
  live?: string;
  generation?: number;
}

const home = "corpora";
const nameOf = (directory: string): string => `${home}/${basename(directory)}`;
const placeOf = (directory: string): string => `matrixd/${nameOf(directory)}`;
const markAt = (directory: string, { marks }: MarkKeeping): CorpusMark | undefined =>
  marks.get(nameOf(directory)) as CorpusMark | undefined;

/** Directories of corpora that were there when they were last written. */
export const markedDirectories = ({ marks }: MarkKeeping): Set<string> =>
  new Set(
    [...marks.entries()]
      .map(([name]) => name.split("/"))
      .flatMap(([at, name]) => (at === home && name ? [name] : [])),
  );

/** The revision that follows all that were acknowledged. */
export const nextRevision = ({ directory, record, kept }: Marked): number =>
  Math.max(record.revision ?? 0, markAt(directory, kept)?.revision ?? 0) + 1;

/** The revision of a record that may lack a mark: a power loss can take what was set in the moment before. */
const firstRevision = 1;

/** Before any record but the first is written its mark is on stable storage: from then on one without a mark is old. */
export async function settleFirst({ record, kept }: Marked): Promise<void> {
  if (record.revision === firstRevision) await kept.marks.settle();
}

/** The corpus as it is now on stable storage. */
export function markCorpus({ directory, record, live, kept }: Marked): void {
  const mark: CorpusMark = {
    revision: record.revision ?? 0,
    ...(live && { live: live.id, generation: live.state.generation }),
  };
  kept.marks.set(nameOf(directory), { ...mark });
}

/** The same at a start; what a restore said of its files has done its service. */
export function markOpened(entry: Marked): void {
  const { marks } = entry.kept;
  const files = `${nameOf(entry.directory)}/`;
  markCorpus(entry);
  for (const [name] of [...marks.entries()]) if (name.startsWith(files)) marks.remove(name);
}

/** Before the directory goes: a mark without it would be damage. */
export async function forgetCorpus(directory: string, { marks }: MarkKeeping): Promise<void> {
  const name = nameOf(directory);
  for (const [each] of [...marks.entries()])
    if (each === name || each.startsWith(`${name}/`)) marks.remove(each);
  await marks.settle();
}

/** Why the record, or that there is none, is not what was acknowledged; undefined when it is, or was accepted. */
export function recordFault(
  directory: string,
  record: { revision?: number } | null,
  kept: MarkKeeping,
): string | undefined {
  const mark = markAt(directory, kept);
  const isRestored = kept.marks.get(`${nameOf(directory)}/${recordName}`)?.restored === restored.restored;
  const fault = faultOf(mark, record, isRestored);
  if (fault === undefined || kept.adopted(placeOf(directory), fault)) return undefined;
  return `${recordName} ${fault}; ${acceptance(placeOf(directory))}`;
}

function faultOf(
  mark: CorpusMark | undefined,
  record: { revision?: number } | null,
  isRestored: boolean,
): string | undefined {
  if (record === null) return mark || isRestored ? "is gone" : undefined;
  const { revision } = record;
  if (!mark)
    return revision !== undefined && revision > firstRevision && !isRestored
      ? "may be an older copy: its mark is gone"
      : undefined;
  if ((revision ?? 0) >= mark.revision) return undefined;
  return `is an older copy: revision ${revision ?? 0}, and ${mark.revision} was acknowledged`;
}

/** Why a build's database is not what was acknowledged; undefined when it is, or was accepted. */
export function databaseFault(
  file: string,
  { live, generation }: { live: string; generation: number },
  kept: MarkKeeping,
): string | undefined {
  const directory = dirname(file);
  const mark = markAt(directory, kept);
  const acknowledged = mark?.live === live ? (mark.generation ?? 0) : 0;
  if (generation >= acknowledged) return undefined;
  const fault = `is an older copy: generation ${generation}, and ${acknowledged} was acknowledged`;
  if (kept.adopted(placeOf(directory), fault)) return undefined;
  return `${join(placeOf(directory), basename(file))} ${fault}; ${acceptance(placeOf(directory))}`;
}
