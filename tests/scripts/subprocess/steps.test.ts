/** A step of a set-up that fails is on the terminal, whoever drops the answer. */
import { describe, expect, test } from "bun:test";
import { run } from "../../../scripts/subprocess/run.ts";
import { runStep, type Step } from "../../../scripts/subprocess/subprocess.ts";

const shell = (script: string): readonly [string, ...string[]] => ["sh", "-c", script];
const step: Step = {
  name: "trying",
  command: shell("true"),
  timeoutMs: 20_000,
  otherwise: ["fix: try again"],
};

async function told(more: Partial<Step>): Promise<{ ok: boolean; lines: string[] }> {
  const lines: string[] = [];
  const ok = await runStep({ ...step, ...more }, (line) => lines.push(line));
  return { ok, lines };
}

describe("a step", () => {
  test("that works says nothing", async () => {
    expect(await told({})).toEqual({ ok: true, lines: [] });
  });

  test.each<[string, Partial<Step>, RegExp]>([
    [
      "with an exit code",
      { command: shell("echo one; echo two >&2; exit 3") },
      /^FAILED: trying \(exit code 3, after \d+ s\)\n {2}\$ sh -c .*\n {2}\| one\n {2}\| two\n {2}fix: try again$/,
    ],
    [
      "with more output than a terminal's screen: its end is shown",
      { command: shell("seq 100; exit 1") },
      /\n {2}\| 93\n( {2}\| \d+\n)*? {2}\| 100\n {2}fix: try again$/,
    ],
    [
      "whose program is not there",
      { command: ["lakehouse-no-such-program"] },
      /^FAILED: trying \(after 0 s\)\n.*\n {2}\| .*lakehouse-no-such-program.*\n {2}fix: try again$/,
    ],
    [
      "in a folder that is not there",
      { cwd: "/lakehouse/nowhere" },
      /^FAILED: trying \(after 0 s\)\n {2}\$ sh -c true\n {2}\| .*ENOENT.*\n {2}fix: try again$/,
    ],
    [
      "that takes too long, by a bound that is no whole number",
      { command: shell("echo begun; exec sleep 1000"), timeoutMs: 300.75 },
      /^FAILED: trying \(after \d s\)\n.*\n {2}\| begun\n {2}\| ended after 301 ms\n {2}fix: try again$/,
    ],
    [
      "that shows its output itself",
      { command: shell("exit 4"), shown: true },
      /^FAILED: trying \(exit code 4, after \d+ s\)\n.*\n {2}fix: try again$/,
    ],
  ])("%s says its own words", async (_, more, words) => {
    const { ok, lines } = await told(more);
    expect(lines.join("\n")).toMatch(words);
    expect(ok).toBe(false);
  });

  test("what is left of another bound is rarely a whole number of milliseconds", async () => {
    expect(await run(shell("echo done"), { timeoutMs: 19_999.123_456 })).toEqual({
      code: 0,
      out: "done",
      err: "",
    });
  });
});
