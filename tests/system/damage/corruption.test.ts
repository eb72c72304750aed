/** Damaged files are named by the whole product, or harm nothing: a slice of `bun tests/campaigns/faults/corruption.ts`. */
import { expect, test } from "bun:test";

test("what is damaged is named, and the rest is served", async () => {
  const kinds = ["data object", "index segment", "words of a corpus", "object of somebody's"];
  const words = ["--damage", "flip", "--only", kinds.join(","), "--seed", "7"];
  const run = Bun.spawn([process.execPath, "tests/campaigns/faults/corruption.ts", ...words], {
    stdout: "pipe",
    stderr: "ignore",
  });
  const outcome = JSON.parse(await new Response(run.stdout).text());
  expect(outcome).toMatchObject({ tried: kinds.length, wrong: [] });
  expect(await run.exited).toBe(0);
});
