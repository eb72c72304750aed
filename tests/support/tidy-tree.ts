/** The files of the repository as the tidy rules see them: paths and texts, nothing else. */
import { existsSync, readFileSync } from "node:fs";
import { posix, resolve } from "node:path";

/** Path from the root, with `/`, to content. */
export type Tree = ReadonlyMap<string, string>;
/** What a rule finds wrong, a line each, beginning with the path. */
export type Rule = (tree: Tree) => string[];

const root = resolve(import.meta.dir, "../..");
const binary = /\.(parquet|png|ico|gz|zst|arrow|woff2|bin)$/;

/** Every file that is in git or would be added to it; of one that is no text, its name alone. */
export function repositoryTree(): Tree {
  const listed = Bun.spawnSync(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: root,
  });
  if (listed.exitCode !== 0) throw new Error(`git ls-files failed: ${listed.stderr}`);
  const paths = listed.stdout.toString().split("\0");
  const there = paths.filter((path) => path !== "" && existsSync(resolve(root, path)));
  const textOf = (path: string) => (binary.test(path) ? "" : readFileSync(resolve(root, path), "utf8"));
  return new Map(there.map((path) => [path, textOf(path)]));
}

export const treeOf = (files: Record<string, string>): Tree => new Map(Object.entries(files));

export const isSource = (path: string): boolean => /\.tsx?$/.test(path);

/** The paths under a folder that end as told, sorted; sources with elements in them end as the others do. */
export const under = (tree: Tree, folder: string, end = ""): string[] =>
  [...tree.keys()]
    .filter((path) => path.startsWith(folder) && (end === ".ts" ? isSource(path) : path.endsWith(end)))
    .sort();

/** The names of the services: the folders of `workers/`. */
export const serviceNames = (tree: Tree): string[] => [
  ...new Set(under(tree, "workers/").map((path) => path.split("/")[1] ?? "")),
];

const statement = /^\s*(?:import\s*|(?:import|export)\b[^"';=]*?\bfrom\s*)["']([^"'\n]+)["']/gm;
const call = /\b(?:import|require)\s*\(\s*["']([^"'\n]+)["']/g;

/** What a module imports, types too: packages by name, files by their path from the root. */
export function importsOf(path: string, text: string): string[] {
  const code = text.replace(/^\s*(\/\*\*?|\*|\/\/).*$/gm, "");
  const targets = [...code.matchAll(statement), ...code.matchAll(call)].map((match) => match[1] ?? "");
  return targets.map((target) => (target.startsWith(".") ? posix.join(posix.dirname(path), target) : target));
}

/** A package's name without the path inside it: `@a/b/c` → `@a/b`. */
export const packageOf = (target: string): string =>
  target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");
