import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseAuthFile } from "../../../runtime/config/auth-file.ts";
import { type ConfigSources, loadConfig } from "../../../runtime/config/loading.ts";
import { planReload } from "../../../runtime/supervisor/reload.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const names = ["AUTH_TOKEN", "AUTH_SECONDARY_TOKEN"];
const secret = "s3cr3t-of-this-file";

test("lines as systemd takes them", () => {
  const text = `# tokens\r\n; of today\n\n AUTH_TOKEN="${secret}" \r\nAUTH_SECONDARY_TOKEN='a,b'\n`;
  expect([...parseAuthFile(text, "auth.env", names)]).toEqual([
    ["AUTH_TOKEN", secret],
    ["AUTH_SECONDARY_TOKEN", "a,b"],
  ]);
  expect([...parseAuthFile("AUTH_TOKEN=\nAUTH_SECONDARY_TOKEN=''", "auth.env", names)]).toEqual([
    ["AUTH_TOKEN", ""],
    ["AUTH_SECONDARY_TOKEN", ""],
  ]);
  expect(parseAuthFile("", "auth.env", names).size).toBe(0);
});

describe("what is refused, with its line and without its text", () => {
  const rows: [name: string, text: string, says: RegExp][] = [
    ["an unknown name", `\nTOKEN=${secret}`, /^auth\.env:2: unknown name before '='; expected AUTH_TOKEN or/],
    ["a token alone that ends like base64", `${secret.replaceAll("-", "_")}=`, /^auth\.env:1: unknown name/],
    ["a token alone", secret, /^auth\.env:1: expected NAME=value/],
    ["export", `export AUTH_TOKEN=${secret}`, /^auth\.env:1: expected NAME=value, without `export`/],
    ["a space before =", `AUTH_TOKEN =${secret}`, /:1: expected NAME=value/],
    ["a space after =", `AUTH_TOKEN= ${secret}`, /:1: expected NAME=value/],
    ["an open quote", `AUTH_TOKEN="${secret}`, /:1: .*quotes only around the whole value/],
    ["quotes of two kinds", `AUTH_TOKEN="${secret}'`, /:1: expected/],
    ["a quote inside", `AUTH_TOKEN=a"${secret}"`, /:1: expected/],
    ["a continued line", `AUTH_TOKEN=${secret}\\\nmore`, /:1: expected/],
    ["a comment behind", `AUTH_TOKEN=${secret} # mine`, /:1: expected/],
    [
      "the same twice",
      `AUTH_TOKEN=${secret}\nAUTH_TOKEN=${secret}`,
      /^auth\.env:2: AUTH_TOKEN is given twice/,
    ],
    ["a NUL", `AUTH_TOKEN\0=${secret}`, /:1: expected/],
  ];
  test.each(rows)("%s", (_, text, says) => {
    const read = () => parseAuthFile(text, "auth.env", names);
    expect(read).toThrow(says);
    expect(read).not.toThrow(secret);
    expect(read).not.toThrow(secret.replaceAll("-", "_"));
  });
});

