/**
 * Each bucket as the product would use it. A bucket on S3 is tried through storaged itself: the one that runs, or one
 * that is started for a moment over a directory of its own, so that what is probed is what will be done.
 */
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { tokensOf } from "../../runtime/auth/auth.ts";
import type { Config } from "../../runtime/config/config.ts";
import { stampedDirectory } from "../../runtime/service/service.ts";
import { writeVisitor } from "../../runtime/store/store.ts";
import { messageOf, startChild } from "../subprocess/subprocess.ts";
import { type Check, missing, ok } from "./check.ts";
import { existing } from "./places.ts";
import { refusalOf } from "./store.ts";

/** A busy machine takes many times the half second of an idle one. */
const startTimeoutMs = 120_000;
const requestTimeoutMs = 30_000;
/** S3 servers refuse signatures beyond a quarter of an hour. */
const skewMaxMs = 5 * 60_000;

type Table = Readonly<Record<string, unknown>>;

interface Surroundings {
  root: string;
  config: Config;
  file: string | undefined;
  /** Where storaged answers already. */
  storaged: string | undefined;
}

/** One probe a configured bucket. */
export const bucketProbes = (around: Surroundings): { name: string; probe: () => Check | Promise<Check> }[] =>
  Object.entries(around.config.buckets).map(([bucket, table]) => ({
    name: `bucket ${bucket}`,
    probe: () => (table.kind === "s3" ? remote(bucket, table, around) : local(bucket, table, around.config)),
  }));

