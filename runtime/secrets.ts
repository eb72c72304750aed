/** Keys for S3 buckets, from a TOML file of their own that only its owner may read. */
import { readFileSync, statSync } from "node:fs";
import { parse } from "smol-toml";
import { errorCode } from "./files.ts";

export interface S3Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

export interface Secrets {
  /** The keys of a bucket by its name in lakehouse.toml, or undefined when the file names none. */
  s3: (bucket: string) => S3Keys | undefined;
}

const expected = 'expected [s3.<bucket>] with access_key_id = "…" and secret_access_key = "…"';

/**
 * Reads the secrets file. A missing file is an empty one; one that others can read, that does not parse or
 * holds anything unknown is refused, and the message never repeats its content.
 */
export function loadSecrets(path: string): Secrets {
  let text: string;
  try {
    const { mode } = statSync(path);
    if ((mode & 0o007) !== 0) throw new Error(`${path} is readable by everyone: run chmod 600 ${path}`);
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return { s3: () => undefined };
    throw cause;
  }
  const buckets = new Map(
    Object.entries(readBuckets(path, text)).map(([name, keys]) => [name, readKeys(path, name, keys)]),
  );
  return { s3: (bucket) => buckets.get(bucket) };
}

function readBuckets(path: string, text: string): Record<string, unknown> {
  let document: Record<string, unknown>;
  try {
    document = parse(text);
  } catch {
    throw new Error(`${path} is not valid TOML: ${expected}`);
  }
  const unknown = Object.keys(document).find((key) => key !== "s3");
  if (unknown !== undefined) throw new Error(`${path}: unknown section '${unknown}'; ${expected}`);
  const { s3 = {} } = document;
  if (typeof s3 !== "object" || s3 === null) throw new Error(`${path}: s3 is not a table; ${expected}`);
  return s3 as Record<string, unknown>;
}

function readKeys(path: string, bucket: string, table: unknown): S3Keys {
  const fields = (typeof table === "object" && table !== null ? table : {}) as Record<string, unknown>;
  const known = new Set(["access_key_id", "secret_access_key", "session_token"]);
  const unknown = Object.keys(fields).find((key) => !known.has(key));
  if (unknown !== undefined) throw new Error(`${path}: unknown key s3.${bucket}.${unknown}; ${expected}`);
  const { access_key_id: id, secret_access_key: secret, session_token: session } = fields;
  if (typeof id !== "string" || typeof secret !== "string" || id === "" || secret === "") {
    throw new Error(`${path}: s3.${bucket} is incomplete; ${expected}`);
  }
  const keys: S3Keys = { accessKeyId: id, secretAccessKey: secret };
  return typeof session === "string" ? { ...keys, sessionToken: session } : keys;
}
