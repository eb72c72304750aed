/**
 * Multipart uploads under way at S3 servers, one small file each: a process that is killed leaves its files, and the
 * next one aborts what they name. Parts nobody completes are paid for and never listed.
 */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory } from "../../../runtime/durable/durable.ts";

export interface OpenUpload {
  /** The bucket's name at the server. */
  bucket: string;
  key: string;
  uploadId: string;
}

export interface UploadLedger {
  /** Uploads that an earlier process began and did not end. */
  left: () => OpenUpload[];
  begun: (upload: OpenUpload) => Promise<void>;
  ended: (upload: OpenUpload) => Promise<void>;
}

/** Opens the ledger in the directory. Its files survive kill -9; they are not fsynced, as losing one costs only a cleanup. */
export async function openUploadLedger(directory: string): Promise<UploadLedger> {
  await makeDirectory(directory);
  const names = (await readdir(directory)).filter((name) => name.endsWith(".json"));
  const left: OpenUpload[] = [];
  for (const name of names) {
    const upload = parse(await readFile(join(directory, name), "utf8"));
    if (upload) left.push(upload);
    else await rm(join(directory, name));
  }
  const pathOf = ({ bucket, uploadId }: OpenUpload) => {
    const hash = Bun.SHA256.hash(`${bucket}\n${uploadId}`, "hex");
    return join(directory, `${hash}.json`);
  };
  return {
    left: () => left,
    begun: (upload) => writeFile(pathOf(upload), JSON.stringify(upload)),
    ended: (upload) => rm(pathOf(upload), { force: true }),
  };
}

/** A file cut short by the kill names no upload: it was not begun yet, or is beyond our knowledge. */
function parse(text: string): OpenUpload | undefined {
  try {
    const { bucket, key, uploadId } = JSON.parse(text);
    return [bucket, key, uploadId].every((part) => typeof part === "string")
      ? { bucket, key, uploadId }
      : undefined;
  } catch {
    return undefined;
  }
}
