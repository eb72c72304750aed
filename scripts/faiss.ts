/**
 * Makes the native binding of `faiss-node`, once: upstream's prebuilt where it can be downloaded, else built from
 * the package's own source against the system's FAISS. Everything but vector indexes works without it, so a
 * failure is told and remembered, never fatal. `bun scripts/faiss.ts` tries again by hand.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const modules = resolve(import.meta.dir, "..", "node_modules");
const home = join(modules, "faiss-node");
/** Where the package itself looks for its binding. */
const release = join(home, "build", "Release");
const binding = join(release, "faiss-node.node");

/** A mirror that does not answer must not hold up the first start. */
const prebuiltTimeoutMs = 20_000;
/** For all of apt-get's work: about 30 MB of packages, with the package lists where they are missing. */
const aptTimeoutMs = 120_000;
/** One C++ file: 4 s where it was measured. */
const compileTimeoutMs = 180_000;
const debianPackages = ["libfaiss-dev", "libopenblas-dev", "g++"];

export type Faiss =
  | { ready: true; how: "present" | "prebuilt" | "built" }
  | { ready: false; why: string; fix: string };
type Say = (line: string) => void;

/** Runs a command with a bound; its output is kept for the message of a failure. */
function run(command: string[], timeoutMs: number, cwd = home): { ok: boolean; output: string } {
  try {
    const done = Bun.spawnSync(command, { cwd, timeout: timeoutMs, stdio: ["ignore", "pipe", "pipe"] });
    const output = `${done.stdout}${done.stderr}`.trim();
    return {
      ok: done.exitCode === 0,
      output: done.exitedDueToTimeout ? `${output}\n(stopped after ${timeoutMs} ms)` : output,
    };
  } catch (cause) {
    return { ok: false, output: String(cause) };
  }
}

/** Loads the binding in a process of its own, where a broken library harms nobody, and finds a neighbour. */
export const faissProbe =
  'const { IndexFlatL2 } = require("faiss-node"); const index = new IndexFlatL2(2); index.add([0, 0, 3, 4]); ' +
  "process.exit(index.search([3, 3], 1).labels[0] === 1 ? 0 : 1)";

export const hasFaissBinding = (): boolean => existsSync(binding);

/** Whether the binding is there, loads and answers; if not, why. */
export function probeFaiss(): { ok: boolean; why: string } {
  if (!hasFaissBinding()) return { ok: false, why: "the binding was not built" };
  const { ok, output } = run([process.execPath, "--no-install", "-e", faissProbe], 20_000);
  return ok ? { ok, why: "" } : { ok, why: firstError(output) };
}

/** The line of a tool's output that says what went wrong. */
export const firstError = (output: string): string =>
  output
    .split("\n")
    .find((line) => /error/i.test(line))
    ?.trim() ??
  output.split("\n").at(-1) ??
  "";

function downloadPrebuilt(): boolean {
  const tool = join(modules, "prebuild-install", "bin.js");
  return run([process.execPath, tool, "--runtime", "napi"], prebuiltTimeoutMs).ok && probeFaiss().ok;
}

/** FAISS before 1.7.4 has `idx_t` only inside Index, while faiss-node 0.5.1 is written against 1.7.4. */
const idxShim = `#include <faiss/Index.h>
#if FAISS_VERSION_MAJOR == 1 && (FAISS_VERSION_MINOR < 7 || (FAISS_VERSION_MINOR == 7 && FAISS_VERSION_PATCH < 4))
namespace faiss { using idx_t = Index::idx_t; }
#endif
`;

function compile(): { ok: boolean; output: string } {
  mkdirSync(release, { recursive: true });
  const shim = join(home, "build", "idx.h");
  writeFileSync(shim, idxShim);
  const include = ["node-api-headers/include", "node-addon-api"].map((name) => `-I${join(modules, name)}`);
  const compiled = run(
    [
      ...["g++", "-std=c++17", "-O2", "-fPIC", "-shared", "-fopenmp", "-DNAPI_VERSION=6", "-include", shim],
      ...[...include, "src/faiss.cc", "-o", binding, "-lfaiss", "-lopenblas", "-lgomp"],
    ],
    compileTimeoutMs,
  );
  if (!compiled.ok) {
    rmSync(binding, { force: true });
    return compiled;
  }
  const probed = probeFaiss();
  return { ok: probed.ok, output: probed.why };
}

/** The prefix with which system packages can be installed without asking anybody, or undefined. */
function administrator(): string[] | undefined {
  if (Bun.which("apt-get") === null) return undefined;
  if (process.getuid?.() === 0) return [];
  return Bun.which("sudo") !== null && run(["sudo", "-n", "true"], 5000).ok ? ["sudo", "-n"] : undefined;
}

function installDebianPackages(prefix: string[]): boolean {
  const until = performance.now() + aptTimeoutMs;
  const apt = (...words: string[]): boolean => {
    const command = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", ...words];
    return run(command, Math.max(1, until - performance.now())).ok;
  };
  const install = (): boolean => apt("install", "--no-install-recommends", ...debianPackages);
  // A new machine has no package lists yet.
  return install() || (apt("update") && install());
}

function build(say: Say): Faiss {
  say("building the FAISS binding from source, once …");
  let compiled = compile();
  const prefix = compiled.ok ? undefined : administrator();
  if (prefix !== undefined) {
    say(`installing ${debianPackages.join(", ")} for it by apt-get …`);
    if (installDebianPackages(prefix)) compiled = compile();
  }
  if (compiled.ok) return { ready: true, how: "built" };
  const fix = `install FAISS and a C++ compiler (Debian: apt-get install ${debianPackages.join(" ")}), then run: bun scripts/faiss.ts`;
  return { ready: false, why: firstError(compiled.output), fix };
}

function makeBinding(say: Say): Faiss {
  if (process.env.LAKEHOUSE_FAISS === "off") {
    return { ready: false, why: "LAKEHOUSE_FAISS=off", fix: "unset it, then run: bun scripts/faiss.ts" };
  }
  if (!existsSync(home))
    return { ready: false, why: "faiss-node is not installed", fix: "bun install --frozen-lockfile" };
  if (probeFaiss().ok) return { ready: true, how: "present" };
  say("fetching the prebuilt FAISS binding …");
  return downloadPrebuilt() ? { ready: true, how: "prebuilt" } : build(say);
}

/** Makes the binding if it is missing and says how that went. Returns within the bounds above; never throws for a missing FAISS. */
export function ensureFaiss(say: Say): Faiss {
  const faiss = makeBinding(say);
  if (faiss.ready) {
    if (faiss.how !== "present") say(`FAISS is ready (${faiss.how}).`);
  } else {
    say(`FAISS is not available (${faiss.why}); everything but FAISS vector indexes works.`);
    say(`  To get it: ${faiss.fix}`);
  }
  return faiss;
}

if (import.meta.main) {
  const faiss = ensureFaiss((line) => process.stderr.write(`faiss: ${line}\n`));
  if (faiss.ready && faiss.how === "present") process.stderr.write("faiss: FAISS is ready.\n");
  process.exit(faiss.ready ? 0 : 1);
}
