/**
 * `bun run doctor [--json] [--config FILE]`: probes all that Lakehouse depends on and tells the fix of each thing that
 * is missing. Ends with 1 only when something required is. Its own imports are Bun's, so that it runs before setup.
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { broken, type Check, messageOf } from "./doctor/check.ts";
import { clock, memory } from "./doctor/machine.ts";
import { bunVersion, duckdb, faiss, hook, packages } from "./doctor/toolchain.ts";

const root = resolve(import.meta.dir, "..");

/** The checks that read the configuration, which needs the packages. */
async function configured(file: string | undefined): Promise<Check[]> {
  try {
    const { binds, readConfiguration, s3, secrets } = await import("./doctor/configuration.ts");
    const { dataDirectory, ports } = await import("./doctor/places.ts");
    const { check, config } = readConfiguration(root, file);
    if (config === undefined) return [check];
    return [
      check,
      binds(config),
      dataDirectory(config),
      await ports(config),
      secrets(config),
      ...(await s3(config)),
    ];
  } catch (cause) {
    return [
      broken(
        "configuration",
        true,
        `cannot be read without the packages: ${messageOf(cause)}`,
        "bun scripts/setup.ts",
      ),
    ];
  }
}

const line = ({ name, required, ok, found, fix }: Check): string => {
  const state = ok ? "ok      " : required ? "MISSING " : "optional";
  return `${state}  ${name.padEnd(16)} ${found}${fix === undefined ? "" : `\n          ${"".padEnd(16)} fix: ${fix}`}`;
};

function summary(checks: readonly Check[]): string {
  const count = (required: boolean): number =>
    checks.filter((check) => !check.ok && check.required === required).length;
  const rest = count(false) === 0 ? "" : `; ${count(false)} optional missing`;
  return count(true) === 0
    ? `doctor: everything required is here${rest}`
    : `doctor: ${count(true)} required missing${rest}`;
}

async function main(): Promise<number> {
  const options = { json: { type: "boolean" }, config: { type: "string" } } as const;
  const { values } = parseArgs({ options });
  const checks = [
    bunVersion(),
    packages(),
    duckdb(root),
    faiss(),
    ...(await configured(values.config)),
    hook(root),
  ];
  if (memory && clock) checks.push(memory(), clock(root));
  const missing = checks.some((check) => check.required && !check.ok);
  const text = values.json
    ? JSON.stringify({ ok: !missing, checks }, null, 2)
    : [...checks.map(line), "", summary(checks)].join("\n");
  process.stdout.write(`${text}\n`);
  return missing ? 1 : 0;
}

if (import.meta.main) {
  try {
    process.exit(await main());
  } catch (cause) {
    process.stderr.write(`${messageOf(cause)}\nusage: bun run doctor [--json] [--config FILE]\n`);
    process.exit(2);
  }
}
