/** Reads a backup again: seals of points, and the hash of every blob. */
import { errorCode } from "../../runtime/durable/durable.ts";
import type { ProgressBar } from "../command-line/command-line.ts";
import type { KeptFile } from "./point-file.ts";
import type { Repository } from "./repository.ts";

interface Fault {
  place: string;
  problem: string;
}

/** What is wrong with the named points and what they hold. Nothing when all of it can be restored. */
export async function verify(
  repository: Repository,
  names: readonly string[],
  bar: ProgressBar,
): Promise<{ blobs: number; bytes: number; faults: Fault[] }> {
  const faults: Fault[] = [];
  const blobs = new Map<string, { file: KeptFile; points: string[] }>();
  for (const name of names) {
    const record = await repository.read(name).catch((error: Error) => {
      faults.push({ place: `points/${name}.jsonl`, problem: error.message });
    });
    for (const file of record?.files ?? []) {
      const known = blobs.get(file.sha256) ?? { file, points: [] };
      blobs.set(file.sha256, known);
      if (known.points.at(-1) !== name) known.points.push(name);
    }
  }
  const total = [...blobs.values()].reduce((sum, { file }) => sum + file.bytes, 0);
  let done = 0;
  for (const [sha256, { file, points }] of blobs) {
    const path = repository.blobPath(sha256);
    const problem = await problemOf(path, sha256, (bytes) => {
      done += bytes;
      bar.step(done, total);
    });
    if (problem === undefined) continue;
    const newest = points.at(-1) ?? "";
    const more = points.length > 1 ? ` and ${points.length - 1} earlier` : "";
    faults.push({
      place: path,
      problem: `${problem}: ${file.service}/${file.path} of point ${newest}${more}`,
    });
  }
  return { blobs: blobs.size, bytes: total, faults };
}

async function problemOf(
  path: string,
  sha256: string,
  read: (bytes: number) => void,
): Promise<string | undefined> {
  const hasher = new Bun.CryptoHasher("sha256");
  try {
    for await (const chunk of Bun.file(path).stream()) {
      hasher.update(chunk);
      read(chunk.length);
    }
  } catch (cause) {
    return errorCode(cause) === "ENOENT" ? "it is missing" : `it cannot be read (${errorCode(cause)})`;
  }
  return hasher.digest("hex") === sha256 ? undefined : "its bytes have changed";
}
