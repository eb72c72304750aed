import { afterEach, expect, test } from "bun:test";
import { closeSync, constants, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import type { ServiceStatus } from "../../../runtime/service/declaration.ts";
import { stopLimits } from "../../../runtime/supervisor/stop-limits.ts";
import {
  type Supervisor,
  type SupervisorOptions,
  startSupervisor,
} from "../../../runtime/supervisor/supervisor.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { readThread } from "../../../runtime/thread-time/thread-time.ts";
import type { Topology } from "../../../runtime/topology.ts";
import { configWith, temporaryDirectory } from "../../support/stacks/in-process.ts";

const fixture = (name: string) => new URL(`../../fixtures/runtime/${name}-worker.ts`, import.meta.url);
const node = (name: string, calls: Topology["gateway"]["calls"] = [], more: { endsItself?: true } = {}) => ({
  worker: fixture(name),
  calls,
  needs: [],
  ...more,
});
const endsItself = { endsItself: true } as const;
/** Heartbeats are quick, and so many may pass in silence that only a thread that is stuck for good uses them up. */
const quick = {
  heartbeat_ms: 20,
  heartbeat_timeout_ms: 600_000,
  backoff_ms: 10,
  restart_limit: 3,
};
/** For services that hang: 50 heartbeats, more than a thread that is starved waits for its garbage collector. */
const watchful = { heartbeat_timeout_ms: 1000 };

const ownDirectory = () => {
  const directory = temporaryDirectory("supervisor");
  stops.push(directory.remove);
  return directory;
};
const makePipe = (path: string) => {
  mkdirSync(dirname(path), { recursive: true });
  expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
};
/** Opens the pipe as soon as somebody reads it. */
const writingEnd = async (path: string): Promise<number> => {
  for (;;)
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      await Bun.sleep(2);
    }
};

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Started {
  supervisor: Supervisor;
  call: (verb: string, input?: unknown) => Promise<{ status: number; body: never }>;
  state: (name: string) => string | undefined;
  /** What the supervisor logged so far, a line each. */
  logged: () => string[];
  /** A path in the test's own directory. */
  path: (name: string) => string;
}

async function start(
  nodes: Partial<Topology>,
  supervisorSettings = {},
  given: Partial<Pick<SupervisorOptions, "clock" | "readThread">> & { directory?: string } = {},
): Promise<Started> {
  const directory = given.directory ? { path: given.directory } : ownDirectory();
  const bind = { bind: "127.0.0.1:0" };
  const config = configWith({
    data_dir: directory.path,
    supervisor: { ...quick, ...supervisorSettings },
    storaged: bind,
    gateway: bind,
    catalogd: bind,
    queryd: bind,
  });
  const lines: string[] = [];
  const supervisor = await startSupervisor({
    config,
    topology: nodes as Topology,
    only: Object.keys(nodes) as never,
    clock: systemClock,
    log: createLog("supervisor", "info", (line) => lines.push(line)),
    readThread,
    ...given,
  });
  stops.push(supervisor.stop);
  const address = () => supervisor.status().find(({ name }) => name === "gateway")?.address;
  return {
    supervisor,
    logged: () => lines,
    path: (name) => join(directory.path, name),
    call: async (verb, input = {}) => {
      const response = await fetch(`${address()}/call/${verb}`, {
        method: "POST",
        body: JSON.stringify({ input }),
        headers: { "content-type": "application/json" },
      });
      return { status: response.status, body: (await response.json()) as never };
    },
    state: (wanted) => supervisor.status().find(({ name }) => name === wanted)?.state,
  };
}

