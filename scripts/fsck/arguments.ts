/** The command-line arguments of fsck. */
import type { Config } from "../../runtime/config/config.ts";
import {
  type ConfigArguments,
  gatewayOf,
  listening,
  parseArguments,
  UsageError,
} from "../command-line/command-line.ts";

export const usage = `usage: bun run fsck [SERVICE…] [--gateway URL] [--json] [--config FILE] [--SECTION.KEY=VALUE …]
  SERVICE…      only these; all of them unless told
  --gateway     of a Lakehouse that runs; else the configured one, and where nothing runs there, one is started on the
                configured data directory for the check
  --json        one JSON document on stdout
  --config      instead of lakehouse.toml; any of its keys as --SECTION.KEY=VALUE, as --data_dir=/srv/lakehouse`;

export interface FsckArguments extends ConfigArguments {
  services: string[];
  /** Without a `/` at its end. */
  gateway: string | undefined;
  json: boolean;
}

/** Throws UsageError. */
export function parseFsckArguments(words: readonly string[]): FsckArguments {
  const read = parseArguments(words, { options: ["gateway"], switches: ["json"], usage });
  const { plain, switches, file, flags } = read;
  return { services: plain, gateway: gatewayOf(read), json: switches.has("json"), file, flags };
}

/** The services to ask, in the order in which they stand on each other. Throws UsageError. */
export function servicesOf({ services }: Pick<FsckArguments, "services">, config: Config): string[] {
  const all: string[] = listening(config);
  const unknown = services.find((name) => !all.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`there is no service '${unknown}'; expected some of ${all.join(", ")}`);
  return services.length === 0 ? all : all.filter((name) => services.includes(name));
}
