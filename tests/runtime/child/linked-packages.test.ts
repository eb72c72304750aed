/** A confined child finds its packages where node_modules is a link to those of another checkout. */
import { expect, test } from "bun:test";
import { cpSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const root = resolve(import.meta.dir, "../../..");

test("DuckDB starts in a child where the packages are a link", () => {
  const { path, remove } = temporaryDirectory("linked-packages");
  try {
    for (const name of [
      "runtime",
      "workers",
      "tests/support",
      "package.json",
      "tsconfig.json",
      "bunfig.toml",
    ])
      cpSync(join(root, name), join(path, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(path, "node_modules"));
    const code = `
      const { startIngestStack } = await import("./tests/support/stacks/ingestd.ts");
      const stack = await startIngestStack();
      const { status, error } = await stack.post("/ingest?name=a", "a,b\\n1,2\\n", { "content-type": "text/csv" });
      console.log(status, error.message);
      process.exit(0);`;
    const { stdout } = Bun.spawnSync([process.execPath, "-e", code], { cwd: path, stderr: "inherit" });
    expect(stdout.toString().trim()).toBe("200");
  } finally {
    remove();
  }
});
