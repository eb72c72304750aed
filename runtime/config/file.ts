/** lakehouse.toml as it stands on the disk: its values by key, and the line each is on. */
import { readFileSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import { errorCode } from "../durable/durable.ts";
import { ConfigError } from "../errors/errors.ts";

/** Parses TOML; a ConfigError names `shown`, the line and the column, and repeats nothing of the text. */
export function parseToml(text: string, shown: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const [first = ""] = cause.message.split("\n");
    throw new ConfigError(`${shown}:${cause.line}:${cause.column}: ${first}`);
  }
}

/** The text of a file, or undefined when there is none. */
export function readText(path: string, shown: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw new ConfigError(`${shown} cannot be read: ${errorCode(cause)}`);
  }
}

/** `FILE:LINE` of a key as `gateway.bind`, or the file alone when the key is written in a form not looked for. */
export function placeOf(text: string, shown: string, key: string): string {
  let section = "";
  for (const [at, line] of text.split("\n").entries()) {
    const [, header] = /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/.exec(line) ?? [];
    if (header !== undefined) section = `${header.replaceAll(/["'\s]/g, "")}.`;
    const [, written] = /^\s*([\w.-]+|"[^"]*")\s*=/.exec(line) ?? [];
    const here = header !== undefined ? section.slice(0, -1) : `${section}${written?.replaceAll('"', "")}`;
    if (here === key) return `${shown}:${at + 1}`;
  }
  return shown;
}
