/**
 * One typed, frozen configuration, read once: built-in defaults, then the file, then `LH_…` variables, then
 * flags. Each value remembers where it came from.
 */
import { resolve } from "node:path";
import { ConfigError, suggestionsFor } from "../errors/errors.ts";
import { deepFreeze } from "../frozen/frozen.ts";
import { readAuthFile } from "./auth-file.ts";
import { parseToml, placeOf, readText } from "./file.ts";
import { isSetting, type Setting } from "./setting.ts";
import { type Config, settings } from "./settings.ts";

export interface LoadedConfig {
  config: Config;
  /** Key, as `gateway.bind`, to where its value came from: `default`, a file, a variable or a flag. */
  provenance: ReadonlyMap<string, string>;
  warnings: string[];
  /** Files that were read, and those that were named and are not there; as absolute paths. */
  files: { read: string[]; absent: string[] };
}

/** Every key, as `gateway.bind`, with its setting. Sections that are one table themselves have no dot. */
export const keys: ReadonlyMap<string, Setting> = new Map(
  Object.entries(settings).flatMap(([section, table]): [string, Setting][] => {
    if (isSetting(table)) return [[section, table]];
    return Object.entries(table).map(([key, setting]) => [
      section === "" ? key : `${section}.${key}`,
      setting as Setting,
    ]);
  }),
);

/** `gateway.bind` → `LH_GATEWAY_BIND`. */
export const variableOf = (key: string): string => `LH_${key.replace(".", "_").toUpperCase()}`;
const variables = new Map([...keys.keys()].map((key) => [variableOf(key), key]));

/** Where values came from, as other threads are told. */
export interface Provenance {
  /** The file that was asked for; without one it is lakehouse.toml in the current directory. */
  file?: string;
  /** `key=value` texts of the command line. */
  flags: readonly string[];
  /** Key to a file, a variable or a flag; values of other keys are defaults. */
  keys: Readonly<Record<string, string>>;
}

export const provenanceOf = (
  { file, flags = [] }: ConfigSources,
  { provenance }: Pick<LoadedConfig, "provenance">,
): Provenance => ({
  ...(file !== undefined && { file }),
  flags,
  keys: Object.fromEntries([...provenance].filter(([, source]) => source !== "default")),
});

/** The built-in defaults, unresolved (`data_dir` stays relative). */
export const defaults = (): Config => assemble(new Map());

export interface ConfigSources {
  /** The file asked for; without it `lakehouse.toml` in `directory`, which need not exist. */
  file?: string;
  /** Where relative paths start; the current directory by default. */
  directory?: string;
  env?: Record<string, string | undefined>;
  /** `key=value` texts, as from `--gateway.bind=…`. */
  flags?: readonly string[];
}

/** Reads all sources. Throws ConfigError on the first thing that is wrong. */
export function loadConfig({ file, directory = ".", env = {}, flags = [] }: ConfigSources): LoadedConfig {
  const loading: Loading = {
    values: new Map(),
    provenance: new Map([...keys.keys()].map((key) => [key, "default"])),
    warnings: [],
    files: { read: [], absent: [] },
    directory,
  };
  const path = file ?? env.LH_CONFIG ?? "lakehouse.toml";
  const asked = file !== undefined || env.LH_CONFIG !== undefined;
  takeFile(loading, path, asked);
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("LH_") || name === "LH_CONFIG" || text === undefined) continue;
    const key = variables.get(name);
    if (key === undefined)
      throw new ConfigError(`${name}: unknown variable${suggestion(name, variables.keys())}`);
    take(loading, key, fromText(key, text, name), name);
  }
  for (const flag of flags) {
    const [key = "", ...rest] = flag.split("=");
    const setting = keys.get(key);
    if (!setting) throw new ConfigError(`--${key}: unknown key${suggestion(key, keys.keys())}`);
    if (isSecret(setting)) {
      throw new ConfigError(
        `--${key} is refused: every user of the machine can read command lines; ` +
          `set it in lakehouse.toml, in the file of auth.env_file, or as ${variableOf(key)}`,
      );
    }
    take(loading, key, fromText(key, rest.join("="), `--${key}`), `--${key}`);
  }
  takeTokens(loading, env);
  const { values, provenance, warnings, files } = loading;
  values.set("data_dir", resolve(directory, String(values.get("data_dir") ?? settings[""].data_dir.default)));
  return { config: assemble(values), provenance, warnings, files };
}

