import { expect, test } from "bun:test";
import { startChild } from "../../../scripts/subprocess/subprocess.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

test.each([
  ["no time", [], 1, /^it did not start within 0\.001 s/],
  ["a setting that nobody knows", ["--storaged.nothing=1"], 600_000, /nothing/],
] as const)(
  "a product that does not start is told with its reason: %s",
  async (_, more, timeoutMs, words) => {
    const home = temporaryDirectory("product-child");
    const start = startChild({
      words: ["--only", "storaged", `--data_dir=${home.path}`, "--storaged.bind=127.0.0.1:0", ...more],
      service: "storaged",
      timeoutMs,
    });
    expect(start).rejects.toThrow(words);
    await start.catch(() => undefined);
    home.remove();
  },
);
