/** Failures of calls on files: what callers are told, and what a log does whose sync has failed. */
import { afterAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { storageError, storageErrorInWords } from "../../../runtime/durable/files.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { shim } from "../../support/faults/io-faults.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const { path, remove } = temporaryDirectory("storage-error");
afterAll(remove);
if (shim.program === undefined) process.stderr.write(`storage-error: ${shim.lacks}: partly skipped\n`);

const failure = (code: string, syscall: string, path?: string) =>
  Object.assign(new Error(code), { code, syscall, ...(path !== undefined && { path }) });

test.each([
  ["ENOSPC", "write", 507, "storage_full", "cannot write: the disk is full (ENOSPC): free space on it"],
  ["EIO", "fsync", 507, "storage_full", "cannot write: the disk fails (EIO)"],
  ["EIO", "read", 500, "corrupt", "cannot read 'object': the disk does not give it back (EIO)"],
  ["EIO", "scandir", 500, "corrupt", "the disk does not give it back"],
  ["EMFILE", "open", 503, "overloaded", "cannot open 'object': as many files and connections are open"],
  ["ESTALE", "write", 507, "storage_full", "the disk is gone"],
  ["EACCES", "open", 507, "storage_full", "the system does not allow it to this user"],
  ["ENOMEM", "read", 503, "overloaded", "the system has no memory to give"],
  ["SQLITE_IOERR_FSYNC", "", 507, "storage_full", "the disk fails (SQLITE_IOERR_FSYNC)"],
  ["SQLITE_IOERR_READ", "", 500, "corrupt", "the disk does not give it back"],
  ["SQLITE_FULL", "", 507, "storage_full", "the disk is full"],
  ["EFBIG", "write", 507, "storage_full", "the disk is full"],
  ["EDQUOT", "write", 507, "storage_full", "the disk's quota is used up"],
  ["EROFS", "rename", 507, "storage_full", "the disk is read-only"],
  ["EFAULT", "unlink", 507, "storage_full", "the disk fails"],
  ["ENODEV", "write", 507, "storage_full", "the disk is gone"],
  ["ENXIO", "write", 507, "storage_full", "the disk is gone"],
  ["EPERM", "open", 507, "storage_full", "the system does not allow it to this user"],
  ["ENFILE", "open", 503, "overloaded", "as many files and connections are open"],
  ["SQLITE_READONLY_DBMOVED", "", 507, "storage_full", "the disk is read-only"],
  ["SQLITE_IOERR_SHORT_READ", "", 500, "corrupt", "the disk does not give it back"],
  ["SQLITE_IOERR_NOMEM", "", 503, "overloaded", "the system has no memory to give"],
  ["SQLITE_CORRUPT_INDEX", "", 500, "corrupt", "the disk does not give it back"],
  ["SQLITE_NOTADB", "", 500, "corrupt", "the disk does not give it back"],
  ["SQLITE_CANTOPEN", "", 503, "overloaded", "as many files and connections are open"],
  ["SQLITE_NOMEM", "", 503, "overloaded", "the system has no memory to give"],
])("%s at %s is %d", (code, syscall, status, type, message) => {
  const named = /open|read|scandir/.test(syscall) ? "/somewhere/secret/object" : undefined;
  const told = storageError(failure(code, syscall, named)) as ServiceError;
  expect(told).toBeInstanceOf(ServiceError);
  expect(told).toMatchObject({ status, type });
  expect(told.message).toContain(message);
  expect(told.message).not.toContain("/somewhere");
  expect(told.retryAfterSeconds).toBe(status === 503 ? 1 : undefined);
});

test("other errors are passed on; libraries that use words are understood", () => {
  for (const other of [failure("ENOENT", "open"), new Error("EIO"), "EIO", undefined])
    expect(storageError(other)).toBe(other);
  const inWords = (text: string) => storageErrorInWords(text, "spill", undefined)?.message;
  expect(inWords("IO Error: Could not write file: Input/output error")).toContain(
    "cannot spill: the disk fails",
  );
  expect(inWords("IO Error: Could not read from file: Input/output error")).toContain(
    "does not give it back",
  );
  expect(inWords("IO Error: Cannot open file: Too many open files")).toContain("as many files");
  for (const [text, code] of [
    ["No space left on device", "ENOSPC"],
    ["Disk quota exceeded", "EDQUOT"],
    ["Read-only file system", "EROFS"],
    ["Cannot allocate memory", "ENOMEM"],
    ["Stale file handle", "ESTALE"],
    ["Permission denied", "EACCES"],
  ])
    expect(inWords(`IO Error: ${text}`)).toContain(`(${code})`);
  expect(inWords("Binder Error")).toBeUndefined();
});

test.skipIf(shim.program === undefined)(
  "a log whose write or sync failed believes nothing that was held",
  async () => {
    const file = join(path, "log");
    const script = join(import.meta.dir, "../../fixtures/runtime/log-under-faults.ts");
    const control = join(path, "control");
    const child = Bun.spawn([shim.program ?? "", control, path, process.execPath, script, control, file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { steps, bytes } = (await new Response(child.stdout).json()) as { steps: string[]; bytes: number };
    expect(steps).toEqual([
      "done",
      expect.stringContaining("storage_full: cannot write log: the disk fails (EIO)"),
      "done",
      expect.stringContaining("storage_full: cannot write log: the disk is full (ENOSPC)"),
      expect.stringContaining("storage_full: cannot write: the disk fails (EIO)"),
      "done",
    ]);
    const text = readFileSync(file, "utf8");
    expect(text).toBe(`${"x".repeat(5000)}\nkept\nlast\n`);
    expect(bytes).toBe(text.length);
    expect(readdirSync(path).filter((name) => name.endsWith(".part"))).toEqual([]);
  },
);
