/** Products whose primary bucket is on an S3 server: the flags that put it there. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestS3 } from "./server.ts";

/** A bucket of the product: on an S3 server, or on this machine's disk, where others write as well or not. */
export type Place = TestS3 | "local" | "plain";

/**
 * The flags of a product over `directory` with these buckets. Buckets are made at their servers; the secrets file is
 * written into the directory.
 */
export async function bucketFlags(
  directory: string,
  places: Readonly<Record<string, Place>>,
): Promise<string[]> {
  const tables: string[] = [];
  const secrets: string[] = [];
  for (const [name, place] of Object.entries(places)) {
    if (place === "local" || place === "plain") {
      tables.push(`${name} = { kind = "local"${place === "plain" ? ', layout = "plain"' : ""} }`);
      continue;
    }
    const bucket = await place.newBucket();
    const { accessKeyId, secretAccessKey } = place.keys;
    tables.push(`${name} = { kind = "s3", bucket = "${bucket}", endpoint = "${place.endpoint}" }`);
    secrets.push(
      ...[name, `${name}.reader`, ...(name === "warehouse" ? [`${name}.writer`] : [])].map(
        (table) =>
          `[s3.${table}]\naccess_key_id = "${accessKeyId}"\nsecret_access_key = "${secretAccessKey}"\n`,
      ),
    );
  }
  const path = join(directory, "secrets.toml");
  writeFileSync(path, secrets.join("\n"), { mode: 0o600 });
  return [`--secrets_path=${path}`, `--buckets={ ${tables.join(", ")} }`];
}

/** As a smoke asks for them: the same directory has the same buckets, however often a product starts over it. */
export function flagsOnS3(
  s3: TestS3,
  more: Readonly<Record<string, Place>> = {},
): (directory: string) => Promise<readonly string[]> {
  const known = new Map<string, Promise<string[]>>();
  return (directory) => {
    const flags = known.get(directory) ?? bucketFlags(directory, { primary: s3, cold: "local", ...more });
    known.set(directory, flags);
    return flags;
  };
}
