/** What keeps a fresh machine's set-up honest: no dropped cause, no bound that throws, packages for every platform. */
import { importsOf, isSource, packageOf, type Rule, under } from "./tidy-tree.ts";

const isProduct = (path: string): boolean => isSource(path) && /^(runtime|workers|api|scripts)\//.test(path);

const lineOf = (text: string, at: number): number => text.slice(0, at).split("\n").length;

/** The text from an opening brace to the one that closes it. */
function blockAt(text: string, open: number): string {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return text.slice(open, at + 1);
  }
  return text.slice(open);
}

/**
 * A `catch` of a script uses its cause, or a comment in it says why it needs none: a failure that becomes nothing is
 * one that nobody hears of.
 */
export const droppedCauses: Rule = (tree) =>
  under(tree, "scripts/", ".ts").flatMap((path) => {
    const text = tree.get(path) ?? "";
    return [...text.matchAll(/^(?!\s*(?:\*|\/\/)).*\bcatch (?:\((\w+)[^)]*\) )?\{/gm)].flatMap((match) => {
      const block = blockAt(text, match.index + match[0].length - 1);
      const [, cause] = match;
      const isUsed = cause !== undefined && new RegExp(`\\b${cause}\\b`).test(block);
      if (isUsed || block.includes("//") || match[0].includes("`")) return [];
      return [
        `${path}:${lineOf(text, match.index)}: the cause is dropped: use it, or say in a comment why not`,
      ];
    });
  });

/** Bun and Node throw on a process' `timeout` that is no integer, and what is left of another bound rarely is one. */
export const processBounds: Rule = (tree) =>
  [...tree]
    .filter(([path]) => isProduct(path) || /^tests\/(?!tidy).*\.tsx?$/.test(path))
    .flatMap(([path, text]) =>
      [...text.matchAll(/\b(?:spawn|spawnSync|execFile|execFileSync|exec|execSync)\(/g)].flatMap((match) => {
        const [, ms] = /\btimeout: *([^,}\n]+)/.exec(callAt(text, match.index + match[0].length - 1)) ?? [];
        return ms === undefined || /^[\d_]+$/.test(ms.trim())
          ? []
          : [
              `${path}:${lineOf(text, match.index)}: a process' timeout is a whole number written out, or run() of scripts/subprocess/run.ts`,
            ];
      }),
    );

function callAt(text: string, open: number): string {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "(") depth++;
    else if (text[at] === ")" && --depth === 0) return text.slice(open, at + 1);
  }
  return text.slice(open);
}

/** Files and calls that other systems do not have. */
const ofLinuxAlone = /["'`]\/(?:proc|sys)\/|\bdlopen\(|\bprocess\.execve\(/;
const knowsOthers = /\bexistsSync\(|\bcatch\b|\bprocess\.platform\b|typeof process\.execve/;

/** Nothing may need Linux alone: who asks it knows what to do where there is no answer. */
export const otherSystems: Rule = (tree) =>
  [...tree]
    .filter(([path, text]) => isProduct(path) && ofLinuxAlone.test(text) && !knowsOthers.test(text))
    .map(
      ([path]) =>
        `${path}: asks what Linux alone has, and does not know what to do elsewhere (existsSync, catch, process.platform)`,
    );

interface Manifest {
  devDependencies?: Record<string, string>;
}

/** What runs with production's packages alone imports no others. */
export const developmentPackages: Rule = (tree) => {
  const { devDependencies = {} } = JSON.parse(tree.get("package.json") ?? "{}") as Manifest;
  return [...tree]
    .filter(([path]) => isProduct(path))
    .flatMap(([path, text]) =>
      importsOf(path, text)
        .map(packageOf)
        .filter((name) => Object.hasOwn(devDependencies, name))
        .map((name) => `${path}: imports ${name}, which is installed for tests alone`),
    );
};

/**
 * The lockfile holds the native parts of every platform, not just of the one where it was written: with a frozen
 * lockfile, what it does not name is not installed.
 */
export const lockedPlatforms: Rule = (tree) => {
  const lock = tree.get("bun.lock") ?? "";
  const locked = new Set([...lock.matchAll(/^ {4}"([^"]+)": \[/gm)].map(([, name]) => name));
  const optional = [...lock.matchAll(/"optionalDependencies": \{([^}]*)\}/g)].flatMap(([, list = ""]) =>
    [...list.matchAll(/"([^"]+)":/g)].map(([, name = ""]) => name),
  );
  return [...new Set(optional)]
    .filter((name) => !locked.has(name))
    .map(
      (name) => `bun.lock: ${name} is missing: its platform gets no native part (write the lockfile anew)`,
    );
};
