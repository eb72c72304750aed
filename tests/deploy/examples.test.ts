/** What stands in deploy/etc-lakehouse is read as it stands. */
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../runtime/config/loading.ts";
import type { ServiceSection } from "../../runtime/config/settings.ts";
import { loadSecrets } from "../../runtime/secrets/secrets.ts";
import { topology } from "../../runtime/topology.ts";
import { unitFiles } from "../../scripts/generate/units.ts";
import { temporaryDirectory } from "../support/stacks/in-process.ts";

const folder = join(import.meta.dir, "../../deploy/etc-lakehouse");
const home = temporaryDirectory("examples");
afterAll(home.remove);
const names = Object.keys(topology) as ServiceSection[];

describe("configurations", () => {
  const files = readdirSync(folder).filter(
    (name) => name.endsWith(".toml.example") && name !== "secrets.toml.example",
  );

  test.each(files)("%s loads, and puts the data where the units may write", (name) => {
    const { config, warnings } = loadConfig({ file: join(folder, name) });
    expect(warnings).toEqual([]);
    const [, dataDir] =
      /^Environment=LH_DATA_DIR=(.*)$/m.exec(unitFiles().get("lakehouse.service") ?? "") ?? [];
    expect(config.data_dir).toBe(String(dataDir));
  });

  test("several hosts: each service has an address, and what a unit requires is on its host", () => {
    const { config } = loadConfig({ file: join(folder, "lakehouse.several-hosts.toml.example") });
    const hostOf = (name: ServiceSection) => new URL(config[name].url).hostname;
    for (const name of names) {
      expect(config[name].bind).toBe(`0.0.0.0:${new URL(config[name].url).port}`);
      for (const needed of topology[name].needs) expect([name, hostOf(needed)]).toEqual([name, hostOf(name)]);
    }
    expect(new Set(names.map(hostOf)).size).toBe(2);
  });
});

test("secrets of several buckets", () => {
  const path = join(home.path, "secrets.toml");
  copyFileSync(join(folder, "secrets.toml.example"), path);
  // A copy gets the mode of its original, which a repository cannot keep from being readable.
  Bun.spawnSync(["chmod", "0640", path]);
  const secrets = loadSecrets(path, {});
  expect(secrets.s3("primary")).toEqual({
    accessKeyId: "EXAMPLEKEYOFPRIMARY",
    secretAccessKey: "example-secret-of-primary",
  });
  expect(secrets.s3("archive")?.sessionToken).toBe("example-session-token");
  expect(secrets.provider("openai")).toBe("example-key");
  expect(secrets.provider("langfuse")).toBe("pk-example:sk-example");
});

const variablesOf = (name: string): Record<string, string> =>
  Object.fromEntries(
    readFileSync(join(folder, name), "utf8")
      .split("\n")
      .filter((line) => /^[A-Z_]+=/.test(line))
      .map((line) => [line.split("=", 1)[0] ?? "", `${line.slice(line.indexOf("=") + 1)}a-key`]),
  );

test("the file of a chat provider names its variable, and a unit reads each file that it tells of", () => {
  expect(loadSecrets("/nonexistent", variablesOf("chat-provider.env.example")).provider("openrouter")).toBe(
    "a-key",
  );
  const told = readFileSync(join(folder, "chat-provider.env.example"), "utf8").match(/chat-\w+\.env/g) ?? [];
  const unit = unitFiles().get("lakehouse-chatd.service") ?? "";
  const read = unit.match(/chat-\w+\.env/g) ?? [];
  expect([...new Set(told)].sort()).toEqual([...new Set(read)].sort());
});

test("auth.env as the file that a reload reads again", () => {
  const path = join(home.path, "auth.env");
  copyFileSync(join(folder, "auth.env.example"), path);
  Bun.spawnSync(["chmod", "0640", path]);
  Bun.spawnSync(["sed", "-i", "s/^AUTH_TOKEN=$/AUTH_TOKEN=a-token/", path]);
  const { config } = loadConfig({ env: { LH_AUTH_ENV_FILE: path }, directory: home.path });
  expect(config.auth.token).toBe("a-token");
});
