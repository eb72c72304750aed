import { expect, test } from "bun:test";
import { join } from "node:path";
import { createProgress, lineOf } from "../../../scripts/command-line/progress.ts";

/** A stream that keeps what is written, and a clock that is set. */
function stage(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  let ms = 0;
  const stream = { isTTY, columns, write: (text: string) => written.push(text) };
  const bar = createProgress("work", { unit: "rows", stream, now: () => ms });
  return {
    bar,
    written,
    at: (time: number) => {
      ms = time;
    },
  };
}

test("on a terminal: redrawn in place, at most ten times a second, never wider than it is, and gone at the end", () => {
  const { bar, written, at } = stage(true, 40);
  bar.step(1, 1000);
  at(50);
  bar.step(2, 1000);
  at(200);
  bar.step(500, 1000, "a long note on what is worked on just now");
  at(210);
  bar.step(1000, 1000);
  bar.end();
  const drawn = written.filter((text) => !text.startsWith("\r"));
  expect(drawn).toHaveLength(3);
  for (const text of drawn) {
    expect(text.length).toBeLessThan(40);
    expect(text).not.toContain("\n");
  }
  expect(written.at(-1)).toBe("\r\u001b[K");
});

test("elsewhere: a plain line every five seconds, nothing for what is short, nothing to clear", () => {
  const { bar, written, at } = stage(false);
  bar.step(1, 3);
  at(4000);
  bar.step(2, 3);
  expect(written).toEqual([]);
  at(6000);
  bar.step(2, 3, "the second");
  at(7000);
  bar.step(3, 3);
  bar.end();
  expect(written).toEqual([
    "work [################........] 66% 2 rows of 3 rows, 3.0 s each, 3 s left, the second\n",
  ]);
});

test.each([
  [{ done: 0, total: 0, unit: "files", seconds: 0 }, "x 0 files, 0 files/s"],
  [{ done: 12_345, total: 0, unit: "files", seconds: 10 }, "x 12,345 files, 1,235 files/s"],
  [
    { done: 5e6, total: 2e9, unit: "bytes", seconds: 1 },
    "x [........................] 0% 5.0 MB of 2.0 GB, 5.0 MB/s, 6 min 39 s left",
  ],
  [
    { done: 10, total: 10, unit: "rows", seconds: 2 },
    "x [########################] 100% 10 rows of 10 rows, 5 rows/s",
  ],
  // What grows while it is worked on.
  [
    { done: 12, total: 10, unit: "rows", seconds: 2 },
    "x [########################] 100% 12 rows of 10 rows, 6 rows/s",
  ],
])("%p", (state, line) => {
  expect(lineOf("x", { note: undefined, ...state })).toBe(line);
});

test("what a generator makes goes to standard output alone", async () => {
  const script = join(import.meta.dir, "../../../scripts/sample-data/make-workers.ts");
  const run = Bun.spawn([process.execPath, script, "--rows", "3000", "--out", "-"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err] = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()]);
  expect(await run.exited).toBe(0);
  expect(out).toStartWith("worker_id,");
  expect(out).not.toContain("rows/s");
  expect(err).not.toContain("\u001b");
  expect(err).toMatch(/-: 3000 rows, \d+ bytes\n$/);
});
