/**
 * One typed, frozen configuration, read once: built-in defaults, then the file, then `LH_…` variables, then
 * flags. Each value remembers where it came from.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { errorCode } from "./files.ts";
import { nearNames } from "./nearest.ts";
import { isSetting, type Setting } from "./setting.ts";
import { type Config, settings } from "./settings.ts";

export interface LoadedConfig {
  config: Config;
  /** Key, as `gateway.bind`, to where its value came from: `default`, a file, a variable or a flag. */
  provenance: ReadonlyMap<string, string>;
  warnings: string[];
}

/** What stops a start; the message names the file, variable or flag, the key and what is expected. */
export class ConfigError extends Error {}

/** Every key, as `gateway.bind`, with its setting. Sections that are one table themselves have no dot. */
const keys: ReadonlyMap<string, Setting> = new Map(
  Object.entries(settings).flatMap(([section, table]): [string, Setting][] => {
    if (isSetting(table)) return [[section, table]];
    return Object.entries(table).map(([key, setting]) => [
      section === "" ? key : `${section}.${key}`,
      setting as Setting,
    ]);
  }),
);

/** `gateway.bind` → `LH_GATEWAY_BIND`. */
const variableOf = (key: string): string => `LH_${key.replace(".", "_").toUpperCase()}`;
const variables = new Map([...keys.keys()].map((key) => [variableOf(key), key]));

/** The built-in defaults, unresolved (`data_dir` stays relative). */
export const defaults = (): Config => assemble(new Map());

export interface ConfigSources {
  /** The file asked for; without it `lakehouse.toml` in `directory`, which need not exist. */
  file?: string;
  /** Where relative paths start; the current directory unless told. */
  directory?: string;
  env?: Record<string, string | undefined>;
  /** `key=value` texts, as from `--gateway.bind=…`. */
  flags?: readonly string[];
}

/** Reads all sources. Throws ConfigError on the first thing that is wrong. */
export function loadConfig({ file, directory = ".", env = {}, flags = [] }: ConfigSources): LoadedConfig {
  const values = new Map<string, unknown>();
  const provenance = new Map<string, string>([...keys.keys()].map((key) => [key, "default"]));
  const warnings: string[] = [];
  const set = (key: string, value: unknown, source: string) => {
    values.set(key, checked(key, value, source));
    provenance.set(key, source);
  };

  const path = file ?? env.LH_CONFIG ?? "lakehouse.toml";
  const asked = file !== undefined || env.LH_CONFIG !== undefined;
  for (const [key, value] of readFile(resolve(directory, path), path, asked, warnings)) set(key, value, path);
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("LH_") || name === "LH_CONFIG" || text === undefined) continue;
    const key = variables.get(name);
    if (key === undefined)
      throw new ConfigError(`${name}: unknown variable${nearest(name, variables.keys())}`);
    set(key, fromText(key, text, name), name);
  }
  for (const flag of flags) {
    const [key = "", ...rest] = flag.split("=");
    if (!keys.has(key)) throw new ConfigError(`--${key}: unknown key${nearest(key, keys.keys())}`);
    set(key, fromText(key, rest.join("="), `--${key}`), `--${key}`);
  }
  takeTokens(values, provenance, env);
  values.set("data_dir", resolve(directory, String(values.get("data_dir") ?? settings[""].data_dir.default)));
  return { config: assemble(values), provenance, warnings };
}

/** The environment gives tokens when the configuration does not; an explicit token wins. */
function takeTokens(
  values: Map<string, unknown>,
  provenance: Map<string, string>,
  env: Record<string, string | undefined>,
): void {
  const name = String(values.get("auth.token_env") ?? settings.auth.token_env.default);
  const token = env[name];
  if (!values.get("auth.token") && token) {
    values.set("auth.token", token);
    provenance.set("auth.token", name);
  }
  const secondary = env.AUTH_SECONDARY_TOKEN;
  if (secondary) {
    const before = (values.get("auth.secondary_tokens") as string[] | undefined) ?? [];
    values.set("auth.secondary_tokens", [
      ...before,
      ...secondary
        .split(",")
        .map((text) => text.trim())
        .filter(Boolean),
    ]);
    provenance.set("auth.secondary_tokens", "AUTH_SECONDARY_TOKEN");
  }
}

function readFile(path: string, shown: string, asked: boolean, warnings: string[]): [string, unknown][] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw new ConfigError(`${shown} cannot be read: ${errorCode(cause)}`);
    if (asked) warnings.push(`${shown} does not exist: going on with defaults, environment and flags`);
    return [];
  }
  return flatten(parseToml(text, shown), shown);
}

