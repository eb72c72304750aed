/** What is configured: the file and its overrides, binds, secrets. */
import { existsSync } from "node:fs";
import { isLoopback, parseBind } from "../../runtime/addresses/addresses.ts";
import { bindRefusal, tokensOf } from "../../runtime/auth/auth.ts";
import { type Config, defaults, type LoadedConfig, loadConfig } from "../../runtime/config/config.ts";
import { loadSecrets } from "../../runtime/secrets/secrets.ts";
import { listening } from "../command-line/command-line.ts";
import { messageOf } from "../subprocess/subprocess.ts";
import { type Check, missing, ok } from "./check.ts";
import { isWorldReadable } from "./tokens.ts";

interface Read {
  checks: Check[];
  loaded?: LoadedConfig;
}

/** Reads the configuration as a start would; without one the checks that need it are left out. */
export function readConfiguration(root: string, file: string | undefined): Read {
  try {
    const sources = { directory: root, ...(file !== undefined && { file }) };
    const loaded = loadConfig({ ...sources, env: process.env });
    const { provenance, warnings } = loaded;
    const own = [...provenance].filter(([, source]) => source !== "default" && !source.endsWith(".toml"));
    const overridden = own.map(([key, source]) => `${key} from ${source}`).join(", ");
    const found = [file ?? process.env.LH_CONFIG ?? "lakehouse.toml", overridden, ...warnings];
    const env = process.env.LH_CONFIG === undefined ? {} : { LH_CONFIG: process.env.LH_CONFIG };
    const inFile = loadConfig({ ...sources, env });
    const check = ok("configuration", true, found.filter(Boolean).join("; "));
    return { checks: [check, shadows(loaded, inFile)], loaded };
  } catch (cause) {
    const fix = "mend what the message names; lakehouse.toml lists every key";
    return { checks: [missing("configuration", true, messageOf(cause), fix)] };
  }
}

const at = (config: Config, key: string): unknown =>
  key.split(".").reduce((value: unknown, part) => (value as Record<string, unknown>)[part], config);

/** Variables that change what somebody set in the file: easily forgotten in a shell. */
function shadows(loaded: LoadedConfig, inFile: LoadedConfig): Check {
  const usual = defaults();
  const text = (config: Config, key: string) => JSON.stringify(at(config, key));
  const shadowing = [...loaded.provenance].filter(
    ([key, source]) =>
      source !== inFile.provenance.get(key) &&
      inFile.provenance.get(key) !== "default" &&
      key !== "data_dir" &&
      text(inFile.config, key) !== text(usual, key) &&
      text(inFile.config, key) !== text(loaded.config, key),
  );
  if (shadowing.length === 0) return ok("environment", false, "changes nothing that the file sets");
  const list = shadowing.map(([key, source]) => `${source} shadows ${key} of the file`).join("; ");
  const fix = `unset ${shadowing.map(([, source]) => source).join(" ")}, or take the line out of the file`;
  return missing("environment", false, list, fix);
}

/** The gate of a start, and what was let through it on purpose. */
export function binds(config: Config): Check {
  const outside = listening(config).filter((name) => !isLoopback(parseBind(config[name].bind).host));
  const refusals = outside.flatMap((name) => {
    const { bind, allow_nonloopback } = config[name];
    return bindRefusal(name, parseBind(bind).host, config.auth, allow_nonloopback) ?? [];
  });
  if (refusals.length > 0)
    return missing("bind gate", true, refusals.join("; "), "set AUTH_TOKEN, or bind to 127.0.0.1");
  if (outside.length === 0) return ok("bind gate", true, "every service listens on this machine alone");
  if (tokensOf(config.auth).length > 0)
    return ok("bind gate", true, `${outside.join(", ")} open to the network, with a token`);
  const found = `${outside.join(", ")} open to the network without a token (allow_nonloopback)`;
  return missing(
    "bind gate",
    false,
    found,
    "set AUTH_TOKEN: whoever reaches the address may read and write all",
  );
}

export function secrets(config: Config): Check {
  const path = config.secrets_path;
  const buckets = Object.entries(config.buckets).flatMap(([name, { kind }]) => (kind === "s3" ? [name] : []));
  try {
    const loaded = loadSecrets(path);
    const without = buckets.filter((name) => loaded.s3(name) === undefined);
    if (without.length > 0) {
      const fix = `add [s3.${without[0]}] with access_key_id and secret_access_key to ${path}, then: chmod 600 ${path}`;
      return missing("secrets", true, `no keys for ${without.join(", ")}`, fix);
    }
    if (existsSync(path)) return ok("secrets", true, `${path}, not readable by everyone`);
    return ok("secrets", true, `${path} does not exist; no bucket needs it`);
  } catch (cause) {
    const fix = isWorldReadable(path)
      ? `chmod 600 ${path}`
      : "mend what the message names; see deploy/etc-lakehouse/secrets.toml.example";
    return missing("secrets", true, messageOf(cause), fix);
  }
}
