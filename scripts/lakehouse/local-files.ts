/** The files of a folder as they are sent: by their paths in it, in requests of a size that is soon answered. */
import { readdir } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import pMap from "p-map";

export interface LocalFile {
  /** The path in the folder, with `/`. */
  name: string;
  path: string;
  bytes: number;
  sha256: string;
}

const readAtOnce = 16;

/** What systems and editors leave in folders. */
const isHidden = (path: string): boolean =>
  path.split(sep).some((part) => part.startsWith(".") || part.startsWith("~$"));

/** All files below the folder, or the one file, by name. */
export async function localFiles(place: string, isFolder: boolean): Promise<LocalFile[]> {
  const paths = isFolder
    ? (await readdir(place, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name))
        .filter((path) => !isHidden(relative(place, path)))
        .sort()
    : [place];
  return pMap(
    paths,
    async (path) => {
      const hash = new Bun.CryptoHasher("sha256");
      const file = Bun.file(path);
      for await (const chunk of file.stream()) hash.update(chunk);
      const name = isFolder ? relative(place, path).split(sep).join("/") : basename(path);
      return { name, path, bytes: file.size, sha256: hash.digest("hex") };
    },
    { concurrency: readAtOnce },
  );
}

/** Files of one request: each becomes one version. */
const filesMax = 100;
const bytesMax = 64 * 1024 * 1024;

export function* batchesOf(files: readonly LocalFile[]): Generator<LocalFile[]> {
  let batch: LocalFile[] = [];
  let bytes = 0;
  for (const file of files) {
    if (batch.length > 0 && (batch.length >= filesMax || bytes + file.bytes > bytesMax)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(file);
    bytes += file.bytes;
  }
  if (batch.length > 0) yield batch;
}
