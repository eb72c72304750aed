/** What belongs to no object in a bucket on disk, as opposed to what is just being written. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createKeyedMutex } from "../../../../runtime/scheduling/limiter.ts";
import { layoutOf } from "../../../../workers/storaged/local/layout.ts";
import { orphans } from "../../../../workers/storaged/local/orphans.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

let home: ReturnType<typeof temporaryDirectory>;
let part: string;
const lock = createKeyedMutex();
beforeEach(() => {
  home = temporaryDirectory("leftovers");
  const folder = join(layoutOf(home.path).records, "6a");
  mkdirSync(folder, { recursive: true });
  part = join(folder, ".1f0c.part");
});
afterEach(() => home.remove());

const problems = async () => {
  const found: string[] = [];
  for await (const { problem } of orphans(layoutOf(home.path), lock)) found.push(problem);
  return found;
};

test.each([
  ["empty", ""],
  ["half", '{"record":{"key":"a'],
  ["whole", JSON.stringify({ record: { key: "a" } })],
])("a sidecar that nobody writes any more is reported: %s", async (_, text) => {
  writeFileSync(part, text);
  expect(await problems()).toEqual(["a sidecar that was never completed"]);
});

test.each(["another key", "the same key, behind another write"])(
  "one that is being written is not: %s",
  async (behind) => {
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const earlier = lock("a", () => first.promise);
    const writing = lock(behind === "another key" ? "b" : "a", async () => {
      writeFileSync(part, "");
      await second.promise;
      rmSync(part);
    });
    if (behind !== "another key") first.resolve();
    while (!(await Bun.file(part).exists())) await Bun.sleep(1);
    const found = problems();
    await Bun.sleep(5);
    first.resolve();
    second.resolve();
    expect(await found).toEqual([]);
    await Promise.all([earlier, writing]);
  },
);
