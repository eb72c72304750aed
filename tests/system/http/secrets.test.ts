import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const tokens = {
  first: "tok-first-9d1c7e55a1",
  second: "tok-second-4b8f02ce77",
  wrong: "tok-wrong-66aa10b2c3",
};
const secrets = {
  ...tokens,
  s3: "s3-secret-key-e0f1a2b3c4",
  session: "s3-session-token-77cc88dd99",
  file: "provider-key-of-file-1a2b3c4d",
  env: "provider-key-of-env-5e6f7a8b",
};

/** The forms in which a secret could stand somewhere. */
const forms = Object.entries(secrets).flatMap(([name, text]) => [
  [name, text],
  [`${name}, base64`, btoa(text)],
]);
const found = (where: string, text: string): string[] =>
  forms.flatMap(([name = "", form = ""]) => (text.includes(form) ? [`${where} holds ${name}`] : []));

test("no secret is in anything the product prints, answers, keeps or shows to the system", async () => {
  const home = temporaryDirectory("secrets");
  const dataDir = home.path;
  const write = (name: string, text: string) => {
    writeFileSync(join(dataDir, name), text);
    chmodSync(join(dataDir, name), 0o600);
  };
  write("auth.env", `AUTH_TOKEN=${tokens.first}\nAUTH_SECONDARY_TOKEN=${tokens.second}\n`);
  write(
    "secrets.toml",
    `[s3.cold]\naccess_key_id = "EXAMPLEKEY"\nsecret_access_key = "${secrets.s3}"\n` +
      `session_token = "${secrets.session}"\n[providers.openai]\napi_key = "${secrets.file}"\n`,
  );
  // Nobody answers there: every way in which a request with a key can fail is told somewhere.
  const nowhere = "http://127.0.0.1:9";
  write(
    "lakehouse.toml",
    `[log]\nlevel = "debug"\n[buckets.primary]\nkind = "local"\n` +
      `[buckets.cold]\nkind = "s3"\nendpoint = "${nowhere}"\nregion = "us-east-1"\n` +
      `[storaged]\ns3_retries = 0\ns3_timeout_ms = 500\n` +
      `[embedd]\nretries = 0\nopenai_url = "${nowhere}/v1"\n`,
  );
  mkdirSync(join(dataDir, "data"));
  const product = await startProduct({
    dataDir,
    env: {
      LH_AUTH_ENV_FILE: join(dataDir, "auth.env"),
      LH_SECRETS_PATH: join(dataDir, "secrets.toml"),
      OPENROUTER_API_KEY: secrets.env,
    },
  });
  const seen: string[] = [];
  try {
    const ask = async (at: string, path: string, token: string, init: RequestInit = {}) => {
      const response = await fetch(at + path, {
        signal: AbortSignal.timeout(20_000),
        ...init,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      });
      const text = `${JSON.stringify([...response.headers])} ${await response.text()}`;
      seen.push(...found(`${init.method ?? "GET"} ${at}${path} (${response.status})`, text));
      return response.status;
    };
    const post = (body: object): RequestInit => ({ method: "POST", body: JSON.stringify(body) });
    for (const token of Object.values(tokens)) {
      for (const at of Object.values(product.addresses))
        for (const path of ["/health", "/readyz", "/metrics", "/log", "/nothing", "/rpc/nothing"])
          await ask(at, path, token);
      for (const path of ["/v1/system", "/docs", "/v1/openapi.json", "/v1/storage/errors"])
        await ask(product.url, path, token);
    }
    const { first } = tokens;
    const requests: [path: string, init?: RequestInit][] = [
      ["/v1/storage/put/a?bucket=cold", { method: "PUT", body: "x" }],
      ["/v1/storage/get/a?bucket=cold"],
      ["/v1/storage/list?bucket=cold"],
      ["/v1/storage/buckets"],
      [
        "/v1/sql",
        post({ sql: "SELECT getenv('OPENROUTER_API_KEY'), current_setting('s3_secret_access_key')" }),
      ],
      ["/v1/sql", post({ sql: "SELECT * FROM duckdb_secrets()" })],
      ["/v1/sql", post({ sql: "SELECT * FROM read_text('/proc/self/environ')" })],
      ["/v1/embed", post({ texts: ["a"], model: "openai/text-embedding-3-small" })],
      ["/v1/embed", post({ texts: ["a"], model: "nobody/has-this" })],
      [
        "/v1/chat",
        post({ model: "openrouter/x", messages: [{ role: "user", content: "a" }], timeout_ms: 1000 }),
      ],
      ["/v1/chat/providers"],
      ["/v1/models"],
      ["/v1/embed/models"],
    ];
    const statuses = [];
    for (const [path, init] of requests) statuses.push(await ask(product.url, path, first, init));
    // The requests did reach what holds the keys.
    expect(statuses.slice(0, 2).every((status) => status >= 500)).toBe(true);
    for (const path of [
      "/v1/storage/errors",
      "/v1/sql/queries",
      "/v1/observer/events",
      "/metrics",
      "/v1/system/settings",
      "/v1/system/log",
    ])
      await ask(product.url, path, first);

    const said = () => product.log().split('"configuration ').length;
    for (const bad of [tokens.wrong, `AUTH_TOKEN="${tokens.wrong}`, `${tokens.wrong}=`]) {
      const before = said();
      write("auth.env", bad);
      process.kill(product.pid, "SIGHUP");
      while (said() === before) await Bun.sleep(2);
    }
    for (const name of ["cmdline", "comm", "status"])
      seen.push(...found(`/proc/PID/${name}`, readFileSync(`/proc/${product.pid}/${name}`, "utf8")));
  } finally {
    await product.end();
  }
  seen.push(...found("the log", product.log()));
  for await (const name of new Bun.Glob("**/*").scan({
    cwd: join(dataDir, "data"),
    dot: true,
    onlyFiles: true,
  }))
    seen.push(...found(`data/${name}`, readFileSync(join(dataDir, "data", name), "latin1")));
  home.remove();
  expect(seen).toEqual([]);
  expect(product.log()).toContain('"level":"debug"');
});
