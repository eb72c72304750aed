/** The product as one process: `bun run supervisor [--only NAME,…] [--config FILE] [--section.key=value …]` */
import { join } from "node:path";
import {
  type Config,
  loadConfig,
  overcommitted,
  planMemory,
  provenanceOf,
  type ServiceSection,
} from "./config/config.ts";
import { makeDirectory, ownerOnly } from "./durable/durable.ts";
import { ConfigError } from "./errors/errors.ts";
import { holdBundle, lackingVariables } from "./image/image.ts";
import { systemClock, timestamp } from "./scheduling/scheduling.ts";
import { loadSecrets } from "./secrets/secrets.ts";
import { beginFolders } from "./service/service.ts";
import { createAdoption, isUsed, lockDirectory, refuseUnfinishedRestore, storeFile } from "./store/store.ts";
import {
  createReloading,
  refuseOpenBinds,
  type Supervisor,
  startSupervisor,
} from "./supervisor/supervisor.ts";
import {
  claimDescriptors,
  keepReserve,
  notifyReloading,
  notifySystemd,
  watchTerminal,
} from "./system/system.ts";
import { createLog, describe, type Log } from "./telemetry/telemetry.ts";
import { ownThreadId, readThread } from "./thread-time/thread-time.ts";
import { topology } from "./topology.ts";

const help = `bun run supervisor [options]
  --only NAME[,NAME…]    run only these services; they reach the others by their url
  --config FILE          instead of lakehouse.toml
  --adopt PLACE[,PLACE…] accept, at this start, what is there instead of what the store expects; /readyz names the places
  --SECTION.KEY=VALUE    any key of lakehouse.toml, as --gateway.bind=127.0.0.1:8080
  --help
`;

interface Arguments {
  only: ServiceSection[];
  file?: string;
  flags: string[];
  adopt: string[];
}

function parseArguments(words: readonly string[]): Arguments {
  const parsed: Arguments = { only: Object.keys(topology) as ServiceSection[], flags: [], adopt: [] };
  const rest = words.flatMap((word) =>
    /^--(only|config|adopt)=/.test(word)
      ? [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]
      : [word],
  );
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? "";
    if (word === "--only") parsed.only = services(rest[++at]);
    else if (word === "--config") parsed.file = required(word, rest[++at]);
    else if (word === "--adopt") parsed.adopt.push(...required(word, rest[++at]).split(","));
    else if (word.startsWith("--") && word.includes("=")) parsed.flags.push(word.slice(2));
    else throw new ConfigError(`unexpected argument '${word}'\n${help}`);
  }
  return parsed;
}

const required = (option: string, value: string | undefined): string => {
  if (value === undefined) throw new ConfigError(`${option} needs a value\n${help}`);
  return value;
};

function services(value: string | undefined): ServiceSection[] {
  return required("--only", value)
    .split(",")
    .map((name) => {
      if (!Object.hasOwn(topology, name))
        throw new ConfigError(
          `--only: there is no service '${name}'; expected ${Object.keys(topology).join(", ")}`,
        );
      return name as ServiceSection;
    });
}

async function main(): Promise<void> {
  process.umask(ownerOnly);
  const words = process.argv.slice(2);
  if (words.includes("--help")) return void process.stdout.write(help);
  const { only, file, flags, adopt } = parseArguments(words);
  const sources = { ...(file !== undefined && { file }), flags, env: process.env };
  const loaded = loadConfig(sources);
  const { warnings } = loaded;
  const plan = planMemory(loaded.config, only);
  const { config } = plan;
  const log = createLog("supervisor", config.log.level);
  for (const warning of warnings) log.warn(warning);
  const tooMuch = overcommitted(plan);
  if (tooMuch !== undefined) log.warn(`memory may run out: ${tooMuch}`);
  refuseOpenBinds(config, only);
  loadSecrets(config.secrets_path);
  refuseUnfinishedRestore(config.data_dir, process.env);
  refuseUnknownPlaces(adopt, only, config);
  const lacking = lackingVariables(process.env);
  if (Object.keys(lacking).length > 0)
    log.warn("a process cannot begin anew in place here: set these before the start for full speed", lacking);
  holdBundle();
  claimDescriptors(only.length);
  for (const name of only) {
    const directory = join(config.data_dir, name);
    await makeDirectory(directory);
    lockDirectory(directory);
  }
  const adoption = createAdoption(adopt, log);
  const now = () => timestamp(systemClock);
  await beginFolders({ dataDir: config.data_dir, services: only, adoption, log, now });
  if (ownThreadId() === undefined)
    log.warn(
      "the system does not tell what a thread does (no /proc): a service that hangs is reported, not replaced",
    );
  const signals = onSignals(log);
  const supervisor = await startSupervisor({
    config,
    provenance: provenanceOf(sources, loaded),
    topology,
    only,
    adopt,
    clock: systemClock,
    log,
    readThread,
  });
  keepReserve({ clock: systemClock, log });
  warnOfUnused(adopt, [...adoption.asked(), ...supervisor.asked()], { config, log });
  const reload = createReloading({ sources, first: loaded, only, log, apply: supervisor.reload });
  const ready = `READY=1\nSTATUS=running ${only.join(", ")}`;
  signals.arm(supervisor, async () => {
    notifyReloading();
    await reload();
    notifySystemd(ready);
  });
  process.stdout.write(greeting(supervisor));
  const silence = notifySystemd(ready);
  if (silence !== undefined)
    log.warn("systemd could not be told that the start is done", { reason: silence });
}

