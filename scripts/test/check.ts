/**
 * `bun run check [REF]`: formats and lints what changed, checks types, then runs the rules of the tree
 * (tests/tidy.test.ts) and the tests that import what changed: since REF, else since the branch left its upstream, else
 * since the last commit. Where nothing changed, all is formatted and linted.
 */
import { inSteps, root, testOptions, testTimeout, types } from "./test.ts";

const git = (...words: string[]): string[] => {
  const { stdout } = Bun.spawnSync(["git", ...words], { cwd: root });
  return stdout.toString().trim().split("\n").filter(Boolean);
};

const since = process.argv[2] ?? git("merge-base", "HEAD", "@{upstream}")[0] ?? "HEAD";
const changed = [
  ...git("diff", "--name-only", "--diff-filter=d", since),
  ...git("ls-files", "--others", "--exclude-standard"),
];
const linted = changed.length === 0 ? ["."] : changed;
const ok = await inSteps([
  {
    name: "lint",
    command: ["node_modules/.bin/biome", "check", "--write", "--no-errors-on-unmatched", ...linted],
  },
  types,
  { name: "rules", command: ["test", testTimeout, "tests/tidy.test.ts", "--only-failures"] },
  { name: "tests", command: ["test", ...testOptions, "--only-failures", `--changed=${since}`] },
]);
process.exit(ok ? 0 : 1);
