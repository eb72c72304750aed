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

/** The modules that read the configuration need the packages. */
async function readers() {
  try {
    const [configuration, places] = await Promise.all([
      import("./doctor/configuration.ts"),
      import("./doctor/places.ts"),
    ]);
    return { ...configuration, ...places };
  } catch (cause) {
    return { absent: messageOf(cause) };
  }
}

async function configured(file: string | undefined): Promise<Check[]> {
  const read = await readers();
  if ("absent" in read) {
    const found = `cannot be read without the packages: ${read.absent}`;
    return [broken("configuration", true, found, "bun scripts/setup.ts")];
  }
  const { check, config } = read.readConfiguration(root, file);
  if (config === undefined) return [check];
  const local = [check, read.binds(config), read.dataDirectory(config), await read.ports(config)];
  return [...local, read.secrets(config), ...(await read.s3(config))];
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
  const installation = [bunVersion(), packages(), duckdb(root), faiss(), hook(root)];
  const checks = [...installation, memory(), clock(root), ...(await configured(values.config))];
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
