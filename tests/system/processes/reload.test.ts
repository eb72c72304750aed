import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { topology } from "../../../runtime/topology.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("reload");
const running: Product[] = [];
let homes = 0;
afterEach(async () => {
  await Promise.all(running.splice(0).map((product) => product.end()));
});
afterAll(home.remove);

/** A product with a lakehouse.toml and a file of tokens that can be written anew. */
async function start(
  first: { toml?: string; tokens?: string; env?: Record<string, string>; only?: string; by?: string[] } = {},
) {
  const dataDir = join(home.path, String(++homes));
  mkdirSync(dataDir);
  const file = join(dataDir, "auth.env");
  const put = (tokens: string) => {
    writeFileSync(file, tokens);
    chmodSync(file, 0o640);
  };
  const toml = (text: string) => writeFileSync(join(dataDir, "lakehouse.toml"), text);
  toml(first.toml ?? "");
  put(first.tokens ?? "AUTH_TOKEN=first-token\n");
  const product = await startProduct({
    dataDir,
    env: { LH_AUTH_ENV_FILE: file, ...first.env },
    flags: ["--only", first.only ?? "storaged,gateway"],
    ...(first.by && { by: first.by }),
  });
  running.push(product);
  const lines = () =>
    product
      .log()
      .split("\n")
      .filter((line) => line.includes('"configuration '))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  /** Sends SIGHUP and gives the line that says what came of it. */
  const hup = async () => {
    const before = lines().length;
    process.kill(product.pid, "SIGHUP");
    while (lines().length === before) await Bun.sleep(2);
    return lines().at(-1) ?? {};
  };
  const status = async (token: string, at = product.url, path = "/v1/storage/buckets") =>
    (await fetch(at + path, { headers: { authorization: `Bearer ${token}` } })).status;
  return { product, put, toml, file, hup, lines, status };
}

test("tokens, addresses and the level change at SIGHUP; the rest is named", async () => {
  const { product, put, toml, hup, status } = await start();
  put("AUTH_TOKEN=second-token\nAUTH_SECONDARY_TOKEN=first-token\n");
  toml("[log]\nlevel = 'debug'\n[storaged]\nmax_concurrent_puts = 3\n");
  expect(await hup()).toMatchObject({
    level: "warn",
    msg: "configuration reloaded, but not all of it",
    changed: ["log.level", "auth.token", "auth.secondary_tokens"],
    needs_restart: ["storaged.max_concurrent_puts"],
  });
  const storaged = product.addresses.storaged ?? "";
  for (const at of [product.url, storaged]) {
    const path = at === storaged ? "/storage/buckets" : "/v1/storage/buckets";
    for (const token of ["first-token", "second-token"]) expect(await status(token, at, path)).toBe(200);
    expect(await status("third-token", at, path)).toBe(401);
  }
  // Said by both workers at the new level only.
  for (const service of ["gateway", "storaged"])
    await product.said(new RegExp(`"level":"debug","service":"${service}".*"type":"unauthorized"`));
  toml("[auth]\nallowed_ips = ['192.0.2.0/24']\n");
  expect(await hup()).toMatchObject({ changed: ["log.level", "auth.allowed_ips"], needs_restart: [] });
  expect(await status("first-token")).toBe(403);
  toml("[auth]\nallowed_ips = ['203.0.113.9']\ntrusted_proxies = ['127.0.0.1']\n");
  await hup();
  const behind = (address: string) =>
    fetch(`${product.url}/v1/storage/buckets`, {
      headers: { authorization: "Bearer first-token", "x-forwarded-for": address },
    });
  // The service behind the gateway is in its process and asks nobody again.
  expect((await behind("1.2.3.4, 203.0.113.9")).status).toBe(200);
  expect((await behind("203.0.113.9, 1.2.3.4")).status).toBe(403);
  expect((await behind("nobody")).status).toBe(400);
});

test("a mistake leaves everything as it was and is told without the secret", async () => {
  const { product, put, toml, file, hup, status } = await start();
  const mistakes: [write: () => void, says: RegExp][] = [
    [() => toml("[auth]\ntoken = 'a-new-secret\n"), /^lakehouse\.toml:2:\d+: /],
    [() => toml("[log]\nlevel = 'loud'\n"), /^lakehouse\.toml:2: log\.level expects one of debug, /],
    [
      () => toml("[auth]\nallowed_ips = ['10.0.0.0/33']"),
      /^lakehouse\.toml:2: auth\.allowed_ips expects a list/,
    ],
    [() => toml("[auth]\ntoken = 'a-new-secret here'"), /^lakehouse\.toml:2: auth\.token expects letters/],
    [() => toml("[aut]\ntoken = 'a-new-secret'"), /^lakehouse\.toml:1: unknown key 'aut'/],
    [
      () => rmSync(join(file, "../lakehouse.toml")),
      /lakehouse\.toml was there before and is gone: put it back/,
    ],
    [() => put("AUTH_TOKEN: a-new-secret"), /auth\.env:1: expected NAME=value/],
    [() => put("A_NEW_SECRET="), /auth\.env:1: unknown name/],
    [() => chmodSync(file, 0o644), /auth\.env is readable by everyone: run chmod o= /],
    [() => rmSync(file), /auth\.env was there before and is gone: put it back/],
  ];
  for (const [write, says] of mistakes) {
    toml("");
    put("AUTH_TOKEN=changed-token\n");
    write();
    expect(await hup()).toMatchObject({
      level: "error",
      msg: "configuration not reloaded: it stays as it was",
      error: expect.stringMatching(says),
    });
    expect(await status("first-token")).toBe(200);
  }
  expect(product.log()).not.toMatch(/a-new-secret|A_NEW_SECRET|changed-token/i);
  toml("");
  put("AUTH_TOKEN=changed-token\n");
  expect(await hup()).toMatchObject({ msg: "configuration reloaded", changed: ["auth.token"] });
  expect([await status("first-token"), await status("changed-token")]).toEqual([401, 200]);
});

