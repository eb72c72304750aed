/**
 * What is written of a corpus beside its databases: `corpora/<name>.<id>/corpus.json`. It names every build before
 * anything of the build is made, here or in vectord, so that a start can clear away all that is not live.
 */
import { join } from "node:path";
import { checksum, makeDirectory, readOrNull, writeAtomic } from "../../../runtime/durable/durable.ts";
import type { CorpusSpec } from "../schemas/schemas.ts";

/** A database and an index in vectord. */
interface BuildRecord {
  id: string;
  index: string;
}

export interface CorpusRecord {
  name: string;
  /** Counts its writes; absent in one of before there were marks. */
  revision?: number;
  /** As it was last asked for. */
  spec: CorpusSpec;
  /** The build that searches use. */
  live?: string;
  builds: BuildRecord[];
  last_error?: string;
  /** It is no more, and what is left of it is being cleared away. */
  dropped?: true;
}

/** Why a record cannot be used. One of a newer format is left alone; a damaged one may be built over. */
export interface Unusable {
  reason: string;
  isNewer: boolean;
}

const format = "lakehouse.corpus";
const version = 1;
export const recordName = "corpus.json";

/** The record of a corpus's directory; null when there is none, as after a crash in the middle of making it. */
export async function readRecord(directory: string): Promise<CorpusRecord | Unusable | null> {
  const bytes = await readOrNull(join(directory, recordName));
  if (bytes === null) return null;
  const [head = "", body = "", end] = new TextDecoder().decode(bytes).split("\n");
  const found = headOf(head);
  if (found?.format === format && found.version > version)
    return {
      reason: `written in format ${found.version}, and this version of Lakehouse reads up to ${version}`,
      isNewer: true,
    };
  if (found?.format !== format || found.crc32 !== checksum(body) || end !== "")
    return { reason: `the checksum of ${recordName} does not fit; build the corpus again`, isNewer: false };
  return JSON.parse(body);
}

function headOf(line: string): { format: string; version: number; crc32: string } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    // No head at all: reported as a checksum that does not fit.
    return undefined;
  }
}

/** Writes it durably, into a directory that is made where it is gone. */
export async function writeRecord(directory: string, record: CorpusRecord): Promise<void> {
  await makeDirectory(directory);
  const body = JSON.stringify(record);
  const head = JSON.stringify({ format, version, crc32: checksum(body) });
  await writeAtomic(join(directory, recordName), `${head}\n${body}\n`);
}

/** The database of a build. */
export const databaseFile = (directory: string, build: string): string => join(directory, `${build}.sqlite`);

/** The corpus's name, from its directory's. */
export const nameOfDirectory = (directory: string): string => directory.slice(0, directory.lastIndexOf("."));
