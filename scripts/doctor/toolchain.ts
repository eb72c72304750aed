/** What was installed: Bun, packages, native parts, the hook. */
import { firstError, probeFaiss } from "../faiss.ts";
import { hookPath, hookState } from "../hooks.ts";
import { installed, wanted } from "../setup.ts";
import { broken, type Check, ok } from "./check.ts";

const probeTimeoutMs = 20_000;

export function bunVersion(): Check {
  const { bun } = wanted();
  if (Bun.version === bun) return ok("bun", true, bun);
  return broken(
    "bun",
    true,
    `${Bun.version}, pinned is ${bun}`,
    `npx -y bun@${bun} run doctor (every command fetches the pinned one by itself)`,
  );
}

export function packages(): Check {
  if (installed(wanted().stamp)) return ok("packages", true, "as in bun.lock");
  return broken("packages", true, "missing, or not those of bun.lock", "bun scripts/setup.ts");
}

const duckdbProbe =
  'const { DuckDBInstance } = require("@duckdb/node-api"); const instance = await DuckDBInstance.create(":memory:"); ' +
  'const connection = await instance.connect(); const reader = await connection.runAndReadAll("SELECT version() AS v"); ' +
  "process.stdout.write(String(reader.getRows()[0][0]))";

/** In a process of its own: a native library that is broken may end the one that loads it. */
export function duckdb(root: string): Check {
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, "--no-install", "-e", duckdbProbe], {
    cwd: root,
    timeout: probeTimeoutMs,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (exitCode === 0) return ok("duckdb", true, `${stdout} loads and answers`);
  return broken(
    "duckdb",
    true,
    `does not load: ${firstError(stderr.toString().trim())}`,
    "remove node_modules, then: bun scripts/setup.ts",
  );
}

export function faiss(): Check {
  const { ok: works, why } = probeFaiss();
  if (works) return ok("faiss", false, "loads and finds a neighbour");
  return broken("faiss", false, why, "bun scripts/faiss.ts (tells what it lacks)");
}

export function hook(root: string): Check {
  const path = hookPath(root);
  if (path === undefined) return ok("git hook", false, "no git repository");
  const state = hookState(path);
  if (state === "ours") return ok("git hook", false, "pre-push runs the whole gate");
  return broken(
    "git hook",
    false,
    state === "none" ? "not installed" : "another pre-push hook is there",
    "bun run hooks",
  );
}
