/**
 * Makes the native binding of `faiss-node`, once: upstream's prebuilt where it can be downloaded, else built from
 * the package's own source against the system's FAISS. Everything but FAISS indexes works without it, so a
 * failure is reported and not fatal. `bun scripts/faiss/faiss.ts` tries again by hand.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runStep, type Say } from "../subprocess/subprocess.ts";
import { compilation, installFix, installSystemPackages } from "./platform.ts";
import { binding, home, modules, probeCommand, probeFaiss, probeTimeoutMs, release } from "./probe.ts";

export { faissProbe, firstError, hasFaissBinding } from "./probe.ts";

/** A mirror that does not answer must not hold up the first start. */
const prebuiltTimeoutMs = 20_000;
/** One C++ file: 4 s where it was measured. */
const compileTimeoutMs = 180_000;

type Faiss =
  | { ready: true; how: "present" | "prebuilt" | "built" }
  | { ready: false; why: string; fix: string };

/** A binding that was just made: whether it loads. One that does not is taken away, so that nobody loads it. */
async function loads(say: Say, otherwise: string[]): Promise<boolean> {
  const name = "loading the FAISS binding";
  const step = { name, command: probeCommand, timeoutMs: probeTimeoutMs, cwd: home, otherwise };
  if (await runStep(step, say)) return true;
  rmSync(binding, { force: true });
  return false;
}

async function downloadPrebuilt(say: Say): Promise<boolean> {
  const tool = join(modules, "prebuild-install", "bin.js");
  const otherwise = ["next: it is built from source here"];
  const step = {
    name: "fetching the prebuilt FAISS binding",
    command: [process.execPath, tool, "--runtime", "napi"] as const,
    timeoutMs: prebuiltTimeoutMs,
    cwd: home,
    otherwise,
  };
  return (await runStep(step, say)) && (await loads(say, otherwise));
}

/** FAISS before 1.7.4 has `idx_t` only inside Index, while faiss-node 0.5.1 is written against 1.7.4. */
const idxShim = `#include <faiss/Index.h>
#if FAISS_VERSION_MAJOR == 1 && (FAISS_VERSION_MINOR < 7 || (FAISS_VERSION_MINOR == 7 && FAISS_VERSION_PATCH < 4))
namespace faiss { using idx_t = Index::idx_t; }
#endif
`;

async function compile(say: Say, otherwise: string[]): Promise<boolean> {
  mkdirSync(release, { recursive: true });
  const shim = join(home, "build", "idx.h");
  writeFileSync(shim, idxShim);
  const headers = ["node-api-headers/include", "node-addon-api"].map((name) => join(modules, name));
  const step = {
    name: "building the FAISS binding from source",
    command: compilation({ shim, headers, source: "src/faiss.cc", binding }),
    timeoutMs: compileTimeoutMs,
    cwd: home,
    otherwise,
  };
  return (await runStep(step, say)) && (await loads(say, otherwise));
}

async function build(say: Say): Promise<boolean> {
  say("building the FAISS binding from source, once …");
  if (await compile(say, ["next: FAISS and a compiler are looked for in the system's packages"])) return true;
  return (await installSystemPackages(say)) && (await compile(say, [`fix: ${installFix()}`]));
}

async function makeBinding(say: Say): Promise<Faiss> {
  const again = "run: bun scripts/faiss/faiss.ts";
  if (process.env.LAKEHOUSE_FAISS === "off")
    return { ready: false, why: "LAKEHOUSE_FAISS=off", fix: `unset it, then ${again}` };
  if (!existsSync(home))
    return { ready: false, why: "faiss-node is not installed", fix: "bun scripts/setup/setup.ts" };
  if ((await probeFaiss()).ok) return { ready: true, how: "present" };
  say("fetching the prebuilt FAISS binding …");
  if (await downloadPrebuilt(say)) return { ready: true, how: "prebuilt" };
  if (await build(say)) return { ready: true, how: "built" };
  return { ready: false, why: "see the failed steps above", fix: `${installFix()}, then ${again}` };
}

/** Makes the binding if it is missing and says how that went. Returns within the bounds of its steps; never throws for a missing FAISS. */
export async function ensureFaiss(say: Say): Promise<Faiss> {
  const faiss = await makeBinding(say);
  if (faiss.ready) {
    if (faiss.how !== "present") say(`FAISS is ready (${faiss.how}).`);
  } else {
    say(`FAISS is not available (${faiss.why}); everything but FAISS vector indexes works.`);
    say(`  To get it: ${faiss.fix}`);
  }
  return faiss;
}

if (import.meta.main) {
  const faiss = await ensureFaiss((line) => process.stderr.write(`faiss: ${line}\n`));
  if (faiss.ready && faiss.how === "present") process.stderr.write("faiss: FAISS is ready.\n");
  process.exit(faiss.ready ? 0 : 1);
}
