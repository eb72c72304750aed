/** The commands backup and restore as operators run them, and a backup that a test may harm. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openRepository } from "../../../scripts/backup/repository.ts";

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

const scripts = join(import.meta.dir, "../../../scripts/backup");

/** Runs `bun run backup …` or `restore …` in the directory, without what would configure it from outside. */
export async function command(
  name: "backup" | "restore",
  words: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): Promise<Ran> {
  const child = begin(name, words, { cwd, env });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  return { code: child.exitCode, out, err };
}

/** The same, still running. */
export function begin(
  name: "backup" | "restore",
  words: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const plain = Object.entries(process.env).filter(([variable]) => !/^(LH_|AUTH_)/.test(variable));
  return Bun.spawn([process.execPath, join(scripts, `${name}.ts`), ...words], {
    cwd,
    env: { ...Object.fromEntries(plain), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** A point with these files of a service, made without a product. Returns its name. */
export async function fill(
  path: string,
  at: string,
  files: Record<string, string>,
  service = "chatd",
): Promise<string> {
  const repository = await openRepository(path, { write: true });
  try {
    const kept = [];
    for (const [name, text] of Object.entries(files)) {
      const { sha256, bytes } = await repository.add(pieces(text), {});
      kept.push({ service, path: name, bytes, sha256 });
    }
    return await repository.seal({ at, files: kept, damaged: [] });
  } finally {
    repository.close();
  }
}

export async function* pieces(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

/** The paths of all blobs, sorted. */
export const blobsOf = (path: string): string[] =>
  readdirSync(join(path, "blobs"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
