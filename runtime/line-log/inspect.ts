/** A line log read again while it is in use: every line, as it stands on the disk now. */
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import {
  type Finding,
  type Inspected,
  isCompleteLine,
  linesIn,
  opened,
  readLine,
  sizeOf,
  unlessAbsent,
} from "../durable/durable.ts";
import { acceptance } from "../marks/marks.ts";
import { chained, chainText, type LogDamage, type LogState } from "./mark.ts";

interface LineLogInspection<T> {
  directory: string;
  file: string;
  /** Of findings, as `pathwayd`. */
  service: string;
  format: string;
  version: number;
  /** The file as `openToInspect` gave it, between two writes; undefined when it is gone. */
  opened: OpenedLog | undefined;
  /** Called with each record; one it throws at is damaged. */
  check?: (record: T) => void;
  /** What lines are that were set aside: a leftover, unless what they held is missed for as long as they are there. */
  aside?: Finding["severity"];
  /** For a line that cannot be read. */
  remedy: (line: number) => string;
  signal: AbortSignal;
}

/** Bytes between two steps of progress. */
const stepBytes = 1024 * 1024;

/** Findings: lines that cannot be read, a file that is cut or gone, and lines that were set aside earlier. */
export async function* inspectLineLog<T>(given: LineLogInspection<T>): AsyncGenerator<Inspected> {
  const { file, service, remedy, signal, opened } = given;
  const place = `${service}/${file}`;
  if (opened) yield* inspectLines(opened, given);
  else yield damage(place, "the file is gone", remedy(1));
  signal.throwIfAborted();
  const aside = (await sizeOf(join(given.directory, `${file}.damaged`))) ?? 0;
  if (aside > 0)
    yield {
      finding: {
        severity: given.aside ?? "leftover",
        place: `${place}.damaged`,
        problem: `${aside} bytes of damaged lines were set aside here`,
        remedy: "look whether they hold anything you need, then delete the file",
      },
    };
}

interface OpenedLog {
  handle: FileHandle;
  /** What was acknowledged of it. */
  state: Pick<LogState, "bytes"> & Partial<LogState>;
}

/** Opens a file of which so much was acknowledged: all of it, where that is unknown. */
export const openToInspect = (path: string, state?: OpenedLog["state"]): Promise<OpenedLog | undefined> =>
  opened(path, "r", async (handle) => ({
    handle,
    state: state ?? { bytes: (await handle.stat()).size },
  })).catch(unlessAbsent);

/** The log that `openLineLog` refused. */
export const closedLog = ({ place, problem }: LogDamage): { finding: Finding } =>
  damage(place, problem, acceptance(place));

async function* inspectLines<T>(
  { handle, state: { bytes: end, chain } }: OpenedLog,
  given: LineLogInspection<T>,
): AsyncGenerator<Inspected> {
  const { file, service, remedy, signal } = given;
  const place = `${service}/${file}`;
  let intact = 0;
  let reported = 0;
  let problems = 0;
  let seen = 0n;
  for await (const { line, bytes } of linesIn(handle, end)) {
    signal.throwIfAborted();
    if (!isCompleteLine({ bytes })) break;
    intact += bytes.length;
    seen = chained(seen, bytes);
    const problem = problemOf(bytes, line, given);
    if (problem !== undefined) problems += 1;
    if (problem !== undefined) yield damage(`${place} line ${line}`, problem, remedy(line));
    if (intact - reported < stepBytes) continue;
    reported = intact;
    yield { progress: { done: intact, total: end, of: `bytes of ${place}` } };
  }
  if (intact < end)
    yield damage(place, `${end - intact} bytes at its end are gone or no whole line`, remedy(0));
  else if (problems === 0 && chain !== undefined && chainText(seen) !== chain)
    yield damage(place, "it holds other lines than those that were acknowledged", remedy(0));
  yield { progress: { done: end, total: end, of: `bytes of ${place}` } };
}

function problemOf<T>(bytes: Buffer, line: number, { format, version, check }: LineLogInspection<T>) {
  const { reason, value } = readLine(bytes);
  if (reason === "form") return "it is no line of this log";
  if (reason === "checksum") return "its checksum does not hold";
  if (line === 1) {
    const head = value as { format?: unknown; version?: unknown };
    const fits = head.format === format && Number(head.version) <= version;
    return fits ? undefined : `it says ${JSON.stringify(head)}, expected ${format} up to version ${version}`;
  }
  try {
    check?.(value as T);
    return undefined;
  } catch (cause) {
    return `it is no record of this log: ${cause instanceof Error ? cause.message : cause}`;
  }
}

/** What is lost or cannot be trusted, as a step of an inspection. */
export const damage = (place: string, problem: string, remedy: string): { finding: Finding } => ({
  finding: { severity: "damage", place, problem, remedy },
});
