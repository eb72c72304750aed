/** Every broken state is provoked for real; where the fix is a command or a variable, it is tried, and helps. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { topology } from "../../../runtime/topology.ts";
import type { Check } from "../../../scripts/doctor/check.ts";
import { startOtlpCollector } from "../../support/clients/otlp-collector.ts";
import { makeSmallDisk, mountable } from "../../support/faults/small-disk.ts";
import { startOllama } from "../../support/model-servers/ollama.ts";
import { startProduct } from "../../support/product/product.ts";
import { testS3Servers } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const script = join(import.meta.dir, "../../../scripts/doctor/doctor.ts");
const { path, remove } = temporaryDirectory("doctor");
afterAll(remove);

interface Diagnosis {
  exitCode: number;
  ok: boolean;
  checks: Check[];
}

const openAiKey = "sk-hidden-value-of-tests";
const services = Object.keys(topology);
const anyPort = Object.fromEntries(services.map((name) => [`LH_${name.toUpperCase()}_BIND`, "127.0.0.1:0"]));

/** Free ports and a directory of its own, so that a Lakehouse on this machine changes nothing. */
async function diagnose(env: Record<string, string> = {}, words: string[] = []): Promise<Diagnosis> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(LH_|AUTH_|\w+_API_KEY$)/.test(name));
  const child = Bun.spawn([process.execPath, script, "--json", ...words], {
    env: { ...Object.fromEntries(inherited), LH_DATA_DIR: join(path, "data"), ...anyPort, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const told = (await new Response(child.stdout).json()) as Omit<Diagnosis, "exitCode">;
  return { exitCode: await child.exited, ...told };
}

const named = ({ checks }: Diagnosis, name: string): Check | undefined =>
  checks.find((check) => check.name === name);

/** Writes a file that only its owner may read, and gives its path. */
function secretFile(name: string, content: string): string {
  const file = join(path, name);
  writeFileSync(file, content);
  chmodSync(file, 0o600);
  return file;
}

describe("doctor", () => {
  test("tells every dependency, in a stable form", async () => {
    const diagnosis = await diagnose();
    const names = diagnosis.checks.map(({ name }) => name).filter((name) => !name.startsWith("port "));
    expect(names).toEqual([
      ...["bun", "packages", "duckdb", "usearch", "sqlite words", "git hook", "configuration", "environment"],
      ...["cores", "open files", "clock", "systemd units", "memory", "bind gate", "tokens", "secrets"],
      ...["data directory", "file locks", "store"],
      ...[
        "data owner",
        "bucket primary",
        "bucket warehouse",
        "embedding local",
        "embedding ollama",
        "embedding openai",
      ],
      ...["ollama", "openai", "ollama_cloud", "openrouter", "opencode", "kimi"].map((name) => `chat ${name}`),
      ...["trace export", "faiss"],
    ]);
    for (const service of services) expect(named(diagnosis, `port ${service}`)?.state).toBe("ok");
    for (const check of diagnosis.checks) {
      const keys = ["name", "required", "state", "found", ...(check.state === "ok" ? [] : ["fix"])];
      expect(Object.keys(check)).toEqual(keys);
      expect(["ok", "missing"]).toContain(check.state);
    }
    // A clone that was set up by hand has no stamp; all else that is required must be here.
    const lacking = diagnosis.checks.filter(
      ({ name, state, required }) => required && state === "missing" && name !== "packages",
    );
    expect(lacking).toEqual([]);
    expect(diagnosis.ok).toBe(diagnosis.exitCode === 0);
  });

  test("tells where a value came from, and never a token; short ones and what shadows the file", async () => {
    const file = join(path, "own.toml");
    writeFileSync(file, '[queryd]\nmemory_limit = "1GB"\n');
    const env = { AUTH_TOKEN: "very-secret", LH_LOG_LEVEL: "debug", LH_QUERYD_MEMORY_LIMIT: "3GB" };
    const diagnosis = await diagnose(env, ["--config", file]);
    expect(named(diagnosis, "configuration")?.found).toContain("log.level from LH_LOG_LEVEL");
    expect(named(diagnosis, "configuration")?.found).toContain("auth.token from AUTH_TOKEN");
    expect(JSON.stringify(diagnosis)).not.toContain("very-secret");
    expect(named(diagnosis, "tokens")).toMatchObject({ state: "missing", required: false });
    expect(named(diagnosis, "environment")).toMatchObject({
      state: "missing",
      required: false,
      found: "LH_QUERYD_MEMORY_LIMIT shadows queryd.memory_limit of the file",
      fix: "unset LH_QUERYD_MEMORY_LIMIT, or take the line out of the file",
    });
  });

  test.each([
    [
      "a value out of range",
      { LH_STORAGED_MAX_PUT_BYTES: "lots" },
      "configuration",
      "storaged.max_put_bytes expects",
    ],
    ["an unknown variable", { LH_GATEWAY_BINDD: "x" }, "configuration", "did you mean 'LH_GATEWAY_BIND'"],
    [
      "an open bind",
      { LH_GATEWAY_BIND: "0.0.0.0:0" },
      "bind gate",
      "refuse non-loopback bind without auth.token",
    ],
    [
      "an address of another machine",
      { LH_GATEWAY_BIND: "192.0.2.1:0" },
      "port gateway",
      "192.0.2.1 is no address of this machine",
    ],
    ["a directory that cannot be", { LH_DATA_DIR: "/proc/nowhere" }, "data directory", "/proc/nowhere"],
    ["more memory than there is", { LH_QUERYD_MEMORY_LIMIT: "900TB" }, "memory", "the configuration lets"],
    ["an unknown key in the file", { LH_CONFIG: join(path, "odd.toml") }, "configuration", "odd.toml"],
  ])("%s is required and missing", async (_, env, name, found) => {
    writeFileSync(join(path, "odd.toml"), '[gateway]\nbindd = "127.0.0.1:1"\n');
    const diagnosis = await diagnose(env as Record<string, string>);
    expect(diagnosis.exitCode).toBe(1);
    expect(named(diagnosis, name)).toMatchObject({ state: "missing", required: true });
    expect(named(diagnosis, name)?.found).toContain(found);
  });

  test("secrets that everyone can read: its fix, run, mends it", async () => {
    const file = secretFile(
      "open.toml",
      '[s3.primary]\naccess_key_id = "a"\nsecret_access_key = "hidden-key"\n',
    );
    chmodSync(file, 0o644);
    const before = await diagnose({ LH_SECRETS_PATH: file });
    const check = named(before, "secrets");
    expect(check).toMatchObject({ state: "missing", required: true, fix: `chmod 600 ${file}` });
    expect(JSON.stringify(before)).not.toContain("hidden-key");
    expect(Bun.spawnSync(["sh", "-c", check?.fix ?? ""]).exitCode).toBe(0);
    expect(named(await diagnose({ LH_SECRETS_PATH: file }), "secrets")?.state).toBe("ok");
  });

  test("a port of another program is told from one of Lakehouse's; the address it offers instead is free", async () => {
    await using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    await using own = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => Response.json({ status: "ok", service: "catalogd" }),
    });
    const env = { LH_GATEWAY_BIND: `127.0.0.1:${other.port}`, LH_CATALOGD_BIND: `127.0.0.1:${own.port}` };
    const taken = await diagnose({ ...env, LH_CHATD_URL: "http://127.0.0.1:1" });
    expect(named(taken, "port gateway")).toMatchObject({
      state: "missing",
      required: true,
      found: `127.0.0.1:${other.port} is taken by another program`,
    });
    expect(named(taken, "port catalogd")?.found).toContain("is held by this Lakehouse");
    expect(named(taken, "port chatd")).toMatchObject({ state: "missing", required: false });
    const [, free] = /LH_GATEWAY_BIND=(\S+)$/.exec(named(taken, "port gateway")?.fix ?? "") ?? [];
    const mended = await diagnose({ ...env, LH_GATEWAY_BIND: free ?? "" });
    expect(named(mended, "port gateway")?.found).toBe(`${free} is free`);
  });

  test("a data directory that another Lakehouse holds; the one that answers here is no other", async () => {
    const product = await startProduct();
    try {
      const elsewhere = named(await diagnose({ LH_DATA_DIR: product.dataDir }), "data owner");
      expect(elsewhere).toMatchObject({ state: "missing", required: true });
      expect(elsewhere?.fix).toContain(`kill ${product.pid}`);
      const binds = Object.entries(product.addresses).map(([name, url]) => [
        `LH_${name.toUpperCase()}_BIND`,
        new URL(url).host,
      ]);
      const here = await diagnose({ LH_DATA_DIR: product.dataDir, ...Object.fromEntries(binds) });
      expect(named(here, "data owner")).toMatchObject({ state: "ok" });
      expect(named(here, "data owner")?.found).toContain(`${product.pid} (`);
      expect(named(here, "bucket primary")?.found).toContain("format 1");
      for (const service of services)
        expect(named(here, `port ${service}`)?.found).toContain("held by this Lakehouse");
    } finally {
      await product.end();
    }
  });

  test("a damaged bucket", async () => {
    const root = join(path, "damaged");
    mkdirSync(join(root, ".lakehouse"), { recursive: true });
    writeFileSync(join(root, ".lakehouse", "format.json"), "{");
    const buckets = `{ primary = { kind = "local", path = "${root}" } }`;
    expect(named(await diagnose({ LH_BUCKETS: buckets }), "bucket primary")).toMatchObject({
      state: "missing",
      required: true,
      found: expect.stringContaining("format.json is damaged"),
    });
  });

  test("model providers and the trace export: reached, stopped, without model or key", async () => {
    await using ollama = disposable(await startOllama());
    await using openai = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ headers }) =>
        headers.get("authorization") === `Bearer ${openAiKey}`
          ? Response.json({ object: "list", data: [{ id: "gpt-4o" }] })
          : new Response("no", { status: 401 }),
    });
    const openAiUrl = `http://127.0.0.1:${openai.port}/v1`;
    await using collector = disposable(await startOtlpCollector());
    const keys = (key: string) =>
      secretFile(
        "providers.toml",
        `[providers.openai]\napi_key = "${key}"\n[providers.own]\napi_key = "${openAiKey}"\n[providers.langfuse]\napi_key = "a:b"\n`,
      );
    const env = {
      LH_EMBEDD_OLLAMA_URL: ollama.url,
      LH_EMBEDD_OPENAI_URL: openAiUrl,
      LH_OBSERVERD_OTLP_EXPORT_URL: `${collector.url}/v1/traces`,
      LH_EMBEDD_DEFAULT_MODEL: "ollama/nobody-has-this",
      LH_CHATD_DEFAULT_MODEL: "own/absent",
      LH_PROVIDERS: `{ own = { kind = "openai", base_url = "${openAiUrl}" } }`,
    };
    const lacking = await diagnose({ ...env, LH_SECRETS_PATH: keys(openAiKey) });
    expect(named(lacking, "embedding ollama")).toMatchObject({
      state: "missing",
      required: true,
      fix: "ollama pull nobody-has-this",
    });
    expect(named(lacking, "embedding openai")).toMatchObject({ state: "ok", required: false });
    expect(named(lacking, "chat own")).toMatchObject({ state: "missing", required: true });
    expect(named(lacking, "chat own")?.fix).toStartWith("name a model that it has: ");
    expect(named(lacking, "trace export")).toMatchObject({ state: "ok", required: true });

    await Promise.all([ollama.stop(), collector.stop()]);
    const model = { LH_EMBEDD_DEFAULT_MODEL: "openai/gpt-4o", LH_CHATD_DEFAULT_MODEL: "own/gpt-4o" };
    const stopped = await diagnose({ ...env, ...model, LH_SECRETS_PATH: keys("wrong-and-hidden") });
    expect(named(stopped, "embedding ollama")).toMatchObject({
      state: "missing",
      required: false,
      found: expect.stringContaining(`nobody answers at ${ollama.url}/api/tags: ECONNREFUSED`),
    });
    expect(named(stopped, "embedding openai")).toMatchObject({ state: "missing", required: true });
    expect(named(stopped, "embedding openai")?.found).toContain("refuses the key with 401");
    expect(named(stopped, "embedding openai")?.fix).toContain("OPENAI_API_KEY");
    expect(named(stopped, "chat own")).toMatchObject({ state: "ok", required: true });
    expect(named(stopped, "trace export")?.found).toContain("nobody answers");
    expect(JSON.stringify(stopped)).not.toContain("wrong-and-hidden");
  });

  test("distributed engines: started, starting, and not there", async () => {
    let starting = true;
    await using engine = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => Response.json({ starting, nodeVersion: { version: "476" } }),
    });
    const url = `http://127.0.0.1:${engine.port}`;
    const env = {
      LH_QUERYD_ENGINES: `{ near = { kind = "trino", url = "${url}" }, far = { kind = "trino", url = "http://127.0.0.1:9" } }`,
    };
    const found = await diagnose(env);
    expect(named(found, "engine near")).toMatchObject({ state: "missing", found: `${url} is starting` });
    expect(named(found, "engine far")).toMatchObject({ state: "missing", required: true });
    expect(named(found, "engine far")?.fix).toContain("[queryd.engines.far] url");
    starting = false;
    const vectors = `{ w = { kind = "weaviate", url = "${url}" }, p = { kind = "pgvector", url = "postgres://127.0.0.1:9/x" } }`;
    const later = await diagnose({ ...env, LH_VECTORD_ENGINES: vectors });
    expect(named(later, "engine near")).toMatchObject({ state: "ok", found: `${url}: version 476` });
    expect(named(later, "vector engine w")).toMatchObject({ state: "ok", required: true });
    expect(named(later, "vector engine p")).toMatchObject({ state: "missing", required: true });
    expect(named(later, "vector engine p")?.fix).toContain("[vectord.engines.p] url");
  });

  test.skipIf(!mountable.includes("tmpfs"))("a full disk and a read-only one", async () => {
    const disk = makeSmallDisk("tmpfs", 4 * 1024 * 1024);
    try {
      disk.fill();
      const full = named(await diagnose({ LH_DATA_DIR: disk.path }), "data directory");
      expect(full).toMatchObject({ state: "missing", required: true });
      expect(full?.found).toContain("0.0 GiB free");
      disk.empty();
      disk.remount("ro");
      const readOnly = await diagnose({ LH_DATA_DIR: disk.path });
      expect(named(readOnly, "file locks")?.found).toContain("EROFS");
      expect(named(readOnly, "bucket primary")).toMatchObject({ state: "missing", required: true });
    } finally {
      disk.remove();
    }
  });
});

