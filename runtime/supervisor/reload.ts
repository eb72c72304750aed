/** What a configuration that was read again changes while everything runs: a pure decision. */
import { isDeepStrictEqual } from "node:util";
import { Mutex } from "async-mutex";
import { parseBind } from "../addresses/addresses.ts";
import { bindRefusal } from "../auth/auth.ts";
import {
  type Config,
  type ConfigSources,
  type LoadedConfig,
  loadConfig,
  provenanceOf,
  type ServiceSection,
} from "../config/config.ts";
import { ConfigError } from "../errors/errors.ts";
import { loadSecrets, secretsDigest } from "../secrets/secrets.ts";
import type { Live } from "../service/service.ts";
import type { Log } from "../telemetry/telemetry.ts";

interface ReloadPlan {
  config: Config;
  /** Keys that are other than before, and hold from now on. */
  changed: string[];
  /** Keys that are other than those the process started with, and wait for a restart. */
  needsRestart: string[];
}

const liveSections: ReadonlySet<string> = new Set(["auth", "log"]);

/**
 * Compares what runs with what was read. Throws ConfigError, and so changes nothing, when a file that was read before
 * is gone (its tokens would be gone with it) or when a service would listen to the network without a token.
 */
export function planReload(
  running: LoadedConfig,
  read: LoadedConfig,
  only: readonly ServiceSection[],
): ReloadPlan {
  const gone = read.files.absent.find((path) => running.files.read.includes(path));
  if (gone !== undefined) throw new ConfigError(`${gone} was there before and is gone: put it back`);
  const config: Config = { ...running.config, auth: read.config.auth, log: read.config.log };
  refuseOpenBinds(config, only);
  const differing = differences(running.config, read.config);
  const isLive = (key: string) => liveSections.has(key.split(".")[0] ?? "");
  return {
    config,
    changed: differing.filter(isLive),
    needsRestart: differing.filter((key) => !isLive(key)),
  };
}

/** Throws ConfigError when a service of `only` would listen to the network without a token. */
export function refuseOpenBinds(config: Config, only: readonly ServiceSection[]): void {
  for (const name of only) {
    const { bind, allow_nonloopback } = config[name];
    const refusal = bindRefusal(name, parseBind(bind).host, config.auth, allow_nonloopback);
    if (refusal !== undefined) throw new ConfigError(refusal);
  }
  const { bind, allow_nonloopback } = config.pgwire;
  if (bind === "" || !only.includes("gateway")) return;
  const refusal = bindRefusal("pgwire", parseBind(bind).host, config.auth, allow_nonloopback);
  if (refusal !== undefined) throw new ConfigError(refusal);
}

/** Where the values came from that hold: those that wait for a restart are as they were. */
const liveProvenance = (running: LoadedConfig, read: LoadedConfig): LoadedConfig["provenance"] =>
  new Map(
    [...running.provenance].map(([key, source]) => [
      key,
      liveSections.has(key.split(".")[0] ?? "") ? (read.provenance.get(key) ?? source) : source,
    ]),
  );

/** Keys, as `gateway.bind`, that two configurations do not agree on. */
function differences(left: Config, right: Config): string[] {
  const flat = (config: Config) =>
    new Map(
      Object.entries(config).flatMap(([section, table]): [string, unknown][] =>
        typeof table === "object"
          ? Object.entries(table).map(([key, value]) => [`${section}.${key}`, value])
          : [[section, table]],
      ),
    );
  const before = flat(left);
  const after = flat(right);
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((key) => !isDeepStrictEqual(before.get(key), after.get(key)));
}

// Reading the configuration again, one time after the other, and applying it where it is sound.

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
    running = { ...read, config, provenance: liveProvenance(running, read) };
    log.setLevel(config.log.level);
    for (const warning of read.warnings) log.warn(warning);
    await apply({ auth: config.auth, log: config.log, provenance: provenanceOf(sources, running) });
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
