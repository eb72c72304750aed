/** The configured buckets by name: read from `[buckets.*]` and the secrets file, opened at the start. */
import { join, resolve } from "node:path";
import type { Static, TSchema } from "@sinclair/typebox";
import { checkTable, closed, t } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Bucket, Upload } from "../bucket/bucket.ts";
import type { Place } from "../contract.ts";
import { type Inventory, noInventory, openInventory } from "../inventory/inventory.ts";
import { openLocalBucket, openPlainBucket } from "../local/local.ts";
import { type Ownership, openOwnership } from "../ownership/ownership.ts";
import { openS3Bucket, openUploadLedger } from "../s3/s3.ts";
import type { S3Server } from "../s3-client/s3-client.ts";

const Local = closed({
  kind: t.Literal("local"),
  path: t.Optional(t.String({ minLength: 1 })),
  /** `plain`: others write and delete there too, and nothing is kept beside the files. */
  layout: t.Optional(t.Literal("plain")),
});
const S3 = closed({
  kind: t.Literal("s3"),
  bucket: t.Optional(t.String({ pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$" })),
  endpoint: t.Optional(t.String({ pattern: "^https?://[^/@?#\\s]+/?$" })),
  region: t.Optional(t.String({ pattern: "^[a-z0-9-]{1,64}$" })),
  path_style: t.Optional(t.Boolean()),
});

const schemas = new Map<unknown, TSchema>([
  ["local", Local],
  ["s3", S3],
]);

/** The bucket that catalogd keeps open tables in. */
const openTablesBucket = "warehouse";

/** A bucket's table in lakehouse.toml, checked. */
type BucketSetting = (Static<typeof Local> | Static<typeof S3>) & { name: string };

const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Checks the tables of all buckets. Throws an Error that names the table and the field, what was expected and what
 * came: an unknown kind or field, a bad name, no `primary`, two local buckets in one folder.
 */
export function readBucketSettings(config: Deps["config"]): BucketSetting[] {
  const settings = Object.entries(config.buckets).map(([name, table]) => readOne(name, table));
  if (!settings.some(({ name }) => name === "primary")) {
    throw new Error(
      '[buckets.primary] is missing: every service keeps its objects there; add one, as kind = "local"',
    );
  }
  const roots = settings.flatMap((setting) => (setting.kind === "local" ? [rootOf(config, setting)] : []));
  for (const [at, root] of roots.entries()) {
    const other = roots.find((second, index) => index !== at && `${second}/`.startsWith(`${root}/`));
    if (other !== undefined) throw new Error(`two local buckets share a folder: ${root} and ${other}`);
  }
  return settings;
}

function readOne(name: string, table: Readonly<Record<string, unknown>>): BucketSetting {
  if (!nameForm.test(name)) {
    throw new Error(`[buckets.${name}]: expected a name of 1 to 64 letters, digits, '.', '_' or '-'`);
  }
  const schema = schemas.get(table.kind);
  if (!schema)
    throw new Error(`[buckets.${name}] kind: expected "local" or "s3", got ${JSON.stringify(table.kind)}`);
  const setting = checkTable(schema, table, `[buckets.${name}]`) as Static<typeof Local> | Static<typeof S3>;
  return { ...setting, name };
}

const rootOf = (config: Deps["config"], { name, path }: Static<typeof Local> & { name: string }): string =>
  path === undefined ? join(resolve(config.data_dir), "buckets", name) : resolve(path);

/** Where others find the bucket's objects. Throws `not_found` naming the buckets there are. */
export function placeOf(
  { config, secrets }: Pick<Deps, "config" | "secrets">,
  name: string,
): Static<typeof Place> {
  const settings = readBucketSettings(config);
  const setting = settings.find((each) => each.name === name);
  if (!setting) throw noBucket(name, settings);
  if (setting.kind === "local") return { kind: "local", path: rootOf(config, setting) };
  const { bucket, endpoint, region, pathStyle } = s3ServerOf({ config, secrets }, setting);
  return { kind: "s3", url: `s3://${bucket}`, endpoint, region, path_style: pathStyle };
}

const noBucket = (name: string, known: Iterable<{ name: string }>) =>
  fail(
    "not_found",
    `there is no bucket '${name}'; configured are ${Array.from(known, (each) => each.name).join(", ")}`,
    { details: { bucket: name } },
  );

export interface BucketRegistry {
  /** The bucket, or `not_found` naming those there are. */
  get: (name: string) => Bucket;
  all: () => Bucket[];
  stop: () => Promise<void>;
}

/** Opens every configured bucket. An S3 server that does not answer is no reason not to start: `notReady` says it. */
export async function openBucketRegistry(deps: Deps): Promise<BucketRegistry> {
  const settings = readBucketSettings(deps.config);
  // All settings are checked first, while nothing is running that would have to be stopped.
  for (const setting of settings) if (setting.kind === "s3") s3ServerOf(deps, setting);
  const ownership = await openOwnership(deps);
  const opened = await Promise.all(
    settings.map(async (setting) => [setting.name, await openBucket(deps, setting, ownership)] as const),
  );
  const buckets = new Map<string, Bucket>(opened);
  return {
    get: (name) => {
      const bucket = buckets.get(name);
      if (bucket) return bucket;
      throw noBucket(name, settings);
    },
    all: () => [...buckets.values()],
    stop: async () => {
      await Promise.all([...buckets.values()].map((bucket) => bucket.stop()));
    },
  };
}

/** The same registry with every bucket wrapped. */
export function wrapped(registry: BucketRegistry, wrap: (bucket: Bucket) => Bucket): BucketRegistry {
  const buckets = new Map(registry.all().map((bucket) => [bucket.describe().name, wrap(bucket)]));
  return {
    ...registry,
    get: (name) => buckets.get(name) ?? registry.get(name),
    all: () => [...buckets.values()],
  };
}

/** The same bucket with every upload to it wrapped. */
export function withUploads(bucket: Bucket, wrap: (key: string, upload: Upload) => Upload): Bucket {
  const { staging } = bucket;
  return {
    ...bucket,
    receive: async (key, body, options) => wrap(key, await bucket.receive(key, body, options)),
    ...(staging && {
      staging: { ...staging, adopt: async (key, ...file) => wrap(key, await staging.adopt(key, ...file)) },
    }),
  };
}

async function openBucket(deps: Deps, setting: BucketSetting, ownership: Ownership): Promise<Bucket> {
  const { config, clock, log, newId } = deps;
  const { name } = setting;
  if (setting.kind === "local") {
    const root = rootOf(config, setting);
    const isPlain = setting.layout === "plain";
    const open = () =>
      isPlain ? openPlainBucket({ name, root, newId }) : openLocalBucket({ name, root, newId, clock });
    return ownership.local(name, root, { open, isPlain });
  }
  const ledger = await openUploadLedger(join(deps.directory, "uploads", name));
  const server = s3ServerOf(deps, setting);
  const inventory = await inventoryOf(deps, setting, server.bucket);
  const owned = await ownership.s3(name, server.bucket, () =>
    inventory.forget("another Lakehouse had the bucket since"),
  );
  return openS3Bucket({ name, server, clock, log, newId, ledger, owned, inventory });
}

/** In buckets of open tables engines write and delete what was written through storaged: nothing there is claimed. */
async function inventoryOf(deps: Deps, { name }: BucketSetting, bucket: string): Promise<Inventory> {
  const { config, marks, adopted, log, newId } = deps;
  const isOpen = config.catalogd.open_locations.some((place) => `${place}/`.startsWith(`s3://${bucket}/`));
  if (name === openTablesBucket || isOpen) return noInventory;
  // Named by the bucket at the server, too: what is known of one says nothing of another.
  const directory = join(deps.directory, "inventory");
  return openInventory({ directory, name: `${name}-${bucket}`, bucket: name, marks, adopted, log, newId });
}

/** How to reach an S3 bucket. Throws, naming the secrets file, when there are no keys for it. */
export function s3ServerOf(
  { config, secrets }: Pick<Deps, "config" | "secrets">,
  { name, bucket = name, region = "us-east-1", endpoint, path_style }: Static<typeof S3> & { name: string },
): S3Server {
  const keys = secrets.s3(name);
  if (!keys) {
    const remedy = `add [s3.${name}] with access_key_id and secret_access_key to ${config.secrets_path}`;
    throw new Error(`[buckets.${name}] has no keys: ${remedy}`);
  }
  return {
    bucket,
    region,
    endpoint: (endpoint ?? `https://s3.${region}.amazonaws.com`).replace(/\/$/, ""),
    // Servers other than Amazon's rarely have a DNS name for each bucket.
    pathStyle: path_style ?? endpoint !== undefined,
    keys,
    timeoutMs: config.storaged.s3_timeout_ms,
    retries: config.storaged.s3_retries,
  };
}
