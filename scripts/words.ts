/** What commands share at the command line beside their own words: the configuration, as a start would have it. */
import { loadConfig } from "../runtime/config.ts";
import { ConfigError } from "../runtime/config-error.ts";
import type { Config } from "../runtime/settings.ts";

/** Wrong words: they are told with what is expected, and the exit code is 2. */
export class UsageError extends Error {}

/** `--config FILE` and `--section.key=value`, as the supervisor takes them. */
export interface ConfigWords {
  file?: string | undefined;
  /** Without their dashes. */
  flags: string[];
}

/** The configuration as a start with these words would have it. Throws UsageError. */
export function configOf({ file, flags }: ConfigWords): Config {
  try {
    return loadConfig({ ...(file !== undefined && { file }), flags, env: process.env }).config;
  } catch (cause) {
    if (cause instanceof ConfigError) throw new UsageError(cause.message);
    throw cause;
  }
}
