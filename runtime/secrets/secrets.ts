/** Keys for S3 buckets and model providers, from a TOML file of their own that only its owner may read. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { parse } from "smol-toml";
import { errorCode } from "../durable/durable.ts";

export interface S3Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  /** Keys that may read alone: programs of others get them, where there are any. */
  reader?: KeyPair;
  /** Keys that programs of others get to write open tables with, where there are any. */
  writer?: KeyPair;
}
type KeyPair = Pick<S3Keys, "accessKeyId" | "secretAccessKey" | "sessionToken">;

export interface Secrets {
  /** The keys of a bucket by its name in lakehouse.toml, or undefined when the file names none. */
  s3: (bucket: string) => S3Keys | undefined;
  /** The key of a model provider, as `openai`: the file's, or else the variable OPENAI_API_KEY. */
  provider: (name: string) => string | undefined;
}

const expected =
  'expected [s3.<bucket>] with access_key_id = "…" and secret_access_key = "…" (and [s3.<bucket>.reader] with the same, for programs that read, [s3.<bucket>.writer] for those that write open tables), or [providers.<name>] with api_key = "…"';

/**
 * Reads the secrets file. A missing file is an empty one; one that others can read, that does not parse or
 * holds anything unknown is refused, and the message never repeats its content. An explicit key wins over `env`.
 */
export function loadSecrets(path: string, env: Record<string, string | undefined> = process.env): Secrets {
  const document = readDocument(path);
  const buckets = new Map(
    Object.entries(tableOf(path, document, "s3")).map(([name, keys]) => [name, readKeys(path, name, keys)]),
  );
  const providers = new Map(
    Object.entries(tableOf(path, document, "providers")).map(([name, table]) => [
      name,
      readProvider(path, name, table),
    ]),
  );
  return {
    s3: (bucket) => buckets.get(bucket),
    provider: (name) => providers.get(name) ?? (env[keyVariable(name)] || undefined),
  };
}

/** A digest by which a change of the file is seen without keeping its content; undefined without a file. */
export function secretsDigest(path: string): string | undefined {
  try {
    return createHash("sha256").update(readFileSync(path)).digest("hex");
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return undefined;
    throw cause;
  }
}

/** `ollama-cloud` → `OLLAMA_CLOUD_API_KEY`. */
export const keyVariable = (provider: string): string =>
  `${provider.replace(/\W/g, "_").toUpperCase()}_API_KEY`;

function readDocument(path: string): Record<string, unknown> {
  let text: string;
  try {
    const { mode } = statSync(path);
    if ((mode & 0o007) !== 0) throw new Error(`${path} is readable by everyone: run chmod 600 ${path}`);
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return {};
    throw cause;
  }
  let document: Record<string, unknown>;
  try {
    document = parse(text);
  } catch {
    throw new Error(`${path} is not valid TOML: ${expected}`);
  }
  const unknown = Object.keys(document).find((key) => key !== "s3" && key !== "providers");
  if (unknown !== undefined) throw new Error(`${path}: unknown section '${unknown}'; ${expected}`);
  return document;
}

function tableOf(path: string, document: Record<string, unknown>, section: string): Record<string, unknown> {
  const table = document[section] ?? {};
  if (typeof table !== "object" || table === null)
    throw new Error(`${path}: ${section} is not a table; ${expected}`);
  return table as Record<string, unknown>;
}

function readProvider(path: string, name: string, table: unknown): string {
  const fields = (typeof table === "object" && table !== null ? table : {}) as Record<string, unknown>;
  const unknown = Object.keys(fields).find((key) => key !== "api_key");
  if (unknown !== undefined)
    throw new Error(`${path}: unknown key providers.${name}.${unknown}; ${expected}`);
  const { api_key: key } = fields;
  if (typeof key !== "string" || key === "")
    throw new Error(`${path}: providers.${name} has no api_key; ${expected}`);
  return key;
}

function readKeys(path: string, bucket: string, table: unknown): S3Keys {
  const fields = (typeof table === "object" && table !== null ? table : {}) as Record<string, unknown>;
  const { reader, writer, ...own } = fields;
  return {
    ...readKeyPair(path, bucket, own),
    ...(reader !== undefined && { reader: readKeyPair(path, `${bucket}.reader`, reader) }),
    ...(writer !== undefined && { writer: readKeyPair(path, `${bucket}.writer`, writer) }),
  };
}

function readKeyPair(path: string, bucket: string, table: unknown): KeyPair {
  const fields = (typeof table === "object" && table !== null ? table : {}) as Record<string, unknown>;
  const known = new Set(["access_key_id", "secret_access_key", "session_token"]);
  const unknown = Object.keys(fields).find((key) => !known.has(key));
  if (unknown !== undefined) throw new Error(`${path}: unknown key s3.${bucket}.${unknown}; ${expected}`);
  const { access_key_id: id, secret_access_key: secret, session_token: session } = fields;
  if (typeof id !== "string" || typeof secret !== "string" || id === "" || secret === "") {
    throw new Error(`${path}: s3.${bucket} is incomplete; ${expected}`);
  }
  const keys: KeyPair = { accessKeyId: id, secretAccessKey: secret };
  return typeof session === "string" ? { ...keys, sessionToken: session } : keys;
}

/** Settings are shown to those who may read them; secrets are not. */
export function refusePassword(url: string, place: string, name: string): void {
  let password = "";
  try {
    ({ password } = new URL(url));
  } catch {
    throw new Error(`${place} url: expected a URL`);
  }
  if (password !== "")
    throw new Error(
      `${place} url: it holds a password: put that into the secrets file as [providers.${name}] api_key`,
    );
}
