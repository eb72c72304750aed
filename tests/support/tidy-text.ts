/** What stands in the files: leftovers, ambient reads, machine paths, links, READMEs, decisions, versions. */
import { posix } from "node:path";
import { lineCount } from "./tidy-files.ts";
import { importsOf, isSource, packageOf, type Rule, serviceNames, type Tree, under } from "./tidy-tree.ts";

/** Every line of the chosen files that the pattern matches. */
const lines =
  (chosen: (path: string) => boolean, pattern: RegExp, why: string): Rule =>
  (tree) =>
    [...tree]
      .filter(([path]) => chosen(path))
      .flatMap(([path, text]) =>
        text
          .split("\n")
          .flatMap((line, at) =>
            pattern.test(line) ? [`${path}:${at + 1}: ${why}: ${line.trim().slice(0, 80)}`] : [],
          ),
      );

// The words are put together here so that this file does not hold them.
const marks = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"].join("|")})\\b`);
const narrowed = new RegExp(
  `\\b(test|it|describe)\\.(${["on" + "ly", "sk" + "ip", "to" + "do"].join("|")})\\b(?!If)`,
);
const isCode = (path: string): boolean => /\.(ts|toml|sh|md|json)$/.test(path) && path !== "bun.lock";

export const leftovers = lines(isCode, marks, "finish it or delete it");
export const conflicts = lines(isCode, /^(<{7}|>{7}) /, "a merge was committed with both sides in it");
export const narrowedTests = lines((path) => isSource(path), narrowed, "every test runs");

/** Upper bounds of a time that passed, and limits of single tests: a busy machine breaks both. */
export const racedTests = lines(
  (path) => /^tests\/(?!bench\/|campaigns\/|tidy).*\.tsx?$/.test(path),
  /\b(performance|Date)\.now\(\) - \w+\)\.toBe(Less|Within)|^\s*\}, \d[\d_]{4,}\);/,
  "no test fails on a clock: wait for what happens, measure processorMs, leave the limit to the runner",
);

