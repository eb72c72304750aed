/** S3 read by DuckDB itself, through its httpfs extension: the statements that set it up, and what it may read. */
import type { Secrets } from "../../runtime/secrets.ts";
import type { Config } from "../../runtime/settings.ts";

export interface HttpfsSettings {
  statements: string[];
  /** URL prefixes of the buckets. */
  prefixes: string[];
}

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/**
 * One secret a bucket, each for its own prefix. Undefined when no bucket is in S3. Of two buckets that have the same
 * name on different servers only the first is read directly: an s3:// URL does not say which server.
 */
export function httpfsSettings(
  buckets: Config["buckets"],
  secrets: Secrets,
  path: string,
): HttpfsSettings | undefined {
  const seen = new Set<string>();
  const statements: string[] = [];
  for (const [name, table] of Object.entries(buckets)) {
    const keys = secrets.s3(name);
    const bucket = typeof table.bucket === "string" ? table.bucket : name;
    if (table.kind !== "s3" || !keys || seen.has(bucket)) continue;
    seen.add(bucket);
    const options = [
      ["KEY_ID", keys.accessKeyId],
      ["SECRET", keys.secretAccessKey],
      ...(keys.sessionToken === undefined ? [] : [["SESSION_TOKEN", keys.sessionToken]]),
      ["REGION", typeof table.region === "string" ? table.region : "us-east-1"],
      ...endpointOptions(table.endpoint),
      ["URL_STYLE", table.path_style === false ? "vhost" : "path"],
      ["SCOPE", `s3://${bucket}/`],
    ].map(([option, value]) => `${option} ${quoted(value ?? "")}`);
    statements.push(`CREATE SECRET lakehouse_${statements.length} (TYPE s3, ${options.join(", ")})`);
  }
  if (seen.size === 0) return undefined;
  const load = path === "" ? "LOAD httpfs" : `LOAD ${quoted(path)}`;
  return { statements: [load, ...statements], prefixes: [...seen].map((bucket) => `s3://${bucket}/`) };
}

function endpointOptions(endpoint: unknown): string[][] {
  if (typeof endpoint !== "string") return [];
  const { host, protocol } = new URL(endpoint);
  return [
    ["ENDPOINT", host],
    ["USE_SSL", protocol === "https:" ? "true" : "false"],
  ];
}