function parseToml(text: string, shown: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [first = ""] = cause.message.split("\n");
    throw new ConfigError(`${shown}:${cause.line}:${cause.column}: ${first}`);
  }
}

function flatten(document: Record<string, unknown>, shown: string): [string, unknown][] {
  return Object.entries(document).flatMap(([name, value]): [string, unknown][] => {
    if (keys.has(name)) return [[name, value]];
    const isSection = Object.hasOwn(settings, name) && typeof value === "object" && value !== null;
    if (!isSection) throw new ConfigError(`${shown}: unknown key '${name}'${nearest(name, keys.keys())}`);
    return Object.entries(value).map(([key, field]) => {
      const full = `${name}.${key}`;
      if (!keys.has(full))
        throw new ConfigError(`${shown}: unknown key '${full}'${nearest(full, keys.keys())}`);
      return [full, field];
    });
  });
}

/** The most similar known name, when there is one that is similar enough to be a slip. */
function nearest(name: string, known: Iterable<string>): string {
  const [best] = nearNames(name, [...known]);
  return best === undefined ? "" : `; did you mean '${best}'?`;
}

/** What a setting takes, for people. */
export function expectation(setting: Setting): string {
  switch (setting.kind) {
    case "text":
      return setting.expected ?? "text";
    case "choice":
      return `one of ${setting.choices.join(", ")}`;
    case "integer":
      return `a whole number from ${setting.min} to ${setting.max}`;
    case "flag":
      return "true or false";
    case "list":
      return "a list of texts";
    case "sizes":
      return "a table of prefix = bytes";
    case "tables":
      return "tables";
  }
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const fits = (setting: Setting, value: unknown): boolean => {
  switch (setting.kind) {
    case "text":
      return typeof value === "string" && (setting.pattern?.test(value) ?? true);
    case "choice":
      return typeof value === "string" && setting.choices.includes(value);
    case "integer":
      return (
        Number.isSafeInteger(value) && (value as number) >= setting.min && (value as number) <= setting.max
      );
    case "flag":
      return typeof value === "boolean";
    case "list":
      return Array.isArray(value) && value.every((item) => typeof item === "string");
    case "sizes":
      return (
        isTable(value) &&
        Object.values(value).every((size) => Number.isSafeInteger(size) && (size as number) > 0)
      );
    case "tables":
      return isTable(value) && Object.values(value).every(isTable);
  }
};

function checked(key: string, value: unknown, source: string): unknown {
  const setting = keys.get(key);
  if (!setting) throw new ConfigError(`${source}: unknown key '${key}'`);
  if (fits(setting, value)) return value;
  const came = "secret" in setting && setting.secret ? "something else" : JSON.stringify(value);
  throw new ConfigError(`${source}: ${key} expects ${expectation(setting)}, got ${came}`);
}

function fromText(key: string, text: string, source: string): unknown {
  const setting = keys.get(key);
  switch (setting?.kind) {
    case "integer":
      return /^-?\d+$/.test(text) ? Number(text) : text;
    case "flag":
      return text === "1" || text === "true"
        ? true
        : text === "0" || text === "false" || text === ""
          ? false
          : text;
    case "list":
      return text
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
    case "sizes":
    case "tables":
      return parseToml(`value = ${text}`, source).value;
    default:
      return text;
  }
}

function assemble(values: ReadonlyMap<string, unknown>): Config {
  const config: Record<string, unknown> = {};
  for (const [key, setting] of keys) {
    const value = deepFreeze(structuredClone(values.get(key) ?? setting.default));
    const [section = "", field] = key.split(".");
    if (field === undefined) config[section] = value;
    else config[section] = { ...(config[section] as object | undefined), [field]: value };
  }
  return deepFreeze(config) as Config;
}

/** Freezes a value and all it holds; also for a configuration that arrived in another thread. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const field of Object.values(value)) deepFreeze(field);
  }
  return value;
}

/** `host:port` of a bind, the host without brackets. */
export function parseBind(bind: string): { host: string; port: number } {
  const at = bind.lastIndexOf(":");
  const port = Number(bind.slice(at + 1));
  if (port > 65_535) throw new ConfigError(`a port is at most 65535, got ${bind}`);
  return { host: bind.slice(0, at).replace(/^\[|\]$/g, ""), port };
}

/** Where this machine reaches a bind address: the wildcard listens on loopback too. */
export function urlOf(bind: string, port: number): string {
  const { host } = parseBind(bind);
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}
