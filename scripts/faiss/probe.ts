/** Where the native binding of `faiss-node` is, and whether it loads. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { run } from "../subprocess/subprocess.ts";

export const modules = resolve(import.meta.dir, "../..", "node_modules");
export const home = join(modules, "faiss-node");
/** Where the package itself looks for its binding. */
export const release = join(home, "build", "Release");
export const binding = join(release, "faiss-node.node");

export const probeTimeoutMs = 20_000;

/** Loads the binding in a process of its own, where a broken library harms nobody, and finds a neighbour. */
export const faissProbe =
  'const { IndexFlatL2 } = require("faiss-node"); const index = new IndexFlatL2(2); index.add([0, 0, 3, 4]); ' +
  "process.exit(index.search([3, 3], 1).labels[0] === 1 ? 0 : 1)";

export const hasFaissBinding = (): boolean => existsSync(binding);

export const probeCommand: [string, ...string[]] = [process.execPath, "--no-install", "-e", faissProbe];

/** Whether the binding is there, loads and answers; if not, why. */
export async function probeFaiss(): Promise<{ ok: boolean; why: string }> {
  if (!hasFaissBinding()) return { ok: false, why: "the binding was not built" };
  const { code, err } = await run(probeCommand, { timeoutMs: probeTimeoutMs, cwd: home });
  return code === 0 ? { ok: true, why: "" } : { ok: false, why: firstError(err) };
}

/** The line of a tool's output that says what went wrong. */
export const firstError = (output: string): string =>
  output
    .split("\n")
    .find((line) => /error/i.test(line))
    ?.trim() ??
  output.split("\n").at(-1) ??
  "";
