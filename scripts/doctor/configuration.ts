/** What is configured: the file and its overrides, binds, secrets, buckets on S3. */
import { existsSync } from "node:fs";
import { bindRefusal } from "../../runtime/auth.ts";
import { loadConfig, parseBind } from "../../runtime/config.ts";
import { loadSecrets } from "../../runtime/secrets.ts";
import type { Config, ServiceSection } from "../../runtime/settings.ts";
import { broken, type Check, messageOf, ok } from "./check.ts";

const s3TimeoutMs = 5000;
/** S3 signatures are refused beyond a quarter of an hour. */
const skewMaxMs = 5 * 60_000;

/** The sections that listen, from the configuration itself. */
export const listening = (config: Config): ServiceSection[] =>
  Object.entries(config)
    .filter(([, section]) => typeof section === "object" && "bind" in section)
    .map(([name]) => name as ServiceSection);

/** Reads the configuration as a start would; without one the checks that need it are left out. */
export function readConfiguration(root: string, file: string | undefined): { check: Check; config?: Config } {
  try {
    const sources = { directory: root, env: process.env, ...(file !== undefined && { file }) };
    const { config, provenance, warnings } = loadConfig(sources);
    const own = [...provenance].filter(([, source]) => source !== "default" && !source.endsWith(".toml"));
    const overridden = own.map(([key, source]) => `${key} from ${source}`).join(", ");
    const found = [file ?? "lakehouse.toml", overridden, ...warnings].filter(Boolean).join("; ");
    return { check: ok("configuration", true, found), config };
  } catch (cause) {
    return {
      check: broken(
        "configuration",
        true,
        messageOf(cause),
        "mend what the message names; lakehouse.toml lists every key",
      ),
    };
  }
}

export function binds(config: Config): Check {
  const refusals = listening(config).flatMap((name) => {
    const { bind, allow_nonloopback } = config[name];
    return bindRefusal(name, parseBind(bind).host, config.auth, allow_nonloopback) ?? [];
  });
  if (refusals.length === 0) return ok("bind gate", true, "every address may be bound");
  return broken("bind gate", true, refusals.join("; "), "set AUTH_TOKEN, or bind to 127.0.0.1");
}

const s3Buckets = (config: Config): [string, Readonly<Record<string, unknown>>][] =>
  Object.entries(config.buckets).filter(([, { kind }]) => kind === "s3");

export function secrets(config: Config): Check {
  const path = config.secrets_path;
  const buckets = s3Buckets(config).map(([name]) => name);
  try {
    const loaded = loadSecrets(path);
    const without = buckets.filter((name) => loaded.s3(name) === undefined);
    if (without.length > 0) {
      const fix = `add [s3.${without[0]}] with access_key_id and secret_access_key to ${path}, then: chmod 600 ${path}`;
      return broken("secrets", true, `no keys for ${without.join(", ")}`, fix);
    }
    const found = existsSync(path)
      ? `${path}, not readable by everyone`
      : `${path} does not exist; no bucket needs it`;
    return ok("secrets", true, found);
  } catch (cause) {
    return broken(
      "secrets",
      true,
      messageOf(cause),
      `chmod 600 ${path}, and see deploy/etc-lakehouse/secrets.toml.example`,
    );
  }
}

/** Lists each S3 bucket, and compares clocks with its server. */
export async function s3(config: Config): Promise<Check[]> {
  return Promise.all(
    s3Buckets(config).map(async ([name, { bucket = name, endpoint, region }]) => {
      const title = `bucket ${name}`;
      try {
        const keys = loadSecrets(config.secrets_path).s3(name);
        const options = {
          ...keys,
          bucket: String(bucket),
          ...(endpoint !== undefined && { endpoint: String(endpoint) }),
        };
        const client = new Bun.S3Client({
          ...options,
          ...(region !== undefined && { region: String(region) }),
        });
        const late = Bun.sleep(s3TimeoutMs).then(() =>
          Promise.reject(new Error(`no answer in ${s3TimeoutMs} ms`)),
        );
        await Promise.race([client.list({ maxKeys: 1 }), late]);
        return await clockAgainst(title, endpoint);
      } catch (cause) {
        const fix = `check buckets.${name} (endpoint, bucket, region), its keys in ${config.secrets_path}, and that the server runs`;
        return broken(title, true, messageOf(cause).split("\n")[0] ?? "", fix);
      }
    }),
  );
}

async function clockAgainst(title: string, endpoint: unknown): Promise<Check> {
  if (typeof endpoint !== "string") return ok(title, true, "answers");
  const { headers } = await fetch(endpoint, { signal: AbortSignal.timeout(s3TimeoutMs) });
  const skewMs = Date.parse(headers.get("date") ?? "") - Date.now();
  if (!(Math.abs(skewMs) > skewMaxMs)) return ok(title, true, "answers");
  const found = `answers, but its clock is ${Math.round(skewMs / 1000)} s off ours`;
  return broken(title, true, found, "set this machine's clock (timedatectl set-ntp true)");
}
