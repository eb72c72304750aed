/** The doctor with tokens: from the environment, from a file of their own, from the configuration; wrong ones too. */
import { afterAll, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../../runtime/config/loading.ts";
import { tokenInUse, tokens } from "../../../scripts/doctor/tokens.ts";
import { startProduct } from "../../support/product/product.ts";
import { configWith, temporaryDirectory } from "../../support/stacks/in-process.ts";

const root = join(import.meta.dir, "../../..");
const { path, remove } = temporaryDirectory("doctor-tokens");
afterAll(remove);

const long = "0123456789abcdef0123456789abcdef";

function written(name: string, content: string, mode: number): string {
  const file = join(path, name);
  writeFileSync(file, content);
  chmodSync(file, mode);
  return file;
}

const told = (env: Record<string, string>, file?: string) =>
  tokens(root, file, loadConfig({ directory: root, env, ...(file !== undefined && { file }) }));

test("a token in the environment or in a file of its own: the file of all defaults holds none", () => {
  const envFile = written("auth.env", `AUTH_TOKEN=${long}\nAUTH_SECONDARY_TOKEN=${long}x\n`, 0o640);
  expect(told({ AUTH_TOKEN: long })).toMatchObject({ state: "ok" });
  expect(told({ AUTH_TOKEN: long, AUTH_SECONDARY_TOKEN: `${long}x` })).toMatchObject({ state: "ok" });
  expect(told({ LH_AUTH_ENV_FILE: envFile })).toMatchObject({ state: "ok" });
});

test("a token in a file that everyone can read is told, also beside one from elsewhere", () => {
  const first = written("first.toml", `[auth]\ntoken = "${long}"\n`, 0o644);
  const second = written("second.toml", `[auth]\nsecondary_tokens = ["${long}"]\n`, 0o644);
  for (const [file, env] of [
    [first, {}],
    [second, { AUTH_TOKEN: long, AUTH_SECONDARY_TOKEN: `${long}x` }],
  ] as const) {
    expect(told(env, file)).toMatchObject({ state: "missing", required: true, fix: `chmod o= ${file}` });
    chmodSync(file, 0o640);
    expect(told(env, file)).toMatchObject({ state: "ok" });
  }
});

test("a short token is a fault on a network, and a word of advice on this machine alone", () => {
  expect(told({ AUTH_TOKEN: "short" })).toMatchObject({ state: "missing", required: false });
  expect(told({ AUTH_TOKEN: "short", LH_GATEWAY_BIND: "0.0.0.0:0" })).toMatchObject({
    state: "missing",
    required: true,
  });
});

test("services that run are asked whether they take the token", async () => {
  const product = await startProduct({ env: { AUTH_TOKEN: long }, flags: ["--only", "catalogd,storaged"] });
  try {
    const check = (service: "catalogd", required: boolean) => ({
      service,
      url: product.addresses[service] as string,
      check: { name: service, required, state: "ok" as const, found: "" },
    });
    const ports = [check("catalogd", true)];
    const configured = (token: string) => configWith({ auth: { token } }).auth;
    const asked = async (token: string) => tokenInUse({ ...configWith({}), auth: configured(token) }, ports);
    expect(await asked(long)).toMatchObject([{ state: "ok", required: true }]);
    expect(await asked(`${long}x`)).toMatchObject([
      { state: "missing", required: true, found: expect.stringContaining("another token") },
    ]);
    expect(await asked("")).toMatchObject([
      { state: "missing", found: expect.stringContaining("asks for a token") },
    ]);
    expect(await tokenInUse(configWith({}), [])).toEqual([]);
  } finally {
    await product.end();
  }
});
