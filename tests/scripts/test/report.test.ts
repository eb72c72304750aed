import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { closingLine, costliestOf, failuresOf, readReport, slowestOf } from "../../../scripts/test/test.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const suites = (attributes: string): string =>
  `<?xml version="1.0"?>\n<testsuites name="bun test" ${attributes}>\n<testsuite tests="99" failures="99" skipped="99"/>`;

describe("the closing line", () => {
  test.each([
    [
      "all passed",
      suites('tests="12" assertions="40" failures="0" skipped="0" time="1.5"'),
      "12 passed, 0 failed",
    ],
    ["some failed", suites('tests="12" failures="2" skipped="0"'), "10 passed, 2 failed"],
    ["some skipped", suites('tests="12" failures="1" skipped="3"'), "8 passed, 1 failed, 3 skipped"],
    ["no report", undefined, "0 passed, 1 failed"],
    ["a cut report", "<?xml", "0 passed, 1 failed"],
  ])("%s", (_, xml, line) => {
    expect(closingLine(readReport(xml))).toBe(line);
  });

  test("the runner's own report has the attributes and the failures that are read", async () => {
    const { path, remove } = temporaryDirectory("report");
    await Bun.write(
      join(path, "a.test.ts"),
      `import { test } from "bun:test"; test("a", () => {}); test("b", () => { throw new Error("<b> & 'c'"); }); test.skipIf(true)("c", () => {});`,
    );
    const options = ["--reporter=junit", `--reporter-outfile=${join(path, "report.xml")}`];
    const run = Bun.spawnSync([process.execPath, "test", ...options], { cwd: path });
    const report = await Bun.file(join(path, "report.xml")).text();
    remove();
    expect(run.exitCode).toBe(1);
    expect(readReport(report)).toEqual({ passed: 1, failed: 1, skipped: 1 });
    expect(slowestOf(report)).toEqual([expect.stringMatching(/^ +\d+\.\d s {2}a\.test\.ts$/)]);
    expect(failuresOf(report)).toEqual([
      expect.stringMatching(/^failed: a\.test\.ts: b\n {2}Error: <b> & 'c'\n/),
    ]);
  });
});

test("the files that took most processor time come first, then all", () => {
  expect(costliestOf("1.5 tests/a.test.ts\n20 tests/b.test.ts\n")).toEqual([
    "  20.0 s  tests/b.test.ts",
    "   1.5 s  tests/a.test.ts",
    "  21.5 s  all 2 files",
  ]);
});
