/** The words of the command line. */
import type { Config } from "../../runtime/settings.ts";
import { listening } from "../doctor/ports.ts";
import { type ConfigWords, UsageError } from "../words.ts";

export const usage = `usage: bun run fsck [SERVICE…] [--gateway URL] [--json] [--config FILE] [--SECTION.KEY=VALUE …]
  SERVICE…      only these; all of them unless told
  --gateway     of a Lakehouse that runs; else the configured one, and where nothing runs there, one is started on the
                configured data directory for the check
  --json        one JSON document on stdout
  --config      instead of lakehouse.toml; any of its keys as --SECTION.KEY=VALUE, as --data_dir=/srv/lakehouse`;

export interface Words extends ConfigWords {
  services: string[];
  /** Without a `/` at its end. */
  gateway?: string;
  json: boolean;
}

/** Takes the words apart. Throws UsageError. */
export function readWords(words: readonly string[]): Words {
  const read: Words = { services: [], json: false, flags: [] };
  const left = [...words];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    const [, name, value] = /^--(gateway|config)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === "gateway") read.gateway = addressOf(given(word, value ?? left.shift()));
    else if (name === "config") read.file = given(word, value ?? left.shift());
    else if (word === "--json") read.json = true;
    else if (/^--[\w.]+=/.test(word)) read.flags.push(word.slice(2));
    else if (word.startsWith("-")) throw new UsageError(`unexpected option '${word}'\n${usage}`);
    else if (!read.services.includes(word)) read.services.push(word);
  }
  return read;
}

function given(word: string, value: string | undefined): string {
  if (value !== undefined && value !== "" && !value.startsWith("-")) return value;
  throw new UsageError(`${word.replace(/=$/, "")} needs a value\n${usage}`);
}

function addressOf(text: string): string {
  if (/^https?:\/\/[^/]+\/?$/.test(text) && URL.canParse(text)) return text.replace(/\/$/, "");
  throw new UsageError(`--gateway: expected an address such as http://127.0.0.1:3110, got '${text}'`);
}

/** The services to ask, in the order in which they stand on each other. Throws UsageError. */
export function servicesOf({ services }: Words, config: Config): string[] {
  const all: string[] = listening(config);
  const unknown = services.find((name) => !all.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`there is no service '${unknown}'; expected some of ${all.join(", ")}`);
  return services.length === 0 ? all : all.filter((name) => services.includes(name));
}
