import { afterAll, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ConfigSources, defaults, loadConfig } from "../../../runtime/config/loading.ts";
import { loadSecrets } from "../../../runtime/secrets/secrets.ts";
import { renderToml } from "../../../scripts/generate/render-toml.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("config");
afterAll(directory.remove);
let files = 0;
const write = (text: string): string => {
  const path = join(directory.path, `config-${files++}.toml`);
  writeFileSync(path, text);
  return path;
};
const load = (text: string, sources: ConfigSources = {}) =>
  loadConfig({ directory: directory.path, file: write(text), ...sources });

test("lakehouse.toml holds every key and equals the defaults", async () => {
  const text = await Bun.file("lakehouse.toml").text();
  expect(text).toBe(renderToml());
  const { config } = loadConfig({ file: "lakehouse.toml" });
  expect({ ...config, data_dir: "./data" }).toEqual(defaults());
});

test("each source wins over the one before it, and says so", () => {
  const file = "[gateway]\nbind = '127.0.0.1:1'\n[queryd]\nthreads = 2\n";
  const { config, provenance } = load(file, {
    env: { LH_GATEWAY_BIND: "127.0.0.1:2", LH_DATA_DIR: "d" },
    flags: ["gateway.bind=127.0.0.1:3"],
  });
  expect(config.gateway.bind).toBe("127.0.0.1:3");
  expect(provenance.get("gateway.bind")).toBe("--gateway.bind");
  expect(config.queryd.threads).toBe(2);
  expect(provenance.get("queryd.threads")).toEndWith(".toml");
  expect(config.data_dir).toBe(join(directory.path, "d"));
  expect(provenance.get("data_dir")).toBe("LH_DATA_DIR");
  expect(provenance.get("log.level")).toBe("default");
  expect(Object.isFrozen(config.gateway)).toBe(true);
});

test("tokens come from the environment only when the configuration names none", () => {
  expect(load("", { env: { AUTH_TOKEN: "env" } }).config.auth.token).toBe("env");
  expect(load("[auth]\ntoken = 'file'", { env: { AUTH_TOKEN: "env" } }).config.auth.token).toBe("file");
  expect(
    load("[auth]\ntoken_env = 'MINE'", { env: { AUTH_TOKEN: "env", MINE: "mine" } }).config.auth.token,
  ).toBe("mine");
  const rotating = load("[auth]\nsecondary_tokens = ['a']", { env: { AUTH_SECONDARY_TOKEN: "b, c" } });
  expect(rotating.config.auth.secondary_tokens).toEqual(["a", "b", "c"]);
});

test("a file that was asked for and is missing warns and goes on", () => {
  const { warnings, config } = loadConfig({ directory: directory.path, file: "absent.toml" });
  expect(warnings).toEqual(["absent.toml does not exist: going on with defaults, environment and flags"]);
  expect(config.gateway).toEqual(defaults().gateway);
  expect(loadConfig({ directory: directory.path }).warnings).toEqual([]);
});

test("buckets, sizes and lists come from every source", () => {
  const { config } = load(
    "[buckets.primary]\nkind = 'local'\n[buckets.cold]\nkind = 's3'\nendpoint = 'http://localhost:9'\n[storaged]\nmax_put_bytes_by_prefix = { 'a/' = 5 }",
  );
  expect(Object.keys(config.buckets)).toEqual(["primary", "cold"]);
  expect(config.storaged.max_put_bytes_by_prefix).toEqual({ "a/": 5 });
  const env = load("", {
    env: { LH_BUCKETS: "{ primary = { kind = 's3' } }", LH_AUTH_ALLOWED_IPS: "10.0.0.1, ::1" },
  });
  expect(env.config.buckets).toEqual({ primary: { kind: "s3" } });
  expect(env.config.auth.allowed_ips).toEqual(["10.0.0.1", "::1"]);
});

const bad: [name: string, text: string, sources: ConfigSources, message: RegExp][] = [
  ["broken TOML", "[gateway\nbind = 1", {}, /config-\d+\.toml:1:\d+: /],
  ["an unknown section", "[gatway]\nbind = 'a'", {}, /unknown key 'gatway'/],
  [
    "an unknown key",
    "[gateway]\nbnd = 'a'",
    {},
    /unknown key 'gateway\.bnd'; did you mean 'gateway\.bind'\?/,
  ],
  ["a top-level slip", "data_dri = 'x'", {}, /unknown key 'data_dri'; did you mean 'data_dir'\?/],
  [
    "a wrong type",
    "[queryd]\nthreads = 'two'",
    {},
    /queryd\.threads expects a whole number from 0 to 1024, got "two"/,
  ],
  ["a number out of range", "[queryd]\nthreads = -1", {}, /from 0 to 1024, got -1/],
  ["a fraction", "[queryd]\nthreads = 1.5", {}, /whole number/],
  ["an unknown choice", "[log]\nlevel = 'loud'", {}, /one of debug, info, warn, error, got "loud"/],
  ["a bind without a port", "[gateway]\nbind = 'localhost'", {}, /host:port/],
  ["a size without a unit", "[queryd]\nmemory_limit = '2'", {}, /a size with its unit/],
  ["a secret of another type", "[auth]\ntoken = 5", {}, /auth\.token expects letters, .* got something else/],
  [
    "an unknown variable",
    "",
    { env: { LH_GATEWAY_BND: "x" } },
    /LH_GATEWAY_BND: unknown variable; did you mean 'LH_GATEWAY_BIND'\?/,
  ],
  ["a bad variable", "", { env: { LH_QUERYD_THREADS: "x" } }, /^LH_QUERYD_THREADS: queryd\.threads expects/],
  ["an unknown flag", "", { flags: ["nope=1"] }, /--nope: unknown key/],
  ["a bad flag", "", { flags: ["rpc.timeout_ms=0"] }, /--rpc\.timeout_ms: .* from 1 to/],
];
for (const [name, text, sources, message] of bad) {
  test(`refuses ${name}`, () => expect(() => load(text, sources)).toThrow(message));
}

