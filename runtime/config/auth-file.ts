/** The tokens in a file of their own, in the lines that systemd's EnvironmentFile= takes too. */
import { readFileSync, statSync } from "node:fs";
import { errorCode } from "../durable/durable.ts";
import { ConfigError } from "../errors/errors.ts";

/**
 * Reads `NAME=value` lines: name → value, or undefined when there is no such file. Throws ConfigError for a file that
 * everyone can read and for a line that is not understood, by its number; no message repeats what stands there.
 */
export function readAuthFile(
  path: string,
  names: readonly string[],
): ReadonlyMap<string, string> | undefined {
  let text: string;
  try {
    const { mode } = statSync(path);
    if ((mode & 0o007) !== 0) throw new ConfigError(`${path} is readable by everyone: run chmod o= ${path}`);
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    if (errorCode(cause) === "ENOENT") return undefined;
    throw new ConfigError(
      `${path} cannot be read (${errorCode(cause)}): it must be readable by the user of the service, ` +
        "as with owner root, that user's group, and mode 0640",
    );
  }
  return parseAuthFile(text, path, names);
}

/** Visible ASCII without a space, a quote or a backslash; bare, or whole in quotes of one kind. */
const line = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(?:([^\s"'\\]*)|"([^\s"\\]*)"|'([^\s'\\]*)')\s*$/;

/** The pure half of readAuthFile; `shown` names the file in messages. */
export function parseAuthFile(
  text: string,
  shown: string,
  names: readonly string[],
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [at, content] of text.split(/\r?\n/).entries()) {
    if (/^\s*([#;].*)?$/.test(content)) continue;
    const refuse = (why: string) => new ConfigError(`${shown}:${at + 1}: ${why}`);
    const [, name = "", bare, double, single] = line.exec(content) ?? [];
    if (name === "") {
      throw refuse("expected NAME=value, without `export`, and quotes only around the whole value");
    }
    // A token pasted alone may look like a name, so the name is not repeated.
    if (!names.includes(name)) throw refuse(`unknown name before '='; expected ${names.join(" or ")}`);
    if (found.has(name)) throw refuse(`${name} is given twice`);
    found.set(name, bare ?? double ?? single ?? "");
  }
  return found;
}
