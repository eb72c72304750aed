/** Children that do what native code may do: each ends alone, told by its end, and another one takes its place. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ChildPool, createChildPool, type Lease } from "../../../runtime/child/child.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { type HardChild, hardChild } from "../../fixtures/runtime/hard-child-contract.ts";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "lakehouse-child-")));
const [readable, writable] = [join(folder, "read"), join(folder, "write")];
for (const name of ["read", "write"]) writeFileSync(join(folder, `${name}-not`), "secret");
Bun.spawnSync(["mkdir", readable, writable]);
writeFileSync(join(readable, "a"), "open");
const metrics = createMetrics();
const program = new URL("../../fixtures/runtime/hard-child.ts", import.meta.url);
const options = {
  contract: hardChild,
  entry: program,
  init: { greeting: "hello" },
  scratch: join(folder, "scratch"),
  readable: [readable],
  writable: async () => [writable],
  openFilesMax: 128,
  callTimeoutMs: 60_000,
  idleMin: 1,
  graceMs: 200,
  memoryBytesMax: 400_000_000,
  clock: systemClock,
  log: createLog("test", "error"),
  metrics,
};
const pool: ChildPool<HardChild> = createChildPool(options);
afterAll(async () => {
  await pool.stop();
  rmSync(folder, { recursive: true, force: true });
});

const never = new AbortController().signal;
const held = async <T>(work: (lease: Lease<HardChild>) => Promise<T>, signal = never): Promise<T> => {
  const lease = await pool.lease(signal);
  try {
    return await work(lease);
  } finally {
    lease.release();
  }
};
const refusal = (work: Promise<unknown>) =>
  work.then(
    (value) => `no refusal but ${JSON.stringify(value)}`,
    (error) => `${error.type}: ${error.message}`,
  );
const read = async (response: Response) => (await response.bytes()).length;

describe("a pool of children", () => {
  test("a child answers, and is used again", async () => {
    const [first, greeting] = await held(async ({ pid, verbs }) => [pid, await verbs.greet({ name: "you" })]);
    expect(greeting).toBe("hello you");
    expect(await held(async ({ pid }) => pid)).toBe(first as number);
  });

  test("that cannot be started is a problem, until one starts, which is tried without being asked", async () => {
    const entry = join(folder, "late", "main.ts");
    const late = createChildPool({
      ...options,
      entry: pathToFileURL(entry),
      readable: [Bun.fileURLToPath(new URL(".", program))],
      retryMs: 20,
      metrics: createMetrics(),
    });
    expect(late.problems()).toEqual([]);
    expect(await refusal(late.lease(never))).toStartWith("unavailable: hard child did not start");
    expect(late.problems()).toEqual([expect.stringContaining("hard child did not start")]);
    await Bun.write(entry, `import ${JSON.stringify(Bun.fileURLToPath(program))};`);
    while (late.problems().length > 0) await Bun.sleep(20);
    const lease = await late.lease(never);
    expect(await lease.verbs.greet({ name: "you" })).toBe("hello you");
    lease.release();
    await late.stop();
  });

  test("of the idle ones the last is taken, but for one that suits", async () => {
    const [first, last] = [await pool.lease(never), await pool.lease(never)];
    first.release();
    last.release();
    const suited = await pool.lease(never, (identity) => identity === first.identity);
    suited.release();
    expect(suited.pid).toBe(first.pid);
    const none = await pool.lease(never, () => false);
    none.release();
    expect(none.pid).toBe(first.pid);
  });

  test("work beside other work has a child of its own, and lives on when the other crashes", async () => {
    await held(async (one) => {
      await held(async (other) => {
        expect(other.pid).not.toBe(one.pid);
        expect(await refusal(other.verbs.crash({}))).toStartWith(
          "engine_crashed: the process of hard child ended",
        );
      });
      expect(await one.verbs.greet({ name: "you" })).toBe("hello you");
    });
  });

  test("work that is deaf is killed when its time is over", async () => {
    const signal = AbortSignal.timeout(50);
    const pid = await held(async (lease) => {
      expect(await refusal(lease.verbs.spin({}, { signal }))).toStartWith("client_closed");
      return lease;
    }, signal);
    expect((await pid.ended).message).toContain("did not end when it was told to");
  });

  test("work that ends when it is told to keeps its child", async () => {
    const controller = new AbortController();
    const pid = await held(async (lease) => {
      const waits = refusal(lease.verbs.wait({}, { signal: controller.signal }));
      controller.abort();
      expect(await waits).toStartWith("client_closed");
      return lease.pid;
    }, controller.signal);
    expect(await held(async ({ verbs }) => verbs.greet({ name: "you" }))).toBe("hello you");
    // It is given back when nothing runs in it any more: what comes before that has another one.
    const seen = await Promise.all([held(async (one) => one.pid), held(async (other) => other.pid)]);
    expect(existsSync(`/proc/${pid}`)).toBe(process.platform === "linux" && !seen.includes(0));
  });

  test("work that takes more memory than all may have is killed, and told the figures", async () => {
    await held(async (small) => {
      const grown = held((large) => large.verbs.grow({ bytes: 600_000_000 }));
      expect(await refusal(grown)).toMatch(
        /^resource_exhausted: the work needs more memory than there is: it took \d+ MB.*400 MB are allowed/,
      );
      expect(await small.verbs.greet({ name: "you" })).toBe("hello you");
    });
  });

  test("a stream passes whole, with back-pressure", async () => {
    await held(async ({ fetch }) => {
      expect(await read(await fetch("/bytes?total=50000000"))).toBe(50_000_000);
    });
  });

  test("a stream whose child crashes breaks off with an error", async () => {
    await held(async ({ fetch }) => {
      expect(await refusal(fetch("/breaks").then(read))).toContain("hard child ended");
    });
  });

  test("no variable of the parent reaches a child but those that tune its runtime", async () => {
    const names = await held(({ verbs }) => verbs.environment({}));
    // It is told to report to nobody.
    const own = "ORT_DISABLE_TELEMETRY";
    expect(names).toContain(own);
    expect(
      names.filter((name) => !/^(HOME|TZ|LANG|LC_ALL|UV_|OMP_|BUN_JSC_|LAKEHOUSE_UNCONFINED|LD_)/.test(name)),
    ).toEqual([own]);
  });

  test("a kill is the error of what runs", async () => {
    await held(async (lease) => {
      const waits = refusal(lease.verbs.wait({}));
      lease.kill(fail("timeout", "enough"));
      expect(await waits).toBe("timeout: enough");
    });
  });

  test("a child that was told to end is nobody else's, though its work is over before the system says so", async () => {
    const { signal } = new AbortController();
    const lease = await pool.lease(signal);
    lease.kill(fail("timeout", "the work did not end when it was told to"));
    lease.release();
    const next = await pool.lease(signal);
    expect(next.identity).not.toBe(lease.identity);
    next.release();
    await lease.ended;
  });

  test("ends are counted by cause", () => {
    expect(metrics.text()).toMatch(/child_process_ends_total\{child="hard child",cause="engine_crashed"\} 2/);
  });
});

describe.if(process.platform === "linux")("confinement", () => {
  const rows: [name: string, work: (lease: Lease<HardChild>) => Promise<unknown>, outcome: RegExp][] = [
    ["a file that it was given is read", ({ verbs }) => verbs.read({ path: join(readable, "a") }), /open/],
    ["a file beside it is not", ({ verbs }) => verbs.read({ path: join(folder, "read-not") }), /internal/],
    [
      "a way around by .. is none",
      ({ verbs }) => verbs.read({ path: `${readable}/../read-not` }),
      /internal/,
    ],
    ["the system's accounts are not read", ({ verbs }) => verbs.read({ path: "/etc/passwd" }), /internal/],
    [
      "its parent's environment is not read",
      ({ verbs }) => verbs.read({ path: `/proc/${process.pid}/environ` }),
      /internal/,
    ],
    ["its own folder takes files", ({ verbs }) => verbs.write({ path: join(writable, "b") }), /written/],
    [
      "what it may read it may not change",
      ({ verbs }) => verbs.write({ path: join(readable, "a") }),
      /internal/,
    ],
    ["nothing is written elsewhere", ({ verbs }) => verbs.write({ path: join(folder, "c") }), /internal/],
  ];
  test.each(rows)("%s", async (_, work, outcome) => {
    expect(await held((lease) => refusal(work(lease)))).toMatch(outcome);
  });

  test("no connection leaves it", async () => {
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => {} } });
    expect(await held((lease) => refusal(lease.verbs.connect({ port: server.port })))).toStartWith(
      "internal",
    );
    server.stop(true);
  });

  test("it is the first to go when memory is short, leaves no core, and gains no rights", async () => {
    const [score, limits, status] = await held(async ({ pid }) =>
      Promise.all(
        ["oom_score_adj", "limits", "status"].map((name) => Bun.file(`/proc/${pid}/${name}`).text()),
      ),
    );
    expect(score?.trim()).toBe("500");
    expect(limits).toMatch(/Max core file size +0 +0/);
    expect(limits).toMatch(/Max open files +128 +128/);
    expect(status).toMatch(/NoNewPrivs:\s1/);
    expect(status).toMatch(/Seccomp:\s2/);
  });
});