/** Asks until the answer holds; the test's own limit ends a run in which it never does. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await Bun.sleep(2);
}

const pair = { storaged: node("echo"), gateway: node("caller", ["storaged"]) };

test("starts services in order and lets them call each other over channels", async () => {
  const { call, state } = await start(pair);
  expect(state("storaged")).toBe("ready");
  expect(await call("say", { text: "hello" })).toEqual({ status: 200, body: { text: "hello" } as never });
  const system = (await call("system")).body as { name: string; state: string }[];
  expect(system.map(({ name, state: its }) => [name, its])).toEqual([
    ["storaged", "ready"],
    ["gateway", "ready"],
  ]);
});

test("a crashed service: callers hear of it at once, and work again without a restart of their own", async () => {
  const { call, supervisor } = await start(pair, { backoff_ms: 300 });
  const waiting = call("wait");
  await call("say", { text: "warm" });
  await call("crash");
  const crashed = performance.now();
  expect((await waiting).status).toBe(502);
  const noticedMs = performance.now() - crashed;
  await until(async () => (await call("say", { text: "down?" })).status === 503);
  await until(async () => (await call("say", { text: "back?" })).status === 200);
  const backMs = performance.now() - crashed;
  const [storaged, gateway] = supervisor.status();
  expect(storaged).toMatchObject({ restarts: 1, last_error: "crashed on request" });
  expect(gateway?.restarts).toBe(0);
  // Printed, not tested on the clock: a busy machine must not fail the suite.
  process.stderr.write(
    `crash noticed by a waiting caller after ${noticedMs.toFixed(1)} ms, served again after ${backMs.toFixed(0)} ms (300 ms of it backoff)\n`,
  );
});

test("a hung service is noticed and replaced alone", async () => {
  const { call, supervisor } = await start(pair, watchful);
  await call("hang");
  await until(() => (supervisor.status()[0]?.restarts ?? 0) > 0);
  await until(async () => (await call("say", { text: "alive" })).status === 200);
  expect(supervisor.status()[0]?.last_error).toStartWith("hung: silent for");
  expect(supervisor.status()[1]?.restarts).toBe(0);
});

for (const kind of [{}, endsItself])
  test(`a service that works without an answer is busy, and is left alone ${JSON.stringify(kind)}`, async () => {
    const nodes = { ...pair, storaged: node("echo", [], kind) };
    const { call, supervisor, logged, path } = await start(nodes, watchful);
    const before = supervisor.status()[0];
    await call("spin", { until: path("done") });
    const notes = () => logged().filter((line) => /"msg":"service (busy|answers)[^}]*"storaged"/.test(line));
    const isBusy = () => notes().at(-1)?.includes("service busy") ?? false;
    await until(isBusy);
    expect(supervisor.status()[0]).toEqual(before as never);
    writeFileSync(path("done"), "");
    await until(() => !isBusy());
    expect(await call("say", { text: "it is the same" })).toMatchObject({ status: 200 });
    expect(supervisor.status()[0]).toEqual(before as never);
  });

test("a service that works in a circle is replaced when it has used its processor time", async () => {
  const { call, supervisor } = await start(pair, { ...watchful, busy_timeout_ms: 300 });
  await call("spin");
  await until(() => supervisor.status()[0]?.restarts === 1 && supervisor.status()[0]?.state === "ready");
  expect(supervisor.status()[0]?.last_error).toMatch(
    /^hung: silent for \d+ ms; it used \d+ ms of processor time$/,
  );
  await until(async () => (await call("say", { text: "alive" })).status === 200);
});

test("a hung service that ends itself is reported and not replaced, and is ready again when it answers", async () => {
  const { call, supervisor, logged, path } = await start(
    { ...pair, storaged: node("echo", [], endsItself) },
    watchful,
  );
  const pipe = path("pipe");
  makePipe(pipe);
  const { started_at } = supervisor.status()[0] ?? {};
  await call("block", { pipe });
  await until(() => supervisor.status()[0]?.state === "hung");
  // The callers are told, too.
  const told = async () => ((await call("system")).body as ServiceStatus[])[0];
  await until(async () => (await told())?.state === "hung");
  expect(await told()).toMatchObject({ restarts: 0, last_error: expect.stringMatching(/^hung: silent/) });
  const waiting = call("say", { text: "late, and answered" });
  writeFileSync(pipe, "go on");
  expect((await waiting).status).toBe(200);
  // On a busy machine it is seen to work before it is seen to answer.
  await until(() => logged().some((line) => line.includes("service answers again")));
  await until(() => supervisor.status()[0]?.state === "ready");
  expect(supervisor.status()[0]).toMatchObject({ restarts: 0, started_at });
  const lines = logged().map((line) => JSON.parse(line));
  expect(lines).toContainEqual(
    expect.objectContaining({ level: "error", msg: "service hung", name: "storaged" }),
  );
  expect(lines).toContainEqual(expect.objectContaining({ msg: "service answers again", name: "storaged" }));
});

test("a service that ends itself and hangs in its start keeps nobody else from starting", async () => {
  const directory = ownDirectory().path;
  const pipe = join(directory, "storaged", "pipe");
  makePipe(pipe);
  const nodes = { ...pair, storaged: node("blocked", [], endsItself) };
  const { call, supervisor, state } = await start(nodes, { start_timeout_ms: 1000 }, { directory });
  await until(() => state("storaged") === "hung" && state("gateway") === "ready");
  writeFileSync(pipe, "go on");
  await until(async () => (await call("say", { text: "late" })).status === 200);
  expect(supervisor.status()[0]).toMatchObject({ state: "ready", restarts: 0 });
});

test("a service that ends itself and does not close is reported, and is started again when it has closed", async () => {
  const { call, supervisor, path } = await start(
    { ...pair, storaged: node("echo", [], endsItself) },
    { stop_timeout_ms: 100 },
  );
  const pipe = path("pipe");
  makePipe(pipe);
  await call("block", { pipe });
  const end = await writingEnd(pipe);
  supervisor.kill("storaged");
  const storaged = () => supervisor.status()[0] as ServiceStatus;
  await until(() => storaged().state === "hung");
  expect(storaged()).toMatchObject({ restarts: 0, last_error: "stopped; it did not close within 100 ms" });
  writeSync(end, "go on");
  closeSync(end);
  await until(() => storaged().state === "ready");
  expect(storaged().restarts).toBe(1);
  // Its callers hear of the new one a moment later.
  await until(async () => (await call("say", { text: "alive" })).status === 200);
});

test("where the system does not tell what a thread does, silence is reported and nobody is replaced", async () => {
  const given = { readThread: () => undefined };
  const { call, supervisor, path } = await start(pair, watchful, given);
  const pipe = path("pipe");
  makePipe(pipe);
  await call("block", { pipe });
  await until(() => supervisor.status()[0]?.state === "hung");
  expect(supervisor.status()[0]?.last_error).toContain("what it does is not known here");
  writeFileSync(pipe, "go on");
  await until(() => supervisor.status()[0]?.state === "ready");
  expect(supervisor.status()[0]?.restarts).toBe(0);
});

test("a service that crashes in a loop is left failed and reported; the others work", async () => {
  const { call, state, supervisor } = await start({ ...pair, catalogd: node("broken") });
  await until(() => state("catalogd") === "failed");
  expect(supervisor.status().find(({ name }) => name === "catalogd")).toMatchObject({
    restarts: 3,
    last_error: "it never starts",
  });
  expect((await call("say", { text: "fine" })).status).toBe(200);
  const system = (await call("system")).body as { name: string; state: string }[];
  expect(system.find(({ name }) => name === "catalogd")?.state).toBe("failed");
});

test("an address that is taken stops the start with its reason", async () => {
  const { supervisor } = await start(pair);
  const taken = supervisor.status()[1]?.address.replace("http://", "") ?? "";
  const config = configWith({
    data_dir: ownDirectory().path,
    supervisor: quick,
    storaged: { bind: "127.0.0.1:0" },
    gateway: { bind: taken },
  });
  const second = startSupervisor({
    config,
    topology: pair as never,
    only: ["storaged", "gateway"],
    clock: systemClock,
    log: createLog("supervisor", "error", () => {}),
    readThread,
  });
  expect(String(await second.catch((error) => error))).toMatch(/in use/i);
});

test("all levels of a stop share its time", () => {
  let now = 50;
  const limits = stopLimits({ elapsed: () => now }, { stop_timeout_ms: 1000, heartbeat_ms: 100 });
  expect(limits()).toEqual({ drainMs: 1000, closeMs: 1000 });
  now += 400;
  expect(limits()).toEqual({ drainMs: 600, closeMs: 1000 });
  now += 700;
  expect(limits()).toEqual({ drainMs: 0, closeMs: 900 });
  now += 5000;
  expect(limits()).toEqual({ drainMs: 0, closeMs: 200 });
});

test("stops although a call is open", async () => {
  const { call, supervisor } = await start(pair, { stop_timeout_ms: 200 });
  const open = call("wait").catch((error: Error) => error);
  await call("say", { text: "warm" });
  await supervisor.stop();
  expect(supervisor.status().every(({ state }) => state === "stopped")).toBe(true);
  await open;
});

test("those that a service calls are stopped when all of it is closed, however long its thread takes to end", async () => {
  const nodes = { storaged: node("echo"), gateway: node("lingering", ["storaged"]) };
  const { supervisor, state, path } = await start(nodes, { stop_timeout_ms: 600_000 });
  const pipe = path("gateway/pipe");
  makePipe(pipe);
  // Whoever reads it waits for as long as this is open.
  const writer = openSync(pipe, constants.O_RDWR);
  const stopped = supervisor.stop();
  await until(() => state("storaged") === "stopped");
  closeSync(writer);
  await stopped;
});
