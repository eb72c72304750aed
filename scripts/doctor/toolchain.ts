/** What was installed: Bun, packages, native parts, the hook. */

import { faissProbe, firstError, hasFaissBinding } from "../faiss/faiss.ts";
import { installed, wanted } from "../setup/setup.ts";
import { run } from "../subprocess/subprocess.ts";
import { hookPath, hookState } from "../test/test.ts";
import { type Check, missing, ok } from "./check.ts";

const probeTimeoutMs = 20_000;

export function bunVersion(): Check {
  const { bun } = wanted();
  if (Bun.version === bun) return ok("bun", true, bun);
  const fix = `npx -y bun@${bun} run doctor (every command fetches the pinned one by itself)`;
  return missing("bun", true, `${Bun.version}, pinned is ${bun}`, fix);
}

export function packages(): Check {
  if (installed(wanted().stamp, "production")) return ok("packages", true, "as in bun.lock");
  return missing("packages", true, "missing, or not those of bun.lock", "bun scripts/setup/setup.ts");
}

const probes = {
  duckdb: {
    code:
      'const { DuckDBInstance } = require("@duckdb/node-api"); const instance = await DuckDBInstance.create(":memory:"); ' +
      'const connection = await instance.connect(); const reader = await connection.runAndReadAll("SELECT version() AS v"); ' +
      "process.stdout.write(String(reader.getRows()[0][0]))",
    found: "loads and answers",
  },
  usearch: {
    code:
      'const { Index } = require("usearch"); const index = new Index({ metric: "l2sq", dimensions: 2 }); ' +
      "index.add(7n, new Float32Array([3, 4])); if (index.search(new Float32Array([3, 3]), 1).keys[0] !== 7n) process.exit(1)",
    found: "loads and finds a neighbour",
  },
  "sqlite words": {
    code:
      'const { Database } = require("bun:sqlite"); const database = new Database(":memory:"); ' +
      'database.run("CREATE VIRTUAL TABLE t USING fts5(words)"); database.run("INSERT INTO t VALUES (?)", ["pipe welder"]); ' +
      'if (database.query("SELECT count(*) AS n FROM t WHERE t MATCH ?").get("welder").n !== 1) process.exit(1)',
    found: "FTS5 finds a word",
  },
} as const;

/** In a process of its own: a native library that is broken may end the one that loads it. */
const evaluated = (root: string, code: string) =>
  run([process.execPath, "--no-install", "-e", code], { cwd: root, timeoutMs: probeTimeoutMs });

export async function native(root: string, name: keyof typeof probes): Promise<Check> {
  const { code, found } = probes[name];
  const { code: exitCode, out, err } = await evaluated(root, code);
  if (exitCode === 0) return ok(name, true, out === "" ? found : `${out} ${found}`);
  const why = `does not load: ${firstError(err)}`;
  return missing(name, true, why, "rm -rf node_modules && bun scripts/setup/setup.ts");
}

/** Required only where it is configured to build indexes. */
export async function faiss(root: string, required: boolean): Promise<Check> {
  const fix = "bun scripts/faiss/faiss.ts";
  if (!hasFaissBinding()) return missing("faiss", required, "the binding was not built", fix);
  const { code, err } = await evaluated(root, faissProbe);
  if (code === 0) return ok("faiss", required, "loads and finds a neighbour");
  return missing("faiss", required, firstError(err), fix);
}

export function hook(root: string): Check {
  const path = hookPath(root);
  if (path === undefined) return ok("git hook", false, "no git repository");
  const state = hookState(path);
  if (state === "ours") return ok("git hook", false, "pre-push runs the whole gate");
  const found = state === "none" ? "not installed" : "another pre-push hook is there";
  return missing("git hook", false, found, "bun run hooks");
}
