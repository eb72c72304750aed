/** `bun run fsck` as operators run it. */
import { join } from "node:path";

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** Runs it without what would configure it from outside. */
export async function runFsck(
  words: readonly string[],
  { env = {} }: { env?: Record<string, string> } = {},
): Promise<Ran> {
  const plain = Object.entries(process.env).filter(([name]) => !/^(LH_|AUTH_)/.test(name));
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "../../../scripts/fsck/fsck.ts"), ...words],
    {
      env: { ...Object.fromEntries(plain), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}
