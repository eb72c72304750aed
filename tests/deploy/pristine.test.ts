/** The machine of a new user. The whole of it is `bun run pristine`, which CI runs before the tests. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootMachine, noMachine } from "../../scripts/machine/machine.ts";
import { registryVariables } from "../../scripts/machine/registry-access.ts";
import { stepsOf } from "../../scripts/runbook/blocks.ts";
import { pageOf } from "../../scripts/runbook/pristine.ts";
import { temporaryDirectory } from "../support/stacks/in-process.ts";

const readme = await Bun.file("README.md").text();
const { path, remove } = temporaryDirectory("pristine");
afterAll(remove);

describe("what a new user types", () => {
  const { launcher, tour } = pageOf(readme);

  test("begins with the pinned Bun, and has FAISS make and search an index", async () => {
    const { engines } = await Bun.file("package.json").json();
    expect(launcher).toBe(`npx -y bun@${engines.bun}`);
    const steps = tour.flatMap(({ text }) => stepsOf(text));
    expect(steps.length).toBeGreaterThan(15);
    expect(steps.filter(({ expected }) => expected.includes('"engine":"faiss"'))).toHaveLength(1);
    expect(steps.filter(({ command }) => command.includes("/colours/search"))).toHaveLength(1);
  });

  test.each([
    ["no first command", readme.replaceAll(" run supervisor`", " run nothing`")],
    ["no tour", readme.replace("## Five-minute tour", "## Tour")],
  ])("a README with %s is a fault, not an empty success", (_, markdown) => {
    expect(() => pageOf(markdown)).toThrow("README.md: neither");
  });

  test("CI runs it before the tests, and fails when it does", async () => {
    const lines = (await Bun.file(".ci/run").text()).trim().split("\n");
    expect(lines).toContain("set -euo pipefail");
    // Under `-e` a line that stands alone ends the run when it fails.
    expect(lines).toContain(`${launcher} run pristine`);
    expect(lines.at(-1)).toBe(`exec ${launcher} run test`);
  });
});

test("of the environment only what reaches registries is handed on", () => {
  const env = {
    HTTPS_PROXY: "http://p",
    no_proxy: "a",
    npm_config_registry: "http://r",
    npm_config_user_agent: "x",
    HOME: "/x",
  };
  expect(registryVariables(env)).toEqual({
    HTTPS_PROXY: "http://p",
    no_proxy: "a",
    npm_config_registry: "http://r",
  });
});

const none = noMachine("bare");
if (none !== undefined) process.stderr.write(`no bare machine is made here: ${none}\n`);

/** Linux lays no more than two over one another (FILESYSTEM_MAX_STACK_DEPTH), and each machine is one over its root. */
const isOverlay = none === undefined && statfsSync("/").type === 0x794c7630;
if (isOverlay) process.stderr.write("no machine is made inside of another here: / is an overlay itself\n");

describe.skipIf(none !== undefined)("a bare machine", () => {
  test("has its root, the files laid over it, its variables and a process 1 of its own, ends what takes too long; and is gone at its end", async () => {
    const extra = join(path, "extra");
    mkdirSync(join(extra, "etc"), { recursive: true });
    writeFileSync(join(extra, "etc/lakehouse-extra"), "laid over\n");
    const machine = await bootMachine("new", path, {
      kind: "bare",
      lower: "/",
      extra,
      env: { GIVEN: "a b" },
    });
    try {
      const script = `cat /etc/lakehouse-extra; echo "$GIVEN"; hostname; echo changed > /etc/lakehouse-changed
git clone -q --no-checkout https://git.example.com/lakehouse.git /root/pristine-clone
git -C /root/pristine-clone show HEAD:.ci/run | head -n 1
tr '\\0' ' ' < /proc/1/cmdline | cut -c 1-7; kill -9 1; echo alive`;
      const { code, output } = await machine.run(script, { timeoutMs: 60_000 });
      expect(output).toBe("laid over\na b\nnew\n#!/usr/bin/env bash\nbash -c\nalive\n");
      expect(code).toBe(0);
      expect((await machine.run("sleep 1000", { timeoutMs: 300 })).code).toBeUndefined();
    } finally {
      await machine.end();
    }
    expect(existsSync("/etc/lakehouse-changed")).toBe(false);
    expect(existsSync("/root/pristine-clone")).toBe(false);
  });

  test.skipIf(isOverlay)("booted inside of another is the one that runs its commands", async () => {
    const code = `const { bootMachine } = await import("${join(import.meta.dir, "../../scripts/machine/machine.ts")}");
      const base = { kind: "bare", lower: "/", extra: "${path}", env: {} };
      const machine = await bootMachine("inner", "${path}", base);
      console.log((await machine.run("hostname; echo x > /lakehouse-inner", { timeoutMs: 60_000 })).output);
      await machine.end();
      process.exit(0)`;
    const machine = await bootMachine("outer", path, { kind: "bare", lower: "/", extra: path, env: {} });
    try {
      const bun = process.execPath;
      const script = `cat > /tmp/inner.ts <<'END'\n${code}\nEND\n${bun} /tmp/inner.ts; hostname; ls /lakehouse-inner`;
      const { output } = await machine.run(script, { timeoutMs: 60_000 });
      expect(output).toStartWith("inner\n");
      expect(output).toContain("outer\n");
      expect(output).toContain("cannot access '/lakehouse-inner'");
    } finally {
      await machine.end();
    }
  });

  test("what keeps one from booting is said", async () => {
    const base = { kind: "bare", lower: join(path, "nowhere"), extra: path, env: {} } as const;
    await expect(bootMachine("new", path, base)).rejects.toThrow(/the machine does not boot: .*mount/s);
  });
});