describe("the file among the sources", () => {
  const directory = temporaryDirectory("auth-file");
  afterAll(directory.remove);
  const file = join(directory.path, "auth.env");
  const put = (text: string, mode = 0o640) => {
    writeFileSync(file, text);
    chmodSync(file, mode);
  };
  const load = (toml = "", { env = {}, ...more }: ConfigSources = {}) => {
    writeFileSync(join(directory.path, "lakehouse.toml"), toml);
    return loadConfig({ directory: directory.path, env: { LH_AUTH_ENV_FILE: file, ...env }, ...more });
  };

  test("the configuration's own token, then the file, and the environment only where there is no file", () => {
    const env = { AUTH_TOKEN: "env", AUTH_SECONDARY_TOKEN: "env2" };
    put("AUTH_TOKEN=file\nAUTH_SECONDARY_TOKEN=file2,file3\n");
    expect(load("", { env }).config.auth).toMatchObject({
      token: "file",
      secondary_tokens: ["file2", "file3"],
    });
    expect(load("", { env }).provenance.get("auth.token")).toBe(file);
    expect(load("[auth]\ntoken = 'toml'\nsecondary_tokens = ['toml2']", { env }).config.auth).toMatchObject({
      token: "toml",
      secondary_tokens: ["toml2", "file2", "file3"],
    });
    put("AUTH_TOKEN=file\n");
    expect(load("", { env }).config.auth).toMatchObject({ token: "file", secondary_tokens: [] });
    rmSync(file);
    const without = load("", { env });
    expect(without.config.auth).toMatchObject({ token: "env", secondary_tokens: ["env2"] });
    expect(without.warnings).toEqual([`${file} does not exist: tokens come from the environment`]);
    put("MINE=own\n");
    expect(load("[auth]\ntoken_env = 'MINE'").config.auth.token).toBe("own");
  });

  const mistakes: [name: string, write: () => void, toml: string, env: object, says: RegExp][] = [
    ["everyone may read it", () => put("AUTH_TOKEN=x", 0o644), "", {}, /readable by everyone: run chmod o= /],
    ["a token with a space", () => put("AUTH_TOKEN=a,b"), "", {}, /auth\.env: auth\.token expects letters/],
    [
      "a secondary that no header can carry",
      () => put("AUTH_SECONDARY_TOKEN=a,\u00e9"),
      "",
      {},
      /secondary_/,
    ],
    [
      "the environment's",
      () => rmSync(file),
      "",
      { AUTH_TOKEN: `${secret}\n` },
      /^AUTH_TOKEN: auth\.token e/,
    ],
    [
      "the file's own",
      () => put(""),
      `\n[auth]\ntoken = "${secret} "`,
      {},
      /^lakehouse\.toml:3: auth\.token /,
    ],
    ["no address", () => put(""), "[auth]\n\nallowed_ips = ['10.0.0.0/33']", {}, /toml:3: auth\.allowed_ips/],
    [
      "no proxy",
      () => put(""),
      "[auth]\ntrusted_proxies = ['nginx']",
      {},
      /toml:2: auth\.trusted_proxies expe/,
    ],
    ["a table", () => put(""), `providers = "${secret}"`, {}, /toml:1: providers expects tables, got some/],
    ["a bad section", () => put(""), `auth = "${secret}"`, {}, /toml:1: unknown key 'auth'/],
    ["broken TOML", () => put(""), `[auth]\ntoken = "${secret}`, {}, /^lakehouse\.toml:2:/],
  ];
  test.each(mistakes)("refuses: %s", (_, write, toml, env, says) => {
    write();
    const read = () => load(toml, { env: env as Record<string, string> });
    expect(read).toThrow(says);
    expect(read).not.toThrow(secret);
    put("");
  });

  test("a secret is not taken from the command line, where every user can read it", () => {
    for (const key of ["auth.token", "auth.secondary_tokens"]) {
      const read = () => load("", { flags: [`${key}=${secret}`] });
      expect(read).toThrow(`--${key} is refused: every user of the machine can read command lines`);
      expect(read).not.toThrow(secret);
    }
  });

  describe("a reload", () => {
    const only = ["gateway", "storaged"] as const;
    const plan = (before: string, after: string, tokens = ["AUTH_TOKEN=a", "AUTH_TOKEN=a"]) => {
      put(tokens[0] ?? "");
      const running = load(before);
      put(tokens[1] ?? "");
      return planReload(running, load(after), only);
    };
    test("takes tokens, addresses, proxies and the level; names what waits for a restart", () => {
      const { config, changed, needsRestart } = plan(
        "",
        "[log]\nlevel = 'debug'\n[auth]\nallowed_ips = ['10.0.0.1']\ntrusted_proxies = ['10.0.0.2']\n" +
          "[gateway]\nbind = '127.0.0.1:1'\n[buckets.cold]\nkind = 'local'",
        ["AUTH_TOKEN=a", "AUTH_TOKEN=b\nAUTH_SECONDARY_TOKEN=a"],
      );
      expect(changed.sort()).toEqual(
        [
          "auth.allowed_ips",
          "auth.secondary_tokens",
          "auth.token",
          "auth.trusted_proxies",
          "log.level",
        ].sort(),
      );
      expect(needsRestart.sort()).toEqual([
        "buckets.cold",
        "buckets.primary",
        "buckets.warehouse",
        "gateway.bind",
      ]);
      expect(config.auth).toMatchObject({ token: "b", secondary_tokens: ["a"], allowed_ips: ["10.0.0.1"] });
      expect(config.gateway.bind).toBe("127.0.0.1:3110");
    });
    test("nothing is nothing", () => {
      expect(plan("", "")).toMatchObject({ changed: [], needsRestart: [] });
    });
    test("never opens what is bound to the network, by what runs and not by what is written now", () => {
      const bound = "[gateway]\nbind = '0.0.0.0:0'\n";
      const gone = ["AUTH_TOKEN=a", ""];
      expect(() => plan(bound, bound, gone)).toThrow(
        "refuse non-loopback bind without auth.token: gateway.bind",
      );
      expect(() => plan(bound, "", gone)).toThrow("refuse non-loopback bind");
      expect(() => plan(bound, `${bound}allow_nonloopback = true`, gone)).toThrow("refuse non-loopback bind");
      expect(plan(`${bound}allow_nonloopback = true`, bound, gone).changed).toEqual(["auth.token"]);
      expect(plan("", "", gone).changed).toEqual(["auth.token"]);
      const elsewhere = "[queryd]\nbind = '0.0.0.0:0'\n";
      expect(plan(elsewhere, elsewhere, gone).changed).toEqual(["auth.token"]);
    });
    test("takes a file that is gone for a mistake", () => {
      put("AUTH_TOKEN=a");
      const running = load("");
      rmSync(file);
      expect(() => planReload(running, load(""), only)).toThrow(`${file} was there before and is gone`);
      put("AUTH_TOKEN=a");
      rmSync(join(directory.path, "lakehouse.toml"));
      const read = loadConfig({ directory: directory.path, env: { LH_AUTH_ENV_FILE: file } });
      expect(() => planReload(running, read, only)).toThrow("lakehouse.toml was there before and is gone");
    });
  });
});
