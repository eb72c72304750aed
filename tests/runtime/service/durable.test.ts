import { afterAll, afterEach, expect, test } from "bun:test";
import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bothSnapshots, holdFiles } from "../../../runtime/durable/held-files.ts";
import type { Durable } from "../../../runtime/durable/inspection.ts";
import { createAnswerHold } from "../../../runtime/http/answer-hold.ts";
import { createFace, type RawHandler } from "../../../runtime/http/serve.ts";
import { openIdempotency, withKeys } from "../../../runtime/idempotency/idempotency.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { durable, durableHandlers } from "../../../runtime/worker/durable-endpoints.ts";
import { keptIn } from "../../support/durability/marked.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("durable");
afterAll(directory.remove);
const at = (name: string) => join(directory.path, name);

/** Snapshots hold files open; none outlives its test. */
const opened: { stop: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const handlers of opened.splice(0)) await handlers.stop();
});

/** The handlers of a service named `thing`, its clock in the test's hands. */
function handlersOf(kept: Durable) {
  const due: (() => void)[] = [];
  const after = (_: number, work: () => void) => {
    due.push(work);
    return () => {};
  };
  const clock = { ...systemClock, after };
  const log = createLog("thing", "error", () => {});
  let last = 0;
  const answers = createAnswerHold(clock);
  const handlers = durableHandlers({
    name: "thing",
    durable: kept,
    answers,
    erase: undefined,
    idempotency: { redact: async () => 0 },
    newId: () => `p${++last}`,
    clock,
    log,
  });
  opened.push(handlers);
  const face = createFace({
    name: "thing",
    gate: () => {},
    log,
    metrics: createMetrics(),
    newId: () => "r",
    notReady: () => [],
    clock: systemClock,
    maxConnections: 10,
    maxJsonBytes: 1000,
  });
  face.raw(durable, handlers.raw as unknown as Record<string, RawHandler>);
  const send = (method: string, path: string) =>
    face.fetch(new Request(`http://localhost/durable/${path}`, { method }));
  return { handlers, send, due };
}

