/**
 * `bun run test`: types, lint and all tests, with one summary at the end. Arguments go to `bun test` and leave types and lint out: `bun run test tests/workers/storaged -t etag`.
 * The last line is plain: `N passed, N failed`, counted from the runner's own report.
 */
export { hookPath, hookState } from "./hooks.ts";

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dir, "../..");
/**
 * Ends a test that hangs, and nothing else: no test is for a time, and on a machine that is twenty times too busy one of
 * half a minute takes ten. bunfig.toml cannot set it, and no test sets its own.
 */
const testTimeoutMs = 15 * 60_000;

export const testTimeout = `--timeout=${testTimeoutMs}`;
/** Files run three at a time, in a process each (ADR 0052). */
export const testOptions = [testTimeout, "--parallel=3", "--no-isolate"];

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Counts the tests of a JUnit report by its root element. Without a report the runner died: one failure, since a
 * run that counted nothing must never look green.
 */
export function readReport(xml: string | undefined): Counts {
  const head = /<testsuites\b[^>]*>/.exec(xml ?? "")?.[0];
  if (head === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const number = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  const skipped = number("skipped");
  return { passed: number("tests") - failed - skipped, failed, skipped };
}

const shownLines = 12;
const shownCharacters = 1500;

/**
 * What each failed test of a JUnit report said, cut to its first lines: printed last, because of a long log its end is
 * what is kept.
 */
export function failuresOf(xml: string | undefined): string[] {
  const cases = (xml ?? "").matchAll(
    /<testcase name="([^"]*)"[^>]*?file="([^"]*)"[^>]*>\s*<(?:failure|error)[^>]*?(?:\/>|>([^<]*))/g,
  );
  return Array.from(cases, ([, name = "", file = "", text = ""]) => {
    const said = decodeXml(text).split("\n").slice(0, shownLines).join("\n  ").slice(0, shownCharacters);
    return `failed: ${file}: ${decodeXml(name)}\n  ${said.trimEnd()}`;
  });
}

const shownFiles = 10;

/** Where the time goes: the files of a JUnit report whose tests took longest, as `  12.3 s  tests/a.test.ts`. */
export const slowestOf = (xml: string | undefined): string[] =>
  [...(xml ?? "").matchAll(/<testsuite name="([^"]*)" file="\1"[^>]*? time="([\d.]+)"/g)]
    .map(([, file = "", seconds]) => ({ file, seconds: Number(seconds) }))
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, shownFiles)
    .map(({ file, seconds }) => `${seconds.toFixed(1).padStart(6)} s  ${file}`);

/** The files that took most processor time, of lines `12.3 tests/a.test.ts`, and what all took. */
export function costliestOf(lines: string): string[] {
  const costs = [...lines.matchAll(/^([\d.]+) (.+)$/gm)]
    .map(([, seconds, file = ""]) => ({ file, seconds: Number(seconds) }))
    .sort((a, b) => b.seconds - a.seconds);
  const total = costs.reduce((sum, { seconds }) => sum + seconds, 0);
  const shown = costs.slice(0, shownFiles);
  return [...shown, { file: `all ${costs.length} files`, seconds: total }].map(
    ({ file, seconds }) => `${seconds.toFixed(1).padStart(6)} s  ${file}`,
  );
}

const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
const decodeXml = (text: string): string =>
  text.replace(/&(?:#(\d+)|(\w+));/g, (all, code, name) =>
    code === undefined ? (entities[name] ?? all) : String.fromCodePoint(Number(code)),
  );

/** The closing line, such as `812 passed, 0 failed, 2 skipped`. */
export const closingLine = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

interface Step {
  name: string;
  /** For the pinned Bun: a script, or one of its own commands. */
  command: string[];
}

interface Done {
  name: string;
  ok: boolean;
  seconds: number;
}

export const types: Step = { name: "types", command: ["node_modules/.bin/tsc"] };
const lint: Step = { name: "lint", command: ["node_modules/.bin/biome", "ci"] };

async function step({ name, command }: Step, more: Record<string, string> = {}): Promise<Done> {
  const startedAt = performance.now();
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: root,
    // As the product sets it for itself: services in the tests' thread share one pool for files.
    env: {
      ...process.env,
      UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? "16",
      // FAISS's threads spin while they wait for each other, which starves a busy machine.
      OMP_NUM_THREADS: "1",
      OMP_WAIT_POLICY: "PASSIVE",
      ...more,
    },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const stop = (): void => child.kill("SIGTERM");
  process.once("SIGTERM", stop);
  const ok = (await child.exited) === 0;
  process.off("SIGTERM", stop);
  return { name, ok, seconds: (performance.now() - startedAt) / 1000 };
}

const readOrUndefined = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // readReport counts a missing report as a failure
  }
};

async function runTests(words: string[]): Promise<{ step: Done; counts: Counts; lines: string[] }> {
  const directory = mkdtempSync(join(tmpdir(), "lakehouse-test-"));
  try {
    const report = join(directory, "report.xml");
    const options = words.length === 0 ? testOptions : [testTimeout];
    // Makes the bundle, from which tests start programs of the product (ADR 0177); without it they start from the tree.
    if (words.length === 0) Bun.spawnSync([process.execPath, "runtime/main.ts", "--help"], { cwd: root });
    const reporting = ["--reporter=junit", `--reporter-outfile=${report}`];
    const costs = join(directory, "costs");
    const command = ["test", ...options, ...reporting, ...words];
    const done = await step({ name: "tests", command }, { LAKEHOUSE_TEST_COSTS: costs });
    const xml = readOrUndefined(report);
    const counts = readReport(xml);
    // A runner that fails without a failed test (an error between tests, a crash) is a failure too.
    if (!done.ok && counts.failed === 0) counts.failed = 1;
    const slowest = ["the slowest files:", ...slowestOf(xml)];
    // Files that share one process are told apart by the runner of several alone.
    const costliest =
      words.length === 0 ? ["", "by processor time:", ...costliestOf(readOrUndefined(costs) ?? "")] : [];
    const lines = [...slowest, ...costliest, "", ...failuresOf(xml)];
    return { step: { ...done, ok: done.ok && counts.failed === 0 }, counts, lines };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const print = (lines: string[]): void => {
  process.stdout.write(`${lines.join("\n")}\n`);
};

const resultLine = ({ name, ok, seconds }: Done): string =>
  `${ok ? "ok    " : "FAILED"}  ${name.padEnd(6)} ${seconds.toFixed(1)} s`;

/** Runs all steps, whatever became of those before, and says how each went. */
export async function inSteps(steps: readonly Step[]): Promise<boolean> {
  const done: Done[] = [];
  for (const each of steps) done.push(await step(each));
  print(["", ...done.map(resultLine)]);
  return done.every(({ ok }) => ok);
}

async function main(words: string[]): Promise<boolean> {
  const checks = words.length === 0 ? [await step(types), await step(lint)] : [];
  const tests = await runTests(words);
  const steps = [...checks, tests.step];
  print(["", ...tests.lines, "", ...steps.map(resultLine), "", closingLine(tests.counts)]);
  return steps.every(({ ok }) => ok);
}

if (import.meta.main) process.exit((await main(process.argv.slice(2))) ? 0 : 1);
