/**
 * `bun run check [REF]`: formats and lints, checks types, then runs the rules of the tree (tests/tidy.test.ts) and the
 * tests that import what changed: since REF, else since the branch left its upstream, else since the last commit.
 */
import { inSteps, lint, root, testOptions, types } from "./test.ts";

function mergeBase(): string | undefined {
  const found = Bun.spawnSync(["git", "merge-base", "HEAD", "@{upstream}"], { cwd: root });
  return found.exitCode === 0 ? found.stdout.toString().trim() : undefined;
}

const since = process.argv[2] ?? mergeBase() ?? "HEAD";
const ok = await inSteps([
  { ...lint, command: ["node_modules/.bin/biome", "check", "--write"] },
  types,
  { name: "rules", command: ["test", "tests/tidy.test.ts", "--only-failures"] },
  { name: "tests", command: ["test", ...testOptions, "--only-failures", `--changed=${since}`] },
]);
process.exit(ok ? 0 : 1);