const secretsFile = (text: string, mode = 0o600): string => {
  const path = write(text);
  chmodSync(path, mode);
  return path;
};
const keys = "[s3.primary]\naccess_key_id = 'id'\nsecret_access_key = 'hidden-value'\n";

test("secrets", () => {
  expect(loadSecrets(secretsFile(keys)).s3("primary")).toEqual({
    accessKeyId: "id",
    secretAccessKey: "hidden-value",
  });
  const reader = "[s3.primary.reader]\naccess_key_id = 'r'\nsecret_access_key = 's'\n";
  expect(loadSecrets(secretsFile(keys + reader)).s3("primary")?.reader).toEqual({
    accessKeyId: "r",
    secretAccessKey: "s",
  });
  expect(loadSecrets(secretsFile(keys)).s3("other")).toBeUndefined();
  expect(loadSecrets(join(directory.path, "absent")).s3("primary")).toBeUndefined();
});

test("keys of model providers: the file's, or else the environment's", () => {
  const file = "[providers.openai]\napi_key = 'from-file'\n";
  const env = { OPENAI_API_KEY: "from-env", OLLAMA_CLOUD_API_KEY: "cloud", KIMI_API_KEY: "" };
  const both = loadSecrets(secretsFile(keys + file), env);
  expect(both.provider("openai")).toBe("from-file");
  expect(both.s3("primary")?.accessKeyId).toBe("id");
  const absent = loadSecrets(join(directory.path, "absent"), env);
  expect(["openai", "ollama-cloud", "kimi", "other"].map(absent.provider)).toEqual([
    "from-env",
    "cloud",
    undefined,
    undefined,
  ]);
});

const badSecrets: [name: string, text: string, mode: number, message: RegExp][] = [
  ["a world-readable file", keys, 0o644, /readable by everyone: run chmod 600/],
  ["broken TOML", `${keys}oops hidden-value`, 0o600, /is not valid TOML/],
  ["an unknown section", `${keys}[gcs.a]\nx = 1`, 0o600, /unknown section 'gcs'/],
  ["an unknown key", `${keys}token = 'hidden-value'`, 0o600, /unknown key s3\.primary\.token/],
  ["half a pair", "[s3.primary]\naccess_key_id = 'id'", 0o600, /s3\.primary is incomplete/],
  [
    "half a pair of readers",
    `${keys}[s3.primary.reader]\naccess_key_id = 'r'`,
    0o600,
    /s3\.primary\.reader is incomplete/,
  ],
  [
    "readers of readers",
    `${keys}[s3.primary.reader.reader]\nx = 'r'`,
    0o600,
    /unknown key s3\.primary\.reader\.reader/,
  ],
  ["no table", "s3 = 5", 0o600, /s3 is not a table/],
  ["a provider without a key", "[providers.openai]\n", 0o600, /providers\.openai has no api_key/],
  ["an empty key", "[providers.openai]\napi_key = ''", 0o600, /providers\.openai has no api_key/],
  ["a key that is no text", "[providers.openai]\napi_key = 5", 0o600, /providers\.openai has no api_key/],
  [
    "an unknown key of a provider",
    "[providers.openai]\napi_key = 'hidden-value'\nurl = 'x'",
    0o600,
    /unknown key providers\.openai\.url/,
  ],
  [
    "a key in the wrong place",
    "[providers]\nopenai = 'hidden-value'",
    0o600,
    /providers\.openai has no api_key/,
  ],
  ["providers that are no table", "providers = 'hidden-value'", 0o600, /providers is not a table/],
];
for (const [name, text, mode, message] of badSecrets) {
  test(`secrets: refuses ${name} without repeating it`, () => {
    const path = secretsFile(text, mode);
    expect(() => loadSecrets(path)).toThrow(message);
    expect(() => loadSecrets(path)).not.toThrow(/hidden-value/);
  });
}