async function local(bucket: string, table: Table, { data_dir }: Config): Promise<Check> {
  const name = `bucket ${bucket}`;
  const root = typeof table.path === "string" ? resolve(table.path) : join(data_dir, "buckets", bucket);
  const at = existing(root);
  try {
    accessSync(at, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const fix = `make ${at} readable and writable for this user, or correct buckets.${bucket}.path`;
    return missing(name, true, messageOf(cause), fix);
  }
  const own = join(root, ".lakehouse");
  const refusal = await refusalOf(
    stampedDirectory({ kind: "bucket", name: bucket, at: root }, own),
    data_dir,
  );
  if (refusal !== undefined)
    return missing(
      name,
      true,
      refusal,
      "mount or restore what belongs there, or accept what is there: see --adopt",
    );
  const format = join(own, "format.json");
  if (!existsSync(format)) return ok(name, true, `${root}: new, made by the first start`);
  const found = /"format":\s*(\d+)/.exec(readFileSync(format, "utf8"))?.[1];
  if (found !== undefined) return ok(name, true, `${root}: format ${found}`);
  const fix = `restore ${format} from a backup (bun run fsck tells what else is damaged)`;
  return missing(name, true, `${format} is damaged`, fix);
}

async function remote(bucket: string, table: Table, around: Surroundings): Promise<Check> {
  const name = `bucket ${bucket}`;
  const skew = await clockSkewMs(table.endpoint);
  if (skew !== undefined && Math.abs(skew) > skewMaxMs) {
    const found = `the clock of its server is ${Math.round(skew / 1000)} s off ours`;
    return missing(name, true, found, "timedatectl set-ntp true (or set the server's clock)");
  }
  let server: Awaited<ReturnType<typeof startStoraged>> | undefined;
  try {
    if (around.storaged === undefined) server = await startStoraged(bucket, table, around);
    const [token] = tokensOf(around.config.auth);
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const url = around.storaged ?? server?.url ?? "";
    const writes = await useBucket(bucket, (path, init) =>
      fetch(url + path, { ...init, headers, signal: AbortSignal.timeout(requestTimeoutMs) }),
    );
    const clock = skew === undefined ? "" : `, clocks ${Math.abs(Math.round(skew / 1000))} s apart`;
    return ok(name, true, `written, read and deleted; conditional writes ${writes}${clock}`);
  } catch (cause) {
    return missing(name, true, messageOf(cause), remedy(bucket, messageOf(cause), around.config));
  } finally {
    await server?.end();
  }
}

/** What to do, by what storaged says, which names the cause. */
function remedy(bucket: string, said: string, { secrets_path }: Config): string {
  if (/access denied|no keys/.test(said))
    return `correct [s3.${bucket}] access_key_id and secret_access_key in ${secrets_path}`;
  if (/held by another Lakehouse/.test(said)) return "stop the other one, or name a bucket of its own here";
  if (/--adopt=/.test(said))
    return `correct [buckets.${bucket}], or accept the bucket as bun run supervisor --adopt=${bucket}`;
  if (/there is no bucket/.test(said)) return `create the bucket, or correct buckets.${bucket}.bucket`;
  if (/Authorization: Bearer/.test(said)) return "give this shell the token that storaged was started with";
  return `check that the server runs, and buckets.${bucket} (endpoint, bucket, region, path_style)`;
}

/** The server's clock less ours, in milliseconds; undefined where it does not say, or does not answer. */
async function clockSkewMs(endpoint: unknown): Promise<number | undefined> {
  try {
    const { headers } = await fetch(String(endpoint), {
      method: "HEAD",
      redirect: "manual",
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const date = Date.parse(headers.get("date") ?? "");
    return Number.isNaN(date) ? undefined : date - Date.now();
  } catch {
    return undefined; // storaged reports whether it answers, with the reason
  }
}

type Ask = (path: string, init?: { method: string; body?: string }) => Promise<Response>;

/** Writes, reads and deletes an object of its own; how conditional writes are done there. Throws what storaged says. */
async function useBucket(bucket: string, ask: Ask): Promise<string> {
  const checked = async (path: string, init?: { method: string; body?: string }) => {
    const response = await ask(path, init);
    const text = await response.text();
    if (response.ok) return text;
    const message = /"message":\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
    throw new Error(message === undefined ? `storaged answered ${response.status}` : JSON.parse(message));
  };
  const place = `doctor/${crypto.randomUUID()}?bucket=${encodeURIComponent(bucket)}`;
  const content = `probe of ${place}`;
  await checked(`/storage/put/${place}`, { method: "PUT", body: content });
  try {
    if ((await checked(`/storage/get/${place}`)) !== content)
      throw new Error("an object was read back as something else than was written");
  } finally {
    await checked(`/storage/delete/${place}`, { method: "DELETE" });
  }
  return abilitiesOf(bucket, () => checked("/storage/buckets"));
}

interface Abilities {
  name: string;
  conditional_writes: string;
  lacks?: string[];
}

/** What storaged found out about the server, which it tries after the start: asked until it knows. */
async function abilitiesOf(bucket: string, ask: () => Promise<string>): Promise<string> {
  for (const until = performance.now() + requestTimeoutMs; ; await Bun.sleep(200)) {
    const { buckets } = JSON.parse(await ask()) as { buckets: Abilities[] };
    const { conditional_writes: writes = "unknown", lacks = [] } =
      buckets.find(({ name }) => name === bucket) ?? {};
    if (writes === "unknown" && performance.now() < until) continue;
    const how = writes === "locked" ? "locked (let one storaged alone write there)" : writes;
    return lacks.length === 0 ? how : `${how}; it lacks ${lacks.join(", ")}`;
  }
}

/** storaged alone with this bucket, and a local one as primary where it is not that itself. */
async function startStoraged(bucket: string, table: Table, { file, config: { data_dir } }: Surroundings) {
  const scratch = mkdtempSync(join(tmpdir(), "lakehouse-doctor-"));
  const buckets = { ...(bucket !== "primary" && { primary: { kind: "local" } }), [bucket]: table };
  const words = [
    ...["--only", "storaged", `--data_dir=${scratch}`],
    ...["--storaged.bind=127.0.0.1:0", "--auth.allowed_ips="],
    `--buckets=${inlineToml(buckets)}`,
    ...(file === undefined ? [] : ["--config", file]),
  ];
  const remove = () => rmSync(scratch, { recursive: true, force: true });
  try {
    await writeVisitor(scratch, data_dir, new Date().toISOString());
    const { address: url, end } = await startChild({ words, service: "storaged", timeoutMs: startTimeoutMs });
    return { url, end: () => end().finally(remove) };
  } catch (cause) {
    remove();
    throw cause;
  }
}

/** As `{ primary = { kind = "s3" } }`; JSON's texts, numbers and booleans are TOML's. */
function inlineToml(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([key, field]) => `${JSON.stringify(key)} = ${inlineToml(field)}`);
  return `{ ${fields.join(", ")} }`;
}
