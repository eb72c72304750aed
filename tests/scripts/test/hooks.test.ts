import { expect, test } from "bun:test";
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { hookPath, hookState, installHook } from "../../../scripts/test/hooks.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

test("installs a hook that runs the whole gate, and again over its own", () => {
  const { path, remove } = temporaryDirectory("hooks");
  expect(Bun.spawnSync(["git", "init", "-q"], { cwd: path }).exitCode).toBe(0);
  expect(hookState(hookPath(path) ?? "")).toBe("none");
  const hook = installHook(path);
  expect(hook).toBe(hookPath(path) ?? "");
  expect(installHook(path)).toBe(hook);
  expect(hookState(hook)).toBe("ours");
  accessSync(hook, constants.X_OK);
  expect(readFileSync(hook, "utf8")).toContain("run verify");
  remove();
});

test("leaves a hook of somebody else's alone", () => {
  const { path, remove } = temporaryDirectory("hooks");
  Bun.spawnSync(["git", "init", "-q"], { cwd: path });
  const hook = installHook(path);
  writeFileSync(hook, "#!/bin/sh\nexit 0\n");
  expect(() => installHook(path)).toThrow("is another hook");
  expect(readFileSync(hook, "utf8")).toBe("#!/bin/sh\nexit 0\n");
  remove();
});

test("outside of a repository there is nothing to install", () => {
  const { path, remove } = temporaryDirectory("hooks");
  expect(() => installHook(path)).toThrow("no git repository");
  remove();
});
