/** Files on their way into a local bucket: each in a folder of its own. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { discard, makeDirectory } from "../../../runtime/durable/durable.ts";
import type { Staging } from "../bucket/bucket.ts";
import type { Layout } from "./layout.ts";
import type { LocalWriter } from "./writer.ts";

/** The folder itself stays: child processes of other services may hold it and write in it. */
export async function emptyFolder(path: string): Promise<void> {
  await makeDirectory(path);
  for (const name of await readdir(path)) await rm(join(path, name), { recursive: true, force: true });
}

/** Each staged file has a folder of its own: DuckDB writes a temporary file beside its target. */
export function stagingIn(layout: Layout, writer: Pick<LocalWriter, "seal" | "adopt">): Staging {
  const folderOf = (token: string) => join(layout.staging, token);
  return {
    reserve: async (token) => {
      await mkdir(folderOf(token));
      const path = join(folderOf(token), "object");
      await writeFile(path, "", { flag: "wx" });
      return path;
    },
    seal: writer.seal,
    adopt: writer.adopt,
    release: (token) => discard(folderOf(token)),
  };
}
