import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { topology } from "../../runtime/topology.ts";
import type { Check } from "../../scripts/doctor/check.ts";
import { temporaryDirectory } from "../support/in-process.ts";

const script = join(import.meta.dir, "../../scripts/doctor.ts");
const { path, remove } = temporaryDirectory("doctor");
afterAll(remove);

interface Diagnosis {
  exitCode: number;
  ok: boolean;
  checks: Check[];
}

/** Free ports and a directory of its own, so that a Lakehouse on this machine changes nothing. */
const apart = {
  LH_DATA_DIR: join(path, "data"),
  ...Object.fromEntries(
    ["GATEWAY", "STORAGED", "CATALOGD", "INGESTD", "QUERYD"].map((name) => [
      `LH_${name}_BIND`,
      "127.0.0.1:0",
    ]),
  ),
};

async function diagnose(env: Record<string, string> = {}): Promise<Diagnosis> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(LH_|AUTH_)/.test(name));
  const all = { ...(Object.fromEntries(inherited) as Record<string, string>), ...apart, ...env };
  const child = Bun.spawn([process.execPath, script, "--json"], {
    env: all,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const told = (await new Response(child.stdout).json()) as Omit<Diagnosis, "exitCode">;
  return { exitCode: await child.exited, ...told };
}

const named = ({ checks }: Diagnosis, name: string): Check | undefined =>
  checks.find((check) => check.name === name);

describe("doctor", () => {
  test("tells every dependency, and ends with 0 when all that is required is here", async () => {
    const diagnosis = await diagnose();
    const names = ["bun", "packages", "duckdb", "faiss", "git hook", "memory", "clock"];
    const more = ["configuration", "bind gate", "data directory", "ports", "secrets"];
    expect(diagnosis.checks.map(({ name }) => name)).toEqual([...names, ...more]);
    for (const check of diagnosis.checks) {
      expect(typeof check.found).toBe("string");
      expect(check.fix === undefined).toBe(check.ok);
    }
    // A clone that was set up by hand has no stamp; all else that is required must be here.
    const missing = diagnosis.checks.filter(
      ({ name, ok, required }) => required && !ok && name !== "packages",
    );
    expect(missing).toEqual([]);
    expect(diagnosis.ok).toBe(diagnosis.exitCode === 0);
  });

  test("tells where a value came from, and never a token", async () => {
    const diagnosis = await diagnose({ AUTH_TOKEN: "very-secret", LH_LOG_LEVEL: "debug" });
    const found = named(diagnosis, "configuration")?.found;
    expect(found).toContain("log.level from LH_LOG_LEVEL");
    expect(found).toContain("auth.token from AUTH_TOKEN");
    expect(JSON.stringify(diagnosis)).not.toContain("very-secret");
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
    ["a directory that cannot be", { LH_DATA_DIR: "/proc/nowhere" }, "data directory", "/proc/nowhere"],
    [
      "a bucket without keys",
      { LH_BUCKETS: '{ primary = { kind = "s3", endpoint = "http://127.0.0.1:1" } }' },
      "secrets",
      "no keys for primary",
    ],
    [
      "a bucket out of reach",
      { LH_BUCKETS: '{ far = { kind = "s3", endpoint = "http://127.0.0.1:1" } }' },
      "bucket far",
      "",
    ],
  ])("%s is required and missing", async (_, env, name, found) => {
    const diagnosis = await diagnose(env as Record<string, string>);
    expect(diagnosis.exitCode).toBe(1);
    expect(named(diagnosis, name)).toMatchObject({ ok: false, required: true });
    expect(named(diagnosis, name)?.found).toContain(found);
  });

  test("secrets that everyone can read", async () => {
    const secrets = join(path, "secrets.toml");
    writeFileSync(secrets, '[s3.primary]\naccess_key_id = "a"\nsecret_access_key = "hidden-key"\n');
    chmodSync(secrets, 0o644);
    const diagnosis = await diagnose({ LH_SECRETS_PATH: secrets });
    expect(named(diagnosis, "secrets")).toMatchObject({ ok: false, required: true });
    expect(named(diagnosis, "secrets")?.fix).toContain(`chmod 600 ${secrets}`);
    expect(JSON.stringify(diagnosis)).not.toContain("hidden-key");
  });

  test("a port that another program holds is not one that Lakehouse holds", async () => {
    await using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    await using own = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => Response.json({ status: "ok", service: "storaged" }),
    });
    const taken = await diagnose({ LH_GATEWAY_BIND: `127.0.0.1:${other.port}` });
    expect(named(taken, "ports")).toMatchObject({
      ok: false,
      found: expect.stringContaining("gateway (127.0.0.1:"),
    });
    const held = await diagnose({ LH_STORAGED_BIND: `127.0.0.1:${own.port}` });
    expect(named(held, "ports")).toMatchObject({
      ok: true,
      found: `1 of ${Object.keys(topology).length} held by this Lakehouse, the others free`,
    });
  });
});
