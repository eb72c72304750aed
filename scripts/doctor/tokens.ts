/** Tokens: in no file that everyone can read, not to be guessed, and those that a running Lakehouse takes. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { isLoopback, parseBind } from "../../runtime/addresses/addresses.ts";
import { tokensOf } from "../../runtime/auth/auth.ts";
import { type LoadedConfig, loadConfig } from "../../runtime/config/config.ts";
import { listening } from "../command-line/command-line.ts";
import { type Check, missing, ok } from "./check.ts";
import type { Port } from "./ports.ts";

/** Shorter ones can be guessed: 16 characters of base64 are 96 bits. */
const tokenLengthMin = 16;
const answerTimeoutMs = 3000;

export const isWorldReadable = (path: string): boolean =>
  existsSync(path) && (statSync(path).mode & 0o004) !== 0;

/** Tokens that cannot be guessed, in no file that everyone can read. */
export function tokens(root: string, file: string | undefined, { config }: LoadedConfig): Check {
  const all = tokensOf(config.auth);
  if (all.length === 0) return ok("tokens", true, "none: this machine's own names only");
  const open = openFileWithToken(root, file ?? process.env.LH_CONFIG);
  if (open !== undefined)
    return missing("tokens", true, `${open} holds a token and is readable by everyone`, `chmod o= ${open}`);
  const short = all.filter((token) => token.length < tokenLengthMin).length;
  if (short === 0) return ok("tokens", true, `${all.length}, each of ${tokenLengthMin} characters or more`);
  const found = `${short} of ${all.length} shorter than ${tokenLengthMin} characters`;
  // On this machine alone such a token keeps its other users out; on a network it will be tried.
  const isOpen = listening(config).some((name) => !isLoopback(parseBind(config[name].bind).host));
  return missing("tokens", isOpen, found, 'AUTH_TOKEN="$(openssl rand -base64 32)"');
}

/**
 * The configuration's own file, when a token stands in it: one that names none, as the file of all defaults, holds
 * none. A file of `auth.env_file` that everyone can read is refused when the configuration is read.
 */
function openFileWithToken(root: string, file: string | undefined): string | undefined {
  const path = resolve(root, file ?? "lakehouse.toml");
  if (!isWorldReadable(path)) return undefined;
  const alone = loadConfig({ directory: root, file: path, flags: ["auth.env_file="] });
  return tokensOf(alone.config.auth).length > 0 ? path : undefined;
}

/** Whether the services that answer here take the token that is configured here; nothing where none answers. */
export async function tokenInUse({ auth }: LoadedConfig["config"], ports: readonly Port[]): Promise<Check[]> {
  const [token] = tokensOf(auth);
  const asked = await Promise.all(
    ports.map(async ({ service, url }) => {
      if (url === undefined) return undefined;
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const { status } = await fetch(`${url}/readyz`, {
        headers,
        signal: AbortSignal.timeout(answerTimeoutMs),
      });
      return { service, isRefused: status === 401 };
    }),
  );
  const answers = asked.filter((answer) => answer !== undefined);
  if (answers.length === 0) return [];
  const refusing = answers.flatMap(({ service, isRefused }) => (isRefused ? [service] : []));
  const name = "token in use";
  if (refusing.length === 0)
    return [ok(name, true, token === undefined ? "none is asked for" : "the running services take it")];
  const what = token === undefined ? "a token, and none is configured here" : "another token than this one";
  const found = `${refusing.join(", ")} ${refusing.length === 1 ? "asks" : "ask"} for ${what}`;
  const fix =
    "give this shell the token that they were started with, or give them this one (SIGHUP, or a restart)";
  return [missing(name, true, found, fix)];
}