export const ambient = lines(
  (path) => path.startsWith("workers/") && isSource(path),
  /\b(Date\.now\(|new Date\(\)|performance\.now\(|Math\.random\(|process\.(env|cwd|exit)\b|console\.)/,
  "below runtime/ clock, configuration and log are given",
);

/** By what they are called; runtime/errors/suggestions.ts compares what people type. */
export const foldedNames = lines(
  (path) => /^(runtime|workers|api)\/.*\.tsx?$/.test(path) && path !== "runtime/errors/suggestions.ts",
  /\b\w*(name|column|key|identifier|field)s?\)?\.to(Locale)?(Lower|Upper)Case\(|\.localeCompare\(/i,
  "runtime/sql/names.ts folds names, as DuckDB does: JavaScript folds other letters than ASCII's, too",
);

/** Files whose `fetch` is their own, not the global one. */
const ownFetch = new Set([
  "runtime/worker/links.ts",
  "runtime/rpc/exchange-server.ts",
  "runtime/upstream/upstream.ts",
  "api/console/browser/api.ts",
  // In programs of others, in browsers too.
  "api/client/lakehouse/sending.ts",
]);
export const upstreams = lines(
  (path) => /^(runtime|workers|api)\/.*\.tsx?$/.test(path) && !ownFetch.has(path),
  /(?<![.\w])fetch\([^)]|\.fetch === |globalThis\.fetch/,
  "runtime/upstream/upstream.ts asks servers: Bun's fetch unpacks without a bound",
);

const machine = /\/work\/(main|shared)\b|registry\.npmjs|pypi\.org|deb\.debian\.org|static\.crates/;
export const machineTraces = lines(
  (path) => !path.startsWith("tests/support/tidy-"),
  machine,
  "a path or host of one machine",
);

const isExternal = (target: string): boolean => /^([a-z]+:|#|\/)/.test(target);

/** Every relative link of a Markdown file leads to a file or folder of the tree. */
export const links: Rule = (tree) =>
  under(tree, "", ".md").flatMap((path) =>
    [...(tree.get(path) ?? "").replace(/```[\s\S]*?```/g, "").matchAll(/\]\(([^)\s]+)\)/g)].flatMap(
      ([, target = ""]) => {
        if (isExternal(target)) return [];
        const file = posix.join(posix.dirname(path), target.replace(/#.*$/, "")).replace(/\/$/, "");
        const exists = tree.has(file) || under(tree, `${file}/`).length > 0;
        return exists ? [] : [`${path}: the link to ${target} leads nowhere`];
      },
    ),
  );

const sections = ["## Owns", "## Promises", "## Calls", "## Files", "## When it fails"];
const readmeLinesMax = 60;

export const serviceReadmes: Rule = (tree) =>
  serviceNames(tree).flatMap((service) => {
    const path = `workers/${service}/README.md`;
    const text = tree.get(path);
    if (text === undefined) return []; // serviceFolders says so
    const wanted = [`# ${service}`, ...sections].join(" | ");
    const found = text
      .split("\n")
      .filter((line) => /^##? /.test(line))
      .join(" | ");
    const faults = found === wanted ? [] : [`${path}: headings are '${found}', expected '${wanted}'`];
    if (lineCount(text) > readmeLinesMax)
      faults.push(`${path}: ${lineCount(text)} lines, at most ${readmeLinesMax}`);
    return faults;
  });

/** A literal that begins as sentences do, or stands where an element has what people read. */
const sentence = /(["'`])(\p{Lu}\p{Ll}+(?:[ .…:,](?:(?!\1)[^\n])*)?)\1/gu;
const shownText =
  /\b(?:children|label|aria-?label|title|placeholder|heads|empty|says|notice|textContent|alt)"?: \[?\s*(["'`])((?:(?!\1)[^\n])*)\1/giu;
const keyNames = new Set(["Enter", "Delete", "Escape"]);

/** What people read on the console's pages stands in one place, so that another language is another folder. */
export const inlineTexts: Rule = (tree) =>
  under(tree, "api/console/", ".ts")
    .filter((path) => !path.startsWith("api/console/texts/"))
    .flatMap((path) => {
      const loader = path.endsWith("x") ? ("tsx" as const) : ("ts" as const);
      // As plain calls: elements, comments and types are no literals of their own then.
      const code = new Bun.Transpiler({ loader }).transformSync(tree.get(path) ?? "");
      const found = [...code.matchAll(sentence), ...code.matchAll(shownText)].map(
        ([, , words = ""]) => words,
      );
      return found
        .filter((words) => /\p{L}{2}/u.test(words.replaceAll(/\$\{[^}]*\}?/g, "")) && !keyNames.has(words))
        .map((words) => `${path}: '${words.slice(0, 60)}' belongs into api/console/texts/`);
    });

const decisionFolder = "docs/decisions/";
const decisionIndex = `${decisionFolder}README.md`;
const decisionFilesMax = 30;
const decisionLinesMax = 120;
/** One number, or several: `0131`, `0133, 0134`, `0110 to 0117`. */
const namedDecisions = /\bADRs?\s+(\d{4}(?:(?:,| and| to)\s+\d{4})*)/g;

/** Decisions stand by subject in a few short files; a number is the heading of one section, and so found by searching. */
export const decisions: Rule = (tree) => {
  const paths = under(tree, decisionFolder).filter((path) => path !== decisionIndex);
  const faults =
    paths.length > decisionFilesMax
      ? [`${decisionFolder}: ${paths.length} files, at most ${decisionFilesMax}`]
      : [];
  const sectionOf = new Map<string, string>();
  for (const path of paths) {
    const text = tree.get(path) ?? "";
    if (!/\/\d{2}-[a-z0-9-]+\.md$/.test(path)) faults.push(`${path}: the name is NN-subject.md`);
    if (!tree.get(decisionIndex)?.includes(`(${posix.basename(path)})`))
      faults.push(`${decisionIndex}: has no line for ${path}`);
    if (lineCount(text) > decisionLinesMax)
      faults.push(`${path}: ${lineCount(text)} lines, at most ${decisionLinesMax}`);
    for (const heading of text.match(/^## .*$/gm) ?? []) {
      const numbers = /^## (\d{4}(?:, \d{4})*) \S/.exec(heading)?.[1]?.split(", ") ?? [];
      if (numbers.length === 0) faults.push(`${path}: '${heading}' begins with no number of four digits`);
      for (const number of numbers) {
        const taken = sectionOf.get(number);
        if (taken !== undefined) faults.push(`${path}: ${number} is the heading of a section in ${taken}`);
        sectionOf.set(number, path);
      }
    }
  }
  for (const [path, text] of tree) {
    for (const number of [...text.matchAll(namedDecisions)].flatMap(([found]) => found.match(/\d{4}/g) ?? []))
      if (!sectionOf.has(number)) faults.push(`${path}: names decision ${number}, which has no section`);
  }
  return faults;
};

interface Manifest {
  engines: { bun: string };
  dependencies: Record<string, string>;
  devDependencies?: Record<string, string>;
}

const manifestOf = (tree: Tree): Manifest => JSON.parse(tree.get("package.json") ?? "{}") as Manifest;

/** Versions are exact, and the Bun that documents and scripts name is the pinned one. */
export const versions: Rule = (tree) => {
  const { engines, dependencies, devDependencies } = manifestOf(tree);
  const loose = Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !/^\d/.test(version))
    .map(([name, version]) => `package.json: ${name} is '${version}', expected one exact version`);
  const pinned = dependencies.bun ?? "";
  if (engines.bun !== pinned)
    loose.push(`package.json: engines.bun is ${engines.bun}, the dependency ${pinned}`);
  const others = [...tree].flatMap(([path, text]) =>
    path === "bun.lock"
      ? []
      : [...text.matchAll(/\bbun@(\d+\.\d+\.\d+)/g)]
          .filter(([, version]) => version !== pinned)
          .map(([found]) => `${path}: names ${found}, pinned is ${pinned}`),
  );
  return [...loose, ...others];
};

/** Packages that are used by name or by path, not by an import. */
const usedOtherwise = new Set(["bun", "faiss-node", "node-api-headers"]);

export const usedPackages: Rule = (tree) => {
  const imported = new Set(
    [...tree].flatMap(([path, text]) => (isSource(path) ? importsOf(path, text).map(packageOf) : [])),
  );
  return Object.keys(manifestOf(tree).dependencies)
    .filter((name) => !imported.has(name) && !usedOtherwise.has(name))
    .map((name) => `package.json: nothing imports ${name}`);
};

/** Documents name files by path, which no import follows when a file moves. */
export const namedFiles: Rule = (tree) =>
  [...tree]
    .filter(([path]) => path.endsWith(".md"))
    .flatMap(([path, text]) =>
      [...text.matchAll(/(?<![\w./-])(?:runtime|workers|api|scripts|tests)\/[\w/.-]+\.ts\b/g)]
        .filter(([name]) => !tree.has(name))
        .map(([name]) => `${path}: names ${name}, which is not there`),
    );