test("a burst of signals ends with the last configuration", async () => {
  const { product, put, lines, status } = await start();
  for (let n = 1; n <= 20; n++) {
    put(`AUTH_TOKEN=token-${n}\n`);
    process.kill(product.pid, "SIGHUP");
    if (n % 5 === 0) await Bun.sleep(1);
  }
  while (lines().length === 0 || (await status("token-20")) !== 200) await Bun.sleep(2);
  expect(await status("token-19")).toBe(401);
});

const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

test.skipIf(outside === undefined)("what is open to the network keeps its token", async () => {
  const { put, hup, status, product } = await start({ env: { LH_GATEWAY_BIND: `${outside}:0` } });
  put("");
  expect(await hup()).toMatchObject({
    level: "error",
    error: expect.stringContaining("refuse non-loopback bind without auth.token: gateway.bind"),
  });
  expect(await status("first-token", product.url, "/metrics")).toBe(200);
  expect((await fetch(`${product.url}/metrics`)).status).toBe(401);
});

describe("a start that would open a service to the network without a token", () => {
  const run = async (env: Record<string, string>, only = Object.keys(topology).join(",")) => {
    const dataDir = join(home.path, String(++homes));
    mkdirSync(dataDir);
    try {
      running.push(await startProduct({ dataDir, env, flags: ["--only", only] }));
      return "started";
    } catch (cause) {
      return (cause as Error).message;
    }
  };
  test.each(Object.keys(topology))("is refused for %s, whose override lifts that alone", async (name) => {
    const upper = name.toUpperCase();
    const other = name === "storaged" ? "pathwayd" : "storaged";
    const bind = { [`LH_${upper}_BIND`]: "0.0.0.0:0" };
    const refused = await run(bind);
    expect(refused).toContain(`refuse non-loopback bind without auth.token: ${name}.bind is 0.0.0.0`);
    expect(refused).toContain(`LH_${upper}_ALLOW_NONLOOPBACK=1`);
    // The override of another service, or of this one while another is open too, opens nothing.
    expect(await run({ ...bind, [`LH_${other.toUpperCase()}_ALLOW_NONLOOPBACK`]: "1" })).toContain(
      `${name}.bind`,
    );
    const both = { ...bind, [`LH_${other.toUpperCase()}_BIND`]: "[::]:0" };
    expect(await run({ ...both, [`LH_${upper}_ALLOW_NONLOOPBACK`]: "1" })).toContain(`${other}.bind is ::`);
  });

  test("starts with a token, with a secondary alone, or with the override, which lifts no other gate", async () => {
    const bind = { LH_STORAGED_BIND: "0.0.0.0:0" };
    expect(await run({ ...bind, AUTH_TOKEN: "t" }, "storaged")).toBe("started");
    expect(await run({ ...bind, AUTH_SECONDARY_TOKEN: "t" }, "storaged")).toBe("started");
    const open = { ...bind, LH_STORAGED_ALLOW_NONLOOPBACK: "1" };
    expect(await run(open, "storaged")).toBe("started");
    expect(await run({ ...open, LH_AUTH_ALLOWED_IPS: "192.0.2.77" }, "storaged")).toBe("started");
    const [withToken, withSecondary, plain, closed] = running.map(({ addresses }) => addresses.storaged);
    const status = async (at = "") => (await fetch(`${at}/metrics`)).status;
    expect([await status(withToken), await status(withSecondary), await status(plain)]).toEqual([
      401, 401, 200,
    ]);
    expect(await status(closed)).toBe(403);
  });
});

test("where services are apart, one with another token is named, and the client is not blamed", async () => {
  const services = await start({ only: "storaged", tokens: "AUTH_TOKEN=theirs\n" });
  const front = await start({
    only: "gateway",
    tokens: "AUTH_TOKEN=ours\n",
    env: { LH_STORAGED_URL: services.product.addresses.storaged ?? "" },
  });
  const ask = async (path: string) => {
    const response = await fetch(front.product.url + path, { headers: { authorization: "Bearer ours" } });
    return { status: response.status, body: JSON.stringify(await response.json()) };
  };
  for (const path of ["/v1/storage/buckets", "/v1/storage/get/nothing"]) {
    const { status, body } = await ask(path);
    expect([status, body]).toEqual([
      502,
      expect.stringContaining("storaged refuses the token of its callers"),
    ]);
  }
  services.put("AUTH_TOKEN=theirs\nAUTH_SECONDARY_TOKEN=ours\n");
  await services.hup();
  expect((await ask("/v1/storage/buckets")).status).toBe(200);
  expect((await ask("/v1/storage/get/nothing")).status).toBe(404);
});
