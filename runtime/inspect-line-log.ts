/** A line log read again while it is in use: every line, as it stands on the disk now. */
import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Finding, Inspected } from "./durable.ts";
import { errorCode } from "./files.ts";
import { type LineLog, linesIn, readLine } from "./line-log.ts";

export interface LineLogInspection<T> {
  directory: string;
  file: string;
  /** Of findings, as `pathwayd`. */
  service: string;
  format: string;
  version: number;
  /** The open log; absent for a file that nothing is appended to any more. */
  log?: Pick<LineLog<T>, "atRest">;
  /** Called with each whole record; one it throws at is damaged. */
  check?: (record: T) => void;
  /** For a line that cannot be read. */
  remedy: (line: number) => string;
  signal: AbortSignal;
}

/** Bytes between two steps of progress. */
const stepBytes = 1024 * 1024;

/** Findings: lines that cannot be read, a file that is cut or gone, and lines that were set aside earlier. */
export async function* inspectLineLog<T>(given: LineLogInspection<T>): AsyncGenerator<Inspected> {
  const { file, service, remedy, signal } = given;
  const place = `${service}/${file}`;
  const opened = await openAtRest(given);
  if (opened) yield* inspectLines(opened, given);
  else yield damage(place, "the file is gone", remedy(1));
  signal.throwIfAborted();
  const aside = await sizeOf(join(given.directory, `${file}.damaged`));
  if (aside > 0)
    yield {
      finding: {
        severity: "leftover",
        place: `${place}.damaged`,
        problem: `${aside} bytes of damaged lines were set aside here`,
        remedy: "look whether they hold anything you need, then delete the file",
      },
    };
}

interface Opened {
  handle: FileHandle;
  /** That were acknowledged. */
  bytes: number;
}

async function openAtRest<T>({ directory, file, log }: LineLogInspection<T>): Promise<Opened | undefined> {
  const path = join(directory, file);
  try {
    if (log) return await log.atRest(async (bytes) => ({ handle: await open(path, "r"), bytes }));
    const handle = await open(path, "r");
    return { handle, bytes: (await handle.stat()).size };
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

async function* inspectLines<T>(
  { handle, bytes: end }: Opened,
  given: LineLogInspection<T>,
): AsyncGenerator<Inspected> {
  const { file, service, remedy, signal } = given;
  const place = `${service}/${file}`;
  let whole = 0;
  let told = 0;
  for await (const { line, bytes } of linesIn(handle, end)) {
    signal.throwIfAborted();
    if (bytes.at(-1) !== newline) break;
    whole += bytes.length;
    const problem = problemOf(bytes, line, given);
    if (problem !== undefined) yield damage(`${place} line ${line}`, problem, remedy(line));
    if (whole - told < stepBytes) continue;
    told = whole;
    yield { progress: { done: whole, total: end, of: `bytes of ${place}` } };
  }
  if (whole < end) yield damage(place, `${end - whole} bytes at its end are no whole line`, remedy(0));
  yield { progress: { done: end, total: end, of: `bytes of ${place}` } };
}

const newline = 0x0a;

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

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return 0;
    throw cause;
  }
}

/** What is lost or cannot be trusted, as a step of an inspection. */
export const damage = (place: string, problem: string, remedy: string): { finding: Finding } => ({
  finding: { severity: "damage", place, problem, remedy },
});