const linesOf = async (response: Response) =>
  (await response.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

const logs: Durable = {
  inspect: async function* () {
    yield { progress: { done: 1, total: 2, of: "lines" } };
    yield { finding: { severity: "damage", place: "thing/a.log line 2", problem: "p", remedy: "r" } };
  },
  snapshot: () => holdFiles(directory.path, ["a.log", "replaced.json", "never-written"]),
};

test("a snapshot stays what it was, whatever is written meanwhile", async () => {
  writeFileSync(at("a.log"), "one\ntwo\n");
  writeFileSync(at("replaced.json"), "before");
  const { send } = handlersOf(logs);
  const [head, ...files] = await linesOf(await send("POST", "thing/points"));
  expect(head).toEqual({ point: { id: "p1" } });
  expect(files).toEqual([
    { file: { path: "a.log", bytes: 8 } },
    { file: { path: "replaced.json", bytes: 6 } },
    { end: { count: 3 } },
  ]);
  appendFileSync(at("a.log"), "three\n");
  writeFileSync(at("replaced.part"), "after all");
  renameSync(at("replaced.part"), at("replaced.json"));
  expect(await (await send("GET", "thing/points/p1/a.log")).text()).toBe("one\ntwo\n");
  expect(await (await send("GET", "thing/points/p1/replaced.json")).text()).toBe("before");
  // Read twice, it is the same.
  expect(await (await send("GET", "thing/points/p1/a.log")).text()).toBe("one\ntwo\n");
  expect((await send("POST", "thing/points/p1")).status).toBe(204);
  expect((await send("DELETE", "thing/points/p1")).status).toBe(204);
  expect((await send("GET", "thing/points/p1/a.log")).status).toBe(404);
});

test.each([
  ["another service", "GET", "other/inspect", "this is thing, not 'other'"],
  ["a snapshot nobody made", "GET", "thing/points/p9/a.log", "holds no snapshot 'p9'"],
  ["letting go of it", "DELETE", "thing/points/p9", "holds no snapshot 'p9'"],
  ["keeping it", "POST", "thing/points/p9", "holds no snapshot 'p9'"],
  ["a file that is not of it", "GET", "thing/points/p1/b.log", "this snapshot has no file 'b.log'"],
  ["a way out of the directory", "GET", "thing/points/p1/..%2Fa.log", "this snapshot has no file '../a.log'"],
])("%s is not found", async (_, method, path, message) => {
  const { send } = handlersOf(logs);
  await (await send("POST", "thing/points")).text();
  const response = await send(method, path);
  expect([response.status, (await response.json()).error.message]).toEqual([
    404,
    expect.stringContaining(message),
  ]);
});

test("a snapshot that nobody asks for is let go, and so are all at the end; there is a most of them", async () => {
  const { send, due, handlers } = handlersOf(logs);
  for (let n = 0; n < 8; n++) expect((await send("POST", "thing/points")).status).toBe(200);
  const ninth = await send("POST", "thing/points");
  expect([ninth.status, ninth.headers.get("retry-after")]).toEqual([429, "60"]);
  due[0]?.();
  await Bun.sleep(0);
  expect((await send("GET", "thing/points/p1/a.log")).status).toBe(404);
  expect((await send("POST", "thing/points")).status).toBe(200);
  await handlers.stop();
  expect((await send("GET", "thing/points/p2/a.log")).status).toBe(404);
});

test("a snapshot that cannot be let go ends nothing else, and many at once are no more than allowed", async () => {
  const failing = async () => {
    throw new Error("the disk went away");
  };
  const { send, due, handlers } = handlersOf({
    ...logs,
    snapshot: async () => ({ ...(await holdFiles(directory.path, [])), end: failing }),
  });
  const answers = await Promise.all(Array.from({ length: 12 }, () => send("POST", "thing/points")));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(8);
  await Promise.all(answers.map((answer) => answer.text()));
  due[0]?.();
  await handlers.stop();
});

test("an inspection that breaks says why, and its answer is never taken for whole", async () => {
  const broken = handlersOf({
    ...logs,
    inspect: async function* () {
      yield { progress: { done: 0, total: 1, of: "lines" } };
      throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    },
  });
  const [, last, ...more] = await linesOf(await broken.send("GET", "thing/inspect"));
  expect(last).toEqual({ error: { type: "storage_full", message: expect.stringContaining("ENOSPC") } });
  expect(more).toEqual([]);
  const whole = await linesOf(await handlersOf(logs).send("GET", "thing/inspect"));
  expect(whole.at(-1)).toEqual({ end: { count: 2 } });
});

test("two snapshots are fixed in order, and both are let go when the second fails", async () => {
  const ended: string[] = [];
  const named = (name: string) => async () => {
    const snapshot = await holdFiles(directory.path, ["a.log"]);
    return {
      ...snapshot,
      end: async () => {
        ended.push(name);
        await snapshot.end();
      },
    };
  };
  const failing = async () => {
    throw new Error("no");
  };
  await expect(bothSnapshots(named("first"), failing)).rejects.toThrow("no");
  expect(ended).toEqual(["first"]);
  const both = await bothSnapshots(named("first"), named("second"));
  await both.end();
  expect(ended).toEqual(["first", "first", "second"]);
});

test("idempotency keys are part of what a service keeps, and a damaged line is found", async () => {
  const own = temporaryDirectory("keys");
  const keys = await openIdempotency(own.path, systemClock, {
    kept: await keptIn(join(own.path, "service")),
  });
  for (const key of ["a", "b", "c"]) await keys.bind(key, "same");
  await keys.settled();
  const kept = withKeys(keys.durable("thing"));
  const findings = async () => {
    const all = [];
    for await (const each of kept.inspect(new AbortController().signal))
      if ("finding" in each) all.push(each);
    return all;
  };
  const path = join(own.path, "idempotency-1.log");
  const text = await Bun.file(path).text();
  // What a writer has not finished is no damage.
  appendFileSync(path, text.slice(0, 30));
  expect(await findings()).toEqual([]);
  const snapshot = await kept.snapshot();
  const files = [];
  for await (const file of snapshot.files()) files.push(file.path);
  await snapshot.end();
  expect(files).toEqual(["idempotency-1.log"]);
  await Bun.write(path, text.replace('"key":"b"', '"key":"x"'));
  expect(await findings()).toMatchObject([
    { finding: { severity: "damage", place: "thing/idempotency-1.log line 3" } },
  ]);
  await keys.close();
  own.remove();
});
