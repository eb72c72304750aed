import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { startOrder, topology } from "../../../runtime/topology.ts";
import { json, trackedWrites, unanswered } from "../../support/durability/tracked-writes.ts";
import { type Apart, apartNames, startApart } from "../../support/product/apart.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

/** A route of each service that needs no other one. */
const own: Record<string, (url: string) => Promise<Response>> = {
  storaged: (url) => fetch(`${url}/v1/storage/list`),
  catalogd: (url) => fetch(`${url}/v1/catalog/list`),
  ingestd: (url) => fetch(`${url}/v1/ingest/jobs`),
  queryd: (url) => fetch(`${url}/v1/sql/queries`),
  vectord: (url) => fetch(`${url}/v1/vectors/index`),
  embedd: (url) => json(url, "/v1/embed", { texts: ["a welder"] }),
  pathwayd: (url) => fetch(`${url}/v1/pathway/stats`),
  matrixd: (url) => fetch(`${url}/v1/matrix/corpora`),
  observerd: (url) => fetch(`${url}/v1/observer/stats`),
  chatd: (url) => fetch(`${url}/v1/chat/providers`),
};
/** Longest wait for a service that hangs, in milliseconds. */
const timeoutMs = 2500;
const env = { LH_RPC_TIMEOUT_MS: String(timeoutMs), LH_GATEWAY_PROXY_TIMEOUT_MS: String(timeoutMs) };

type Way = "SIGTERM" | "SIGKILL" | "SIGSTOP";
/** Those of a level at once, as none of them calls another. */
const levels = startOrder(topology)
  .map((level) => level.filter((name) => name in own))
  .filter((names) => names.length > 0);
/** How one is asked to end is of its process alone (signals.test.ts, stopping.test.ts); the others see that it is gone: the first level by it, all by SIGKILL. */
const table: { names: string[]; way: Way }[] = [
  ...levels.slice(0, 1).map((names) => ({ names, way: "SIGTERM" as const })),
  ...(["SIGKILL", "SIGSTOP"] as const).flatMap((way) => levels.map((names) => ({ names, way }))),
];

interface System {
  ready: boolean;
  services: { name: string; state: string }[];
}

interface Refusal {
  error: { type: string; message: string };
}

describe("a process a service, on one host", () => {
  const home = temporaryDirectory("apart");
  let lake: Apart;

  beforeAll(async () => {
    lake = await startApart(home.path, env);
    for (const { prepare } of trackedWrites) await onceInTime(async () => prepare?.(lake.url));
    for (const { name, act } of trackedWrites) {
      const { status: answered } = await onceInTime(() => act(lake.url, 0));
      // What was late the first time may be there the second.
      expect([name, answered < 300 || answered === 409]).toEqual([name, true]);
    }
    await expectAnswered();
  });
  afterAll(async () => {
    await lake?.end();
    home.remove();
  });

  const status = async () => {
    const words = ["scripts/status/status.ts", "--gateway", lake.url, "--once", "--json"];
    const run = Bun.spawn([process.execPath, ...words], {
      cwd: join(import.meta.dir, "../../.."),
      stdout: "pipe",
    });
    return { text: await new Response(run.stdout).text(), code: await run.exited };
  };
  /** What the gateway says of the service itself, by name and with the right status. */
  const expectRefused = async (name: string, way: Way) => {
    const answer = await (own[name] ?? fetch)(lake.url);
    const { error } = (await answer.json()) as Refusal;
    expect(error.message).toContain(name);
    if (way === "SIGSTOP") {
      expect([503, 504]).toContain(answer.status);
      return;
    }
    expect([answer.status, error.type]).toEqual([503, "unavailable"]);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  };
  /** A machine that is busy may take another one for missing, for a moment. */
  const expectTold = async (names: string[]) => {
    for (;;) {
      const [ready, system] = await Promise.all([
        fetch(`${lake.url}/readyz`),
        fetch(`${lake.url}/v1/system`).then((answer) => answer.json() as Promise<System>),
      ]);
      const { reasons } = (await ready.json()) as { reasons: string[] };
      expect(ready.status).toBe(503);
      expect(reasons).toEqual(expect.arrayContaining(names.map((name) => `${name}: unreachable`)));
      expect(system.ready).toBe(false);
      const missing = system.services.filter(({ state }) => state !== "ready");
      expect(missing.map((service) => service.name)).toEqual(expect.arrayContaining(names));
      if (reasons.length === names.length && missing.length === names.length) return;
    }
  };
  const expectWorks = async (name: string, ask: (url: string) => Promise<Response>) => {
    for (;;) {
      const { status: answered } = await ask(lake.url);
      if (answered === 200) return;
      expect([name, answered]).toEqual([name, 504]);
    }
  };

  /** The limit is short for those that hang; a busy machine is later than that. */
  const onceInTime = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (;;) {
      const answer = await ask();
      if (!(answer instanceof Response) || answer.status !== 504) return answer;
    }
  };
  const expectAnswered = async () => {
    for (;;) {
      const faults = await unanswered(lake.url);
      if (faults.some((fault) => / 504 /.test(fault))) continue;
      expect(faults).toEqual([]);
      return;
    }
  };
  let lastDeed = 1;
  /** What the others have kept of the one that was ended, such as what their child processes may open, is good still. */
  const expectDone = async () => {
    const failed: string[] = [];
    for (const { name, act } of trackedWrites) {
      const answer = await onceInTime(() => act(lake.url, ++lastDeed));
      if (!answer.ok) failed.push(`${name}: ${answer.status} ${await answer.text()}`);
    }
    expect(failed).toEqual([]);
  };

  test.each(table)(
    "$names ended by $way: its routes say so, all others work; it comes back and nothing else is restarted",
    async ({ names, way }) => {
      for (const name of names) await lake.send(name, way);
      const others = Object.entries(own).filter(([other]) => !names.includes(other));
      try {
        await Promise.all([
          ...names.map((name) => expectRefused(name, way)),
          expectTold(names),
          ...others.map(([other, ask]) => expectWorks(other, ask)),
        ]);
      } finally {
        for (const name of names) await lake.start(name);
      }
      await expectAnswered();
      // One that was held is the same process as before.
      if (way !== "SIGSTOP") await expectDone();
    },
  );

  test("`status` tells which one is missing", async () => {
    await lake.send("pathwayd", "SIGKILL");
    const { text, code } = await status();
    expect(code).toBe(1);
    expect(text).toMatch(/"name": ?"pathwayd",\s*"state": ?"unreachable"/);
    await lake.start("pathwayd");
    expect((await status()).code).toBe(0);
  });

  test("the gateway itself comes back to services that went on", async () => {
    await lake.send("gateway", "SIGKILL");
    await expect(fetch(`${lake.url}/health`)).rejects.toThrow();
    await lake.start("gateway");
    await expectAnswered();
    for (const { act, find, expected } of trackedWrites) {
      const answer = await onceInTime(() => act(lake.url, ++lastDeed));
      expect(answer.ok).toBe(true);
      expect(await find(lake.url, lastDeed)).toEqual(expected(lastDeed));
    }
  });

  test("every service was there", () => {
    expect(Object.keys(own).sort()).toEqual(apartNames.filter((name) => name !== "gateway").sort());
  });
});
