/** `bun run hooks`: a pre-push hook that runs the whole gate. A hook of somebody else's is left alone and told about. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** By this line the hook is known as ours. */
const mark = "# Lakehouse: the whole gate before a push.";

// Git sets variables for its hooks that would turn the tests' own git commands to this repository.
const hook = `#!/bin/sh
${mark} Skip it with: git push --no-verify
unset $(git rev-parse --local-env-vars)
exec node_modules/.bin/bun run verify
`;

/** Where git looks for the pre-push hook of the repository around `directory`; undefined outside of one. */
export function hookPath(directory: string): string | undefined {
  const found = Bun.spawnSync(["git", "rev-parse", "--git-path", "hooks/pre-push"], { cwd: directory });
  return found.exitCode === 0 ? resolve(directory, found.stdout.toString().trim()) : undefined;
}

/** Whether our hook is installed, another one is, or none. */
export function hookState(path: string): "ours" | "other" | "none" {
  if (!existsSync(path)) return "none";
  return readFileSync(path, "utf8").includes(mark) ? "ours" : "other";
}

/** Installs the hook. Throws outside a repository and where another hook is. */
export function installHook(directory: string): string {
  const path = hookPath(directory);
  if (path === undefined) throw new Error("this is no git repository");
  if (hookState(path) === "other")
    throw new Error(`${path} is another hook: add 'bun run verify' to it, or remove it`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, hook);
  chmodSync(path, 0o755);
  return path;
}

if (import.meta.main) {
  try {
    process.stdout.write(`installed ${installHook(resolve(import.meta.dir, "../.."))}\n`);
  } catch (cause) {
    process.stderr.write(`${cause instanceof Error ? cause.message : cause}\n`);
    process.exit(1);
  }
}
