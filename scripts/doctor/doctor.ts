/**
 * `bun run doctor [--json] [--config FILE]`: probes all that Lakehouse depends on as it is configured, and tells the fix
 * of each thing that is missing. Ends with 1 only when something required is. Its own imports are Bun's, so that it runs
 * before setup. With --json: `{ "ok": boolean, "checks": [Check, …] }`, a Check as in doctor/check.ts.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { messageOf } from "../subprocess/subprocess.ts";
import { bounded, type Check, missing } from "./check.ts";
import { bunVersion, faiss, hook, native, packages } from "./toolchain.ts";

const root = resolve(import.meta.dir, "../..");

/** What needs no configuration. */
const installation = (): Promise<Check[]>[] => [
  bounded("bun", true, bunVersion),
  bounded("packages", true, packages),
  bounded("duckdb", true, () => native(root, "duckdb")),
  bounded("usearch", true, () => native(root, "usearch")),
  bounded("sqlite words", true, () => native(root, "sqlite words")),
  bounded("git hook", false, () => hook(root)),
];

/** What does; its modules need the packages. */
async function configured(file: string | undefined): Promise<Check[]> {
  try {
    const { probeConfigured } = await import("./configured.ts");
    return await probeConfigured(root, file);
  } catch (cause) {
    const found = `cannot be read without the packages: ${messageOf(cause)}`;
    const unread = missing("configuration", true, found, "bun scripts/setup/setup.ts");
    return [unread, ...(await bounded("faiss", false, () => faiss(root, false)))];
  }
}

const line = ({ name, required, state, found, fix }: Check): string => {
  const shown = state === "ok" ? "ok      " : required ? "MISSING " : "optional";
  return `${shown}  ${name.padEnd(18)} ${found}${fix === undefined ? "" : `\n          ${"".padEnd(18)} fix: ${fix}`}`;
};

function summary(checks: readonly Check[]): string {
  const count = (required: boolean): number =>
    checks.filter((check) => check.state === "missing" && check.required === required).length;
  const rest = count(false) === 0 ? "" : `; ${count(false)} optional missing`;
  return count(true) === 0
    ? `doctor: everything required is here${rest}`
    : `doctor: ${count(true)} required missing${rest}`;
}

async function main(): Promise<number> {
  const options = { json: { type: "boolean" }, config: { type: "string" } } as const;
  const { values } = parseArgs({ options });
  const checks = (await Promise.all([...installation(), configured(values.config)])).flat();
  const isLacking = checks.some(({ required, state }) => required && state === "missing");
  const text = values.json
    ? JSON.stringify({ ok: !isLacking, checks }, null, 2)
    : [...checks.map(line), "", summary(checks)].join("\n");
  process.stdout.write(`${text}\n`);
  return isLacking ? 1 : 0;
}

if (import.meta.main) {
  try {
    process.exit(await main());
  } catch (cause) {
    process.stderr.write(`${messageOf(cause)}\nusage: bun run doctor [--json] [--config FILE]\n`);
    process.exit(2);
  }
}
