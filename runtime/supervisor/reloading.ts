/** Reading the configuration again, one time after the other, and applying it where it is sound. */
import { Mutex } from "async-mutex";
import {
  type ConfigSources,
  type LoadedConfig,
  loadConfig,
  loadSecrets,
  type ServiceSection,
  secretsDigest,
} from "../config/config.ts";
import { type Live, planReload } from "../service/service.ts";
import type { Log } from "../telemetry/telemetry.ts";

interface ReloadingOptions {
  sources: ConfigSources;
  /** The configuration that runs. */
  first: LoadedConfig;
  only: readonly ServiceSection[];
  log: Log;
  /** Resolves when what changed holds in every service. */
  apply: (live: Live) => Promise<void>;
}

/**
 * Returns what reads all sources again and applies what can change while everything runs. A mistake anywhere leaves
 * everything as it was and is logged; so is each key that needs a restart.
 */
export function createReloading({ sources, first, only, log, apply }: ReloadingOptions): () => Promise<void> {
  const mutex = new Mutex();
  const { secrets_path } = first.config;
  const secretsAtStart = secretsDigest(secrets_path);
  let running = first;

  const reload = async () => {
    const read = loadConfig(sources);
    loadSecrets(secrets_path);
    const { config, changed, needsRestart } = planReload(running, read, only);
    if (secretsDigest(secrets_path) !== secretsAtStart) needsRestart.push(`what ${secrets_path} holds`);
    running = { ...read, config };
    log.setLevel(config.log.level);
    for (const warning of read.warnings) log.warn(warning);
    await apply({ auth: config.auth, log: config.log });
    const fields = { changed, needs_restart: needsRestart };
    if (needsRestart.length > 0) log.warn("configuration reloaded, but not all of it", fields);
    else log.info("configuration reloaded", fields);
  };
  return () =>
    mutex
      .runExclusive(reload)
      .catch((error: Error) =>
        log.error("configuration not reloaded: it stays as it was", { error: error.message }),
      );
}
