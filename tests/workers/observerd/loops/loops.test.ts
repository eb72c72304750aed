/** Background loops: how they run, and what each of them does. */
import { afterEach, describe, expect, test } from "bun:test";
import { appendFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../../../runtime/errors/errors.ts";
import type { Clock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { correctionOf } from "../../../../workers/observerd/loops/corrections.ts";
import { isDue } from "../../../../workers/observerd/loops/error-analysis.ts";
import { startLoops } from "../../../../workers/observerd/loops/schedule.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import {
  type InProcessObserverd,
  type ObserverdOptions,
  startObserverd,
} from "../../../support/stacks/observerd.ts";

/** A clock whose sleeps end when the test says so. */
function heldClock() {
  let now = Date.parse("2026-01-01T00:00:00Z");
  const sleepers: { wake: () => void; ms: number }[] = [];
  const clock: Clock = {
    now: () => now,
    elapsed: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        sleepers.push({ wake: resolve, ms });
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
    after: () => () => {},
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return {
    clock,
    sleeping: () => sleepers.map(({ ms }) => ms),
    /** Ends every sleep there is. */
    wake: async () => {
      for (const { wake, ms } of sleepers.splice(0)) {
        now += ms;
        wake();
      }
      await turn();
    },
    turn,
  };
}

describe("a loop", () => {
  const quiet = createLog("test", "error", () => {});

  test("runs after its interval, never beside itself, and says what it did", async () => {
    const held = heldClock();
    const { promise, resolve } = Promise.withResolvers<string>();
    let begun = 0;
    const run = () => {
      begun += 1;
      return begun === 1 ? promise : Promise.reject(fail("unavailable", "the peer is away"));
    };
    const loops = startLoops([{ name: "one", enabled: true, intervalMs: 70, run }], { ...held, log: quiet });
    const status = () => loops.list()[0];
    expect([begun, held.sleeping()]).toEqual([0, [70]]);
    await held.wake();
    expect([begun, held.sleeping()]).toEqual([1, []]);
    await held.wake();
    expect(begun).toBe(1);
    resolve("3 done");
    await held.turn();
    expect(status()).toMatchObject({
      runs: 1,
      last_result: "3 done",
      last_run_at: "2026-01-01T00:00:00.070Z",
    });
    await held.wake();
    expect(status()).toMatchObject({ runs: 2, last_error: "the peer is away" });
    expect(status()).not.toHaveProperty("last_result");
    await loops.stop();
  });

  test("that is off never runs, and is listed", async () => {
    const held = heldClock();
    const run = () => Promise.reject(new Error("it ran"));
    const loops = startLoops([{ name: "off", enabled: false, intervalMs: 10, run }], { ...held, log: quiet });
    await held.wake();
    expect(loops.list()).toEqual([{ name: "off", enabled: false, interval_ms: 10, runs: 0 }]);
    await loops.stop();
  });

  test("ends at once when the service stops, in its wait and in its work", async () => {
    const held = heldClock();
    const run = (signal: AbortSignal) =>
      new Promise<string>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const waiting = { name: "waits", enabled: true, intervalMs: 10, run };
    const loops = startLoops([waiting], { ...held, log: quiet });
    await held.wake();
    const idle = startLoops([waiting], { ...held, log: quiet });
    await Promise.all([loops.stop(), idle.stop()]);
    expect(loops.list()[0]?.runs).toBe(1);
  });
});

let home = temporaryDirectory("loops");
let service: InProcessObserverd | undefined;
afterEach(async () => {
  await service?.stop();
  service = undefined;
  home.remove();
  home = temporaryDirectory("loops");
});
const started = async (options: Omit<ObserverdOptions, "dataDir">) => {
  await service?.stop();
  service = await startObserverd({ dataDir: home.path, ...options });
  return service.peer.verbs;
};
/** Resolves when the loop has begun and ended one more run: what was there before is done with. */
async function ran(verbs: InProcessObserverd["peer"]["verbs"], name: string) {
  const status = async () => (await verbs.loops({})).loops.find((loop) => loop.name === name);
  const before = (await status())?.runs ?? 0;
  for (;;) {
    const now = await status();
    if (now && now.runs >= before + 2) return now;
    await Bun.sleep(2);
  }
}

describe("overseer corrections", () => {
  const path = () => join(home.path, "overseer_corrections.jsonl");
  const line = (n: number) =>
    `${JSON.stringify({ endpoint: "/v1/sql", run_id: `c${n}`, note: "use LIMIT" })}\n`;
  const section = (more: object = {}) => ({
    section: {
      overseer_corrections_path: path(),
      overseer_corrections_interval_ms: 10,
      chat_calls: false,
      ...more,
    },
  });
  const taken = async (verbs: InProcessObserverd["peer"]["verbs"]) => {
    const { events } = await verbs.events({ source: "overseer_correction", page_size: 1000 });
    return events.map(({ run_id }) => run_id).toReversed();
  };
  const names = (count: number) => Array.from({ length: count }, (_, n) => `c${n}`);

  test("each line once: in parts, in bounded runs, across starts, and when the file is replaced", async () => {
    let verbs = await started(section({ overseer_corrections_max_lines: 4 }));
    expect((await ran(verbs, "overseer_corrections")).last_result).toBe("the file is not there yet");
    writeFileSync(path(), line(0) + line(1).slice(0, 10));
    await ran(verbs, "overseer_corrections");
    expect(await taken(verbs)).toEqual(names(1));
    appendFileSync(path(), line(1).slice(10) + [2, 3, 4, 5, 6, 7, 8, 9].map(line).join(""));
    while ((await taken(verbs)).length < 10) await ran(verbs, "overseer_corrections");
    expect(await taken(verbs)).toEqual(names(10));
    verbs = await started(section());
    appendFileSync(path(), line(10));
    await ran(verbs, "overseer_corrections");
    expect(await taken(verbs)).toEqual(names(11));
    // Another file in its place, as by rotation; a copy of the same one is no other file.
    writeFileSync(`${path()}.copy`, await Bun.file(path()).bytes());
    renameSync(`${path()}.copy`, path());
    await ran(verbs, "overseer_corrections");
    expect(await taken(verbs)).toEqual(names(11));
    rmSync(path());
    writeFileSync(path(), line(11));
    await ran(verbs, "overseer_corrections");
    expect(await taken(verbs)).toEqual(names(12));
    expect((await verbs.stats({})).by_source).toEqual({ overseer_correction: 12 });
  });

  test("a file that was cut gives nothing twice, and goes on", async () => {
    writeFileSync(path(), [0, 1, 2].map(line).join(""));
    const verbs = await started(section());
    await ran(verbs, "overseer_corrections");
    truncateSync(path(), line(0).length);
    await ran(verbs, "overseer_corrections");
    appendFileSync(path(), line(3));
    await ran(verbs, "overseer_corrections");
    expect(await taken(verbs)).toEqual(names(4));
  });

  test("a bad line is skipped and counted; those around it stand", async () => {
    const bad = [
      "no json",
      "[1]",
      "null",
      '{"success":"yes"}',
      '{"timestamp":"2026-02-30T00:00:00Z"}',
      "\u0000",
      '{"attributes":7}',
    ];
    const long = JSON.stringify({ output_summary: "x".repeat(3 << 20) });
    writeFileSync(path(), `${line(0)}${bad.join("\n")}\n\n${long}\n${line(1)}`);
    const verbs = await started(section());
    while ((await taken(verbs)).length < 2) await ran(verbs, "overseer_corrections");
    expect(await taken(verbs)).toEqual(["c0", "c1"]);
    const metrics = async () => (await service?.send(new Request("http://localhost/metrics")))?.text();
    expect(await metrics()).toContain(`lakehouse_observerd_corrections_skipped ${bad.length + 1}\n`);
    await started(section());
    expect(await metrics()).toContain(`lakehouse_observerd_corrections_skipped ${bad.length + 1}\n`);
  });

  test("a line as an operation: what is unknown is an attribute", () => {
    expect(correctionOf('{"note":"n","attributes":{"a":1},"source":"mine"}')).toEqual({
      endpoint: "overseer_correction",
      source: "overseer_correction",
      success: true,
      duration_ms: 0,
      attributes: { note: "n", a: 1 },
    });
  });
});

describe("escalation", () => {
  const failure = { endpoint: "/v1/sql", success: false, duration_ms: 1, error: "TypeError: row 7" };
  const section = {
    escalation_threshold: 3,
    escalation_interval_ms: 10,
    escalation_window_ms: 3_600_000,
    chat_calls: false,
    review_model: "m",
  };

  test("asks the model once a window, across starts, and keeps what it says", async () => {
    const asked: string[] = [];
    const complete = async ({ prompt, model = "" }: { prompt: string; model?: string }) => {
      asked.push(prompt);
      return { text: `${model} says: add an index`, model };
    };
    let verbs = await started({ section, chatd: { complete } });
    for (let n = 0; n < 2; n++) await verbs.event(failure);
    await ran(verbs, "escalation");
    expect(asked.length).toBe(0);
    for (let n = 0; n < 3; n++) await verbs.event(failure);
    await ran(verbs, "escalation");
    verbs = await started({ section, chatd: { complete } });
    await verbs.event(failure);
    await ran(verbs, "escalation");
    expect(asked.length).toBe(1);
    expect(JSON.parse(asked[0] ?? "")).toMatchObject({ endpoint: "/v1/sql", error_class: "TypeError" });
    const [cluster] = (await verbs.failures({})).clusters;
    expect(cluster).toMatchObject({ count: 6, recent: 6, diagnosis: "m says: add an index" });
    expect(cluster?.escalated_at).toBeDefined();
  });

  test("without a model is a log line", async () => {
    const verbs = await started({ section: { ...section, review_model: "" } });
    for (let n = 0; n < 3; n++) await verbs.event(failure);
    await ran(verbs, "escalation");
    const lines = service?.log.filter(({ msg }) => msg === "failures escalate");
    expect(lines?.map(({ endpoint, recent }) => [endpoint, recent])).toEqual([["/v1/sql", 3]]);
  });

  test("a chatd that is away is the loop's error, and the cluster is not brought up again", async () => {
    const verbs = await started({ section });
    for (let n = 0; n < 3; n++) await verbs.event(failure);
    while (!service?.log.some(({ msg }) => msg === "loop escalation failed")) await ran(verbs, "escalation");
    const loop = await ran(verbs, "escalation");
    expect(loop.last_result).toBe("no cluster is due");
    expect(service?.log.filter(({ msg }) => msg === "failures escalate").length).toBe(1);
  });

  test("is due over the threshold, once a window", () => {
    const limits = { threshold: 3, windowMs: 1000, nowMs: Date.parse("2026-01-01T00:00:10Z") };
    const rows: [recent: number, escalated: string | undefined, due: boolean][] = [
      [2, undefined, false],
      [3, undefined, true],
      [3, "2026-01-01T00:00:09.500Z", false],
      [3, "2026-01-01T00:00:09.000Z", true],
    ];
    for (const [recent, escalated_at, due] of rows)
      expect(isDue({ recent, ...(escalated_at && { escalated_at }) }, limits)).toBe(due);
  });
});

test("error analysis says which clusters grow, and reports each once", async () => {
  const verbs = await started({ section: { error_analysis_interval_ms: 10, chat_calls: false } });
  for (let n = 0; n < 4; n++)
    await verbs.event({ endpoint: "/v1/sql", success: false, duration_ms: 1, error: `row ${n}` });
  await verbs.event({ endpoint: "/v1/embed", success: false, duration_ms: 1, error: "rare" });
  const { last_result } = await ran(verbs, "error_analysis");
  expect(last_result).toMatch(/^2 clusters, 2 seen lately, 1 grow: [0-9a-f]{16} \(\/v1\/sql, 4 lately\)$/);
  await ran(verbs, "error_analysis");
  expect(service?.log.filter(({ msg }) => msg === "failures grow").length).toBe(1);
});

test("playbook consolidation is matrixd's; a matrixd that is away is the loop's error", async () => {
  const section = { playbook_consolidation_interval_ms: 10, chat_calls: false };
  const consolidate = async () => ({ merged: [{ kept: "a", gone: ["b"] }], dropped: [], more: false });
  let verbs = await started({ section, matrixd: { consolidate } });
  expect((await ran(verbs, "playbook_consolidation")).last_result).toBe("1 merged, 0 dropped");
  verbs = await started({ section });
  expect((await ran(verbs, "playbook_consolidation")).last_error).toBe("matrixd is not running");
  verbs = await started({ section: { ...section, playbook_consolidation: false } });
  const { loops } = await verbs.loops({});
  expect(loops.map(({ name, enabled, runs }) => [name, enabled, runs])).toEqual([
    ["error_analysis", true, 0],
    ["playbook_consolidation", false, 0],
    ["overseer_corrections", true, 0],
    ["escalation", true, 0],
  ]);
});