/** A place is a bucket, a service's folder, a file in one, or the store's record. */
function refuseUnknownPlaces(adopt: readonly string[], only: readonly string[], { buckets }: Config): void {
  const known = [...Object.keys(buckets), ...only, storeFile];
  const isLog = (place: string) => only.some((name) => place.startsWith(`${name}/`));
  const strange = adopt.find((place) => !known.includes(place) && !isLog(place));
  if (strange === undefined) return;
  throw new ConfigError(
    `--adopt: there is no place '${strange}'; expected a bucket (${Object.keys(buckets).join(", ")}), a service's folder ` +
      `(${only.join(", ")}), a file in one (as ${only[0]}/NAME) or ${storeFile}`,
  );
}

/** Buckets on S3 and files in folders are left out: they may be read after the start. */
function warnOfUnused(
  adopt: readonly string[],
  asked: readonly string[],
  { config, log }: { config: Config; log: Log },
): void {
  const isLocal = (place: string) => config.buckets[place]?.kind !== "s3" && !place.includes("/");
  const unused = adopt.filter((place) => isLocal(place) && !isUsed(place, asked));
  if (unused.length === 0) return;
  const open = asked.filter((place) => !adopt.some((given) => isUsed(given, [place])));
  log.warn("nothing is to be adopted there: it is as the store expects it", {
    places: unused,
    to_be_adopted: open,
  });
}

/**
 * The first SIGTERM or SIGINT drains and stops; a second one ends the process at once. SIGHUP reads the configuration
 * again, unless it says that the terminal is closed.
 */
function onSignals(log: ReturnType<typeof createLog>) {
  const armed = Promise.withResolvers<() => Promise<void>>();
  const terminal = watchTerminal();
  let supervisor: Supervisor | undefined;
  let asked = false;
  const stop = (signal: NodeJS.Signals) => {
    if (asked) process.exit(signal === "SIGINT" ? 130 : 143);
    asked = true;
    log.info("stopping", { signal });
    notifySystemd("STOPPING=1");
    (supervisor?.stop() ?? Promise.resolve()).then(
      () => process.exit(0),
      (error) => {
        log.error("stop failed", describe(error));
        process.exit(1);
      },
    );
  };
  const hangUp = async () => {
    if (await terminal.isClosed()) return stop("SIGHUP");
    const reload = await armed.promise;
    if (!asked) await reload();
  };
  process.on("SIGHUP", () => void hangUp());
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  return {
    arm: (started: Supervisor, reload: () => Promise<void>) => {
      supervisor = started;
      armed.resolve(reload);
    },
  };
}

function greeting(supervisor: Supervisor): string {
  const lines = supervisor
    .status()
    .map(({ name, address, state }) => `  ${name.padEnd(10)} ${address.padEnd(24)} ${state}`);
  const gateway = supervisor.status().find(({ name }) => name === "gateway")?.address;
  const hint =
    gateway === undefined
      ? ""
      : `\nAPI:   ${gateway}/docs\nTry:   printf 'id,name\\n1,Ann\\n' | curl -sS --data-binary @- '${gateway}/v1/ingest?name=people'\n       curl -sS ${gateway}/v1/sql -d '{"sql":"SELECT * FROM people"}'\n`;
  const away = supervisor.status().filter(({ state }) => state !== "ready");
  const missing = away.map(
    ({ name, state, last_error: why }) => `${name} is ${state}${why ? ` (${why})` : ""}`,
  );
  const but = missing.length === 0 ? "" : `, but not all of it: ${missing.join("; ")}`;
  return `Lakehouse is running${but}. Ctrl-C stops it.\n${lines.join("\n")}\n${hint}`;
}

try {
  await main();
} catch (error) {
  process.stderr.write(
    `${error instanceof ConfigError ? "" : "Lakehouse cannot start: "}${(error as Error).message}\n`,
  );
  process.exit(1);
}
