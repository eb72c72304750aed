/**
 * What this machine needs to reach package registries, for a machine that has nothing: settings of the resolver, npm
 * and apt, certificates, and the variables that say where those are. None of it is known here; it is handed on as found.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

const variable =
  /^(NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR|CURL_CA_BUNDLE|(https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY|npm_config_(registry|cafile)|NPM_CONFIG_(REGISTRY|CAFILE)|BUN_CONFIG_REGISTRY)$/;

/** Variables of every command. */
export const registryVariables = (env: NodeJS.ProcessEnv = process.env): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] => variable.test(entry[0]) && entry[1] !== undefined,
    ),
  );

const aptFolder = "/etc/apt/apt.conf.d";

/** Files by where they are and where they go to: the same place, but for those of this user's home. */
function registryFiles(): Map<string, string> {
  const files = new Map<string, string>();
  const add = (path: string, to = path) => {
    if (existsSync(path) && statSync(path).isFile()) files.set(path, to);
  };
  for (const path of ["/etc/resolv.conf", "/etc/hosts", "/etc/npmrc", "/etc/ssl/certs/ca-certificates.crt"])
    add(path);
  add(join(homedir(), ".npmrc"), "/root/.npmrc");
  const apt = existsSync(aptFolder) ? readdirSync(aptFolder).map((name) => join(aptFolder, name)) : [];
  // Others name programs that a new machine has not.
  for (const path of apt) if (/^\s*Acquire::/m.test(readFileSync(path, "utf8"))) add(path);
  const npm = [...files.keys()].filter((path) => path.endsWith("npmrc"));
  for (const path of npm) {
    const [, cafile] = /^cafile *= *"?([^"\n]+)/m.exec(readFileSync(path, "utf8")) ?? [];
    if (cafile !== undefined) add(cafile.trim());
  }
  for (const value of Object.values(registryVariables())) if (value.startsWith("/")) add(value);
  return files;
}

/** Lays the files out below a folder as they lie below `/`. */
export function writeRegistryFiles(folder: string): void {
  for (const [from, to] of registryFiles()) {
    const target = join(folder, to);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(realpathSync(from), target);
  }
}
