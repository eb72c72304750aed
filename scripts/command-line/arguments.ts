/** Command-line arguments, and the configuration as a start with them would have it. */
import { existsSync } from "node:fs";
import { type Config, loadConfig, type ServiceSection } from "../../runtime/config/config.ts";
import { ConfigError } from "../../runtime/errors/errors.ts";

/** Wrong arguments: the message says what is expected, and the exit code is 2. */
export class UsageError extends Error {}

/** `--config FILE` and `--section.key=value`, as the supervisor takes them. */
export interface ConfigArguments {
  file?: string | undefined;
  /** Without their dashes. */
  flags: string[];
}

/** The parsed arguments of a command. */
export interface Arguments extends ConfigArguments {
  /** Positional arguments, in order. */
  plain: string[];
  options: Record<string, string>;
  switches: Set<string>;
}

/** What a command accepts besides the configuration. */
interface Accepted {
  /** Names of options that have a value, as `--keep 3` or `--keep=3`. */
  options: readonly string[];
  switches: readonly string[];
  usage: string;
}

/** Parses arguments; `--section.key=value` and `--data_dir=…` are settings. Throws UsageError. */
export function parseArguments(args: readonly string[], { options, switches, usage }: Accepted): Arguments {
  const read: Arguments = { plain: [], options: {}, switches: new Set(), flags: [] };
  const valued = ["config", ...options];
  const left = [...args];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    const [, name = "", given] = /^--([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (valued.includes(name)) {
      const value = given ?? left.shift() ?? "";
      if (value === "" || value.startsWith("-")) throw new UsageError(`--${name} needs a value\n${usage}`);
      read.options[name] = value;
    } else if (switches.includes(name) && given === undefined) read.switches.add(name);
    else if (/^--[\w.]+=/.test(word)) read.flags.push(word.slice(2));
    else if (word.startsWith("-") && word !== "-")
      throw new UsageError(`unexpected option '${word}'\n${usage}`);
    else read.plain.push(word);
  }
  return { ...read, file: read.options.config };
}

/** The address of a gateway, without a `/` at its end. Throws UsageError. */
export function gatewayOf({ options: { gateway } }: Arguments): string | undefined {
  if (gateway === undefined || (/^https?:\/\/[^/]+\/?$/.test(gateway) && URL.canParse(gateway)))
    return gateway?.replace(/\/$/, "");
  throw new UsageError(`--gateway: expected an address such as http://127.0.0.1:3110, got '${gateway}'`);
}

/**
 * The configuration as a start with these arguments would have it. Throws UsageError, also for a file that is not there: a
 * start warns and goes on with the defaults, but a command would work on another data directory than was meant.
 */
export function configOf({ file, flags }: ConfigArguments): Config {
  if (file !== undefined && !existsSync(file)) throw new UsageError(`--config: there is no file '${file}'`);
  try {
    return loadConfig({ ...(file !== undefined && { file }), flags, env: process.env }).config;
  } catch (cause) {
    if (cause instanceof ConfigError) throw new UsageError(cause.message);
    throw cause;
  }
}

/** The sections that listen, from the configuration itself. */
export const listening = (config: Config): ServiceSection[] =>
  Object.entries(config)
    .filter(([, section]) => typeof section === "object" && "bind" in section && "url" in section)
    .map(([name]) => name as ServiceSection);