/** What is known so far. */
interface Loading extends Omit<LoadedConfig, "config" | "provenance"> {
  values: Map<string, unknown>;
  provenance: Map<string, string>;
  directory: string;
}

/** Sets a value when it is a good one. `place` is where exactly it stands, for the message when it is not. */
function take({ values, provenance }: Loading, key: string, value: unknown, source: string, place = source) {
  values.set(key, checked(key, value, place));
  provenance.set(key, source);
}

function takeFile(loading: Loading, shown: string, asked: boolean): void {
  const path = resolve(loading.directory, shown);
  const text = readText(path, shown);
  loading.files[text === undefined ? "absent" : "read"].push(path);
  if (text === undefined) {
    if (asked)
      loading.warnings.push(`${shown} does not exist: going on with defaults, environment and flags`);
    return;
  }
  for (const [key, value] of flatten(parseToml(text, shown), (name) => placeOf(text, shown, name)))
    take(loading, key, value, shown, placeOf(text, shown, key));
}

/**
 * Tokens that the configuration does not give come from the file of `auth.env_file`, else from the environment; an
 * explicit token wins. Where there is such a file the environment is not asked: it may hold what the file said when
 * the process started.
 */
function takeTokens(loading: Loading, env: Record<string, string | undefined>): void {
  const { values, files, directory, warnings } = loading;
  const name = String(values.get("auth.token_env") ?? settings.auth.token_env.default);
  const shown = String(values.get("auth.env_file") ?? "");
  const path = resolve(directory, shown);
  const inFile = shown === "" ? undefined : readAuthFile(path, [name, secondaryVariable]);
  if (shown !== "") files[inFile ? "read" : "absent"].push(path);
  if (shown !== "" && !inFile) warnings.push(`${shown} does not exist: tokens come from the environment`);
  const given = (variable: string) => (inFile ? inFile.get(variable) : env[variable]);
  const sourceOf = (variable: string) => (inFile ? shown : variable);

  const token = given(name);
  if (!values.get("auth.token") && token) take(loading, "auth.token", token, sourceOf(name));
  const secondary = given(secondaryVariable);
  if (secondary) {
    const before = (values.get("auth.secondary_tokens") as string[] | undefined) ?? [];
    const more = fromText("auth.secondary_tokens", secondary, secondaryVariable) as string[];
    take(loading, "auth.secondary_tokens", [...before, ...more], sourceOf(secondaryVariable));
  }
}

const secondaryVariable = "AUTH_SECONDARY_TOKEN";

function flatten(document: Record<string, unknown>, place: (key: string) => string): [string, unknown][] {
  const unknown = (key: string) =>
    new ConfigError(`${place(key)}: unknown key '${key}'${suggestion(key, keys.keys())}`);
  return Object.entries(document).flatMap(([name, value]): [string, unknown][] => {
    if (keys.has(name)) return [[name, value]];
    const isSection = Object.hasOwn(settings, name) && typeof value === "object" && value !== null;
    if (!isSection) throw unknown(name);
    return Object.entries(value).map(([key, field]) => {
      const full = `${name}.${key}`;
      if (!keys.has(full)) throw unknown(full);
      return [full, field];
    });
  });
}

/** The most similar known name, when there is one that is similar enough to be a slip. */
function suggestion(name: string, known: Iterable<string>): string {
  const [best] = suggestionsFor(name, [...known]);
  return best === undefined ? "" : `; did you mean '${best}'?`;
}

/** What a setting takes, for people. */
function expectation(setting: Setting): string {
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
      return setting.expected === undefined ? "a list of texts" : `a list of ${setting.expected}`;
    case "sizes":
      return "a table of prefix = bytes";
    case "tables":
      return "tables";
  }
}

export const isSecret = (setting: Setting): boolean => "secret" in setting && setting.secret === true;

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
      return (
        Array.isArray(value) &&
        value.every((item) => typeof item === "string" && (setting.fits?.(item) ?? true))
      );
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
  // Tables may hold what belongs into the secrets file.
  const came = isSecret(setting) || setting.kind === "tables" ? "something else" : JSON.stringify(value);
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