test.each(await testS3Servers(["rgw"]))(
  "buckets on S3: each is used, or what keeps it from being used is told",
  async (s3) => {
    const bucket = await s3.newBucket();
    const table = (name: string, at = s3.endpoint) =>
      `{ kind = "s3", endpoint = "${at}", bucket = "${name}", path_style = true }`;
    const buckets = {
      LH_BUCKETS: `{ primary = ${table(bucket)}, wrong = ${table(bucket)}, absent = ${table("nobody-made-this")}, far = ${table(bucket, "http://127.0.0.1:1")} }`,
      LH_STORAGED_S3_RETRIES: "0",
      LH_STORAGED_S3_TIMEOUT_MS: "5000",
    };
    const { accessKeyId, secretAccessKey } = s3.keys;
    const keysOf = (name: string, secret = secretAccessKey) =>
      `[s3.${name}]\naccess_key_id = "${accessKeyId}"\nsecret_access_key = "${secret}"\n`;
    const all = ["primary", "absent", "far"].map((name) => keysOf(name)).join("");
    const secrets = secretFile("s3.toml", `${all}${keysOf("wrong", "not-this-hidden-one")}`);
    const diagnosis = await diagnose({ ...buckets, LH_SECRETS_PATH: secrets });
    expect(named(diagnosis, "bucket primary")).toMatchObject({ state: "ok", required: true });
    expect(named(diagnosis, "bucket primary")?.found).toMatch(
      /written, read and deleted; conditional writes (native|locked)/,
    );
    const told = [
      ["wrong", "access denied", "correct [s3.wrong] access_key_id"],
      ["absent", "there is no bucket 'nobody-made-this'", "create the bucket"],
      ["far", "http://127.0.0.1:1", "check that the server runs"],
    ] as const;
    for (const [name, found, fix] of told) {
      const check = named(diagnosis, `bucket ${name}`);
      expect(check).toMatchObject({ state: "missing", required: true });
      expect(check?.found).toContain(found);
      expect(check?.fix).toContain(fix);
    }
    expect(JSON.stringify(diagnosis)).not.toContain("not-this-hidden-one");
    const keyless = await diagnose({
      ...buckets,
      LH_SECRETS_PATH: secretFile("few.toml", keysOf("primary")),
    });
    expect(named(keyless, "secrets")?.found).toBe("no keys for wrong, absent, far");
    expect(readFileSync(secrets, "utf8")).toContain("s3.wrong");
  },
);

const disposable = <S extends { stop: () => Promise<void> }>(server: S) => ({
  ...server,
  [Symbol.asyncDispose]: () => server.stop(),
});
