/** The file of marks: a checked line each time one is set, the newest of a name counts. Written anew when it has grown. */
import { renameSync, writeSync } from "node:fs";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  isCompleteLine,
  lineOf,
  linesOf,
  makeDirectory,
  readLine,
  storageError,
  syncDirectory,
  writeAtomic,
} from "../durable/durable.ts";
import { fail } from "../errors/errors.ts";

type Mark = Readonly<Record<string, unknown>>;

const format = { format: "lakehouse.marks", version: 1 } as const;
/** A file that is smaller than this is never written anew. */
const rewriteBytesMin = 1024 * 1024;

const pathOf = (dataDir: string, service: string): string => join(dataDir, "marks", `${service}.log`);

interface Entry {
  name: string;
  /** Null where it was removed. */
  mark: Mark | null;
}

const entryLine = (name: string, mark: Mark | null): string => lineOf({ name, mark } satisfies Entry);
const textOf = (marks: Iterable<[string, Mark]>): string =>
  lineOf(format) + [...marks].map(([name, mark]) => entryLine(name, mark)).join("");

/** Makes the file of a service anew, with these marks. */
export async function writeMarks(
  dataDir: string,
  service: string,
  marks: Iterable<[string, Mark]>,
): Promise<void> {
  const path = pathOf(dataDir, service);
  await makeDirectory(dirname(path));
  await writeAtomic(path, textOf(marks));
}

interface MarksFile {
  write: (name: string, mark: Mark | null) => void;
  /** Makes durable what was written; writes all marks anew where a write failed or the file has grown. */
  sync: (marks: ReadonlyMap<string, Mark>) => Promise<void>;
  close: () => Promise<void>;
}

/** Reads the marks of a service and opens their file to write to it; makes it when there is none. */
export async function openMarksFile(dataDir: string, service: string) {
  const path = pathOf(dataDir, service);
  await makeDirectory(dirname(path));
  const { marks, damagedLines } = await read(path);
  const file = createFile(path);
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  const isFit = size > 0 && damagedLines === 0 && size <= 2 * Buffer.byteLength(textOf(marks));
  // A disk that is full keeps no service from its start: what is there can be read.
  if (isFit) await file.append();
  else await file.sync(marks).catch(() => undefined);
  return { file: file as MarksFile, marks, damagedLines };
}

async function read(path: string): Promise<{ marks: Map<string, Mark>; damagedLines: number }> {
  const marks = new Map<string, Mark>();
  let damagedLines = 0;
  for await (const { line, bytes } of linesOf(path)) {
    const { reason, value } = isCompleteLine({ bytes }) ? readLine(bytes) : { reason: "form" };
    if (reason !== undefined) damagedLines += 1;
    else if (line === 1) checkHead(path, value as Partial<typeof format>);
    else {
      const { name, mark } = value as Entry;
      if (mark === null) marks.delete(name);
      else marks.set(name, mark);
    }
  }
  return { marks, damagedLines };
}

function checkHead(path: string, found: { format?: unknown; version?: unknown }): void {
  if (found.format !== format.format)
    throw fail("corrupt", `${path} holds no marks: it says ${JSON.stringify(found.format)}`);
  if (Number(found.version) > format.version)
    throw fail(
      "corrupt",
      `${path} was written by a newer version (${found.version}) than this one reads (${format.version}): start the newer program`,
    );
}

function createFile(path: string): MarksFile & { append: () => Promise<void> } {
  let handle: FileHandle | undefined;
  let bytes = 0;
  /** Of the file when nothing in it was replaced. */
  let bytesAnew = 0;
  let isDirty = false;
  /** What is in the file is not all that was set: it must be written anew. */
  let isBroken = true;
  /** What is set while the file is written anew: it comes after the rest, and no mark is missing at any instant. */
  let meanwhile: string[] | undefined;

  /** Writes, and switches to, a new file. All after its last `await` is one step. */
  const writeAnew = async (marks: ReadonlyMap<string, Mark>) => {
    const temporary = join(dirname(path), `.${crypto.randomUUID()}.part`);
    const text = textOf(marks);
    meanwhile = [];
    let next: FileHandle | undefined;
    try {
      next = await open(temporary, "ax");
      await next.appendFile(text);
      await next.sync();
      for (const line of meanwhile) writeWhole(next.fd, line);
      renameSync(temporary, path);
    } catch (cause) {
      await next?.close();
      await rm(temporary, { force: true });
      throw cause;
    } finally {
      isDirty = (meanwhile?.length ?? 0) > 0;
      meanwhile = undefined;
    }
    const before = handle;
    handle = next;
    isBroken = false;
    bytesAnew = Buffer.byteLength(text);
    bytes = bytesAnew;
    await before?.close();
    await syncDirectory(dirname(path));
  };
  return {
    append: async () => {
      handle = await open(path, "a");
      bytes = (await handle.stat()).size;
      bytesAnew = bytes;
      isBroken = false;
    },
    write: (name, mark) => {
      const line = entryLine(name, mark);
      meanwhile?.push(line);
      isDirty = true;
      if (handle === undefined || isBroken) return;
      try {
        writeWhole(handle.fd, line);
        bytes += line.length;
      } catch {
        isBroken = true;
      }
    },
    sync: async (marks) => {
      try {
        if (isBroken || bytes > Math.max(rewriteBytesMin, 4 * bytesAnew)) await writeAnew(marks);
        if (!isDirty) return;
        isDirty = false;
        await handle?.datasync();
      } catch (cause) {
        isBroken = true;
        throw storageError(cause, "write marks");
      }
    },
    close: async () => {
      await handle?.close();
      handle = undefined;
    },
  };
}

function writeWhole(fd: number, text: string): void {
  const written = writeSync(fd, text);
  if (written < Buffer.byteLength(text))
    throw Object.assign(new Error("the line was written in part"), { code: "ENOSPC" });
}
