import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaults, loadConfig } from "../../../runtime/config/loading.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { startSupervisor } from "../../../runtime/supervisor/supervisor.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { readThread } from "../../../runtime/thread-time/thread-time.ts";
import type { Topology } from "../../../runtime/topology.ts";
import { startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("signals");
afterAll(home.remove);
let homes = 0;
const directory = () => {
  const path = join(home.path, String(++homes));
  mkdirSync(path);
  return path;
};
const main = join(import.meta.dir, "../../../runtime/main.ts");
const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : "");
const until = async (holds: () => boolean | Promise<boolean>) => {
  while (!(await holds())) await Bun.sleep(5);
};

test("systemd hears when a reload begins and when it is done", async () => {
  const path = join(home.path, "notify.sock");
  const listener = Bun.spawn(
    [process.execPath, join(import.meta.dir, "../../fixtures/runtime/notify-socket.ts"), path],
    { stdout: "pipe", stderr: "inherit" },
  );
  let heard = "";
  const listening = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of listener.stdout) heard += decoder.decode(bytes);
  })();
  try {
    await until(() => heard.includes("bound"));
    const dataDir = directory();
    writeFileSync(join(dataDir, "lakehouse.toml"), "");
    const env = { NOTIFY_SOCKET: path };
    const product = await startProduct({ dataDir, env, flags: ["--only", "storaged"] });
    await until(() => heard.includes("READY=1"));
    heard = "";
    process.kill(product.pid, "SIGHUP");
    await until(() => heard.includes("READY=1"));
    const [reloading = "", ready = ""] = heard
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as string);
    expect(reloading).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    expect(ready).toBe("READY=1\nSTATUS=running storaged");
    // Of the machine's monotonic clock, which runs since its boot; a machine that slept is behind its uptime.
    const uptime = Number(read("/proc/uptime").split(" ")[0]);
    const told = Number(/MONOTONIC_USEC=(\d+)/.exec(reloading)?.[1]) / 1_000_000;
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThanOrEqual(uptime + 1);
    writeFileSync(join(dataDir, "lakehouse.toml"), "[log");
    heard = "";
    process.kill(product.pid, "SIGHUP");
    // A reload that was refused is over too: the service runs as before.
    await until(() => heard.includes("READY=1"));
    await product.said(/configuration not reloaded/);
    await product.end();
  } finally {
    listener.kill("SIGKILL");
    await listening;
  }
});

/** Runs the product in a terminal of its own, by `script`, through a shell that writes its process id. */
function inTerminal(by: string) {
  const at = directory();
  const env = { ...process.env, LH_DATA_DIR: join(at, "data"), LH_STORAGED_BIND: "127.0.0.1:0" };
  const log = join(at, "log");
  const start = `echo $$ > ${at}/pid; exec ${by} ${process.execPath} ${main} --only storaged > ${at}/out 2> ${log}`;
  const terminal = Bun.spawn(["script", "-qfc", start, "/dev/null"], {
    cwd: at,
    env,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  return {
    log: () => read(log),
    pid: () => Number(read(`${at}/pid`)),
    ready: () => until(() => read(`${at}/out`).includes("Lakehouse is running")),
    close: async () => {
      terminal.kill("SIGKILL");
      await terminal.exited;
    },
  };
}
const withTerminals = test.skipIf(Bun.which("script") === null);

withTerminals(
  "a terminal that is closed ends what runs in it, by draining; SIGHUP before that reloads",
  async () => {
    const product = inTerminal("");
    await product.ready();
    process.kill(product.pid(), "SIGHUP");
    await until(() => product.log().includes('"configuration reloaded"'));
    await product.close();
    await until(() => product.log().includes('"msg":"stopping","signal":"SIGHUP"'));
    await until(() => !existsSync(`/proc/${product.pid()}`));
  },
);

withTerminals("under nohup it outlives the terminal", async () => {
  const product = inTerminal("nohup");
  await product.ready();
  const address = /"address":"(http:[^"]+)"/.exec(product.log())?.[1] ?? "";
  await product.close();
  expect((await fetch(`${address}/health`)).status).toBe(200);
  process.kill(product.pid(), "SIGHUP");
  await until(() => product.log().includes('"configuration reloaded"'));
  expect((await fetch(`${address}/health`)).status).toBe(200);
  expect(product.log()).not.toContain("stopping");
  process.kill(product.pid(), "SIGTERM");
  await until(() => !existsSync(`/proc/${product.pid()}`));
});

test("a service that is started again after a reload has the new configuration", async () => {
  const path = directory();
  const fixture = (name: string) => new URL(`../../fixtures/runtime/${name}-worker.ts`, import.meta.url);
  const node = { worker: fixture("echo"), calls: [], needs: [], native: false };
  const { config } = loadConfig({
    directory: path,
    env: {
      LH_DATA_DIR: path,
      LH_STORAGED_BIND: "127.0.0.1:0",
      LH_SUPERVISOR_BACKOFF_MS: "1",
      AUTH_TOKEN: "old",
    },
  });
  const supervisor = await startSupervisor({
    config,
    topology: { storaged: node } as unknown as Topology,
    only: ["storaged"],
    clock: systemClock,
    log: createLog("supervisor", "error", () => {}),
    readThread,
  });
  const status = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`${supervisor.status()[0]?.address}/metrics`, { headers })).status;
  };
  expect([await status("old"), await status("new")]).toEqual([200, 401]);
  await supervisor.reload({
    auth: { ...defaults().auth, token: "new" },
    log: { level: "error" },
    provenance: { flags: [], keys: {} },
  });
  expect([await status("old"), await status("new")]).toEqual([401, 200]);
  supervisor.kill("storaged");
  await until(() => supervisor.status()[0]?.restarts === 1 && supervisor.status()[0]?.state === "ready");
  expect([await status("old"), await status("new")]).toEqual([401, 200]);
  await supervisor.stop();
});
