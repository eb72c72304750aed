/** Durable files: writes that survive a power loss, lines and small files with checksums, and files held as they were at one moment. */
export {
  checksum,
  checksumIn,
  isCompleteLine,
  type Line,
  type LineFault,
  lineOf,
  linesIn,
  linesOf,
  readLine,
  seal,
  unseal,
} from "./checked-lines.ts";
export {
  appendDurably,
  discard,
  errorCode,
  makeDirectory,
  noLinks,
  opened,
  ownerOnly,
  readOrNull,
  renameDurably,
  sha256Of,
  sizeOf,
  storageError,
  storageErrorInWords,
  syncDirectory,
  syncFile,
  unlessAbsent,
  writeAtomic,
} from "./files.ts";
export { bothSnapshots, holdFiles } from "./held-files.ts";
export type { Durable, Finding, Inspected, Progress, Snapshot, SnapshotFile } from "./inspection.ts";
