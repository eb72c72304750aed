/** Answers that are held: who waits, who does not, and what ends it. */
import { expect, test } from "bun:test";
import { sameProcess } from "../../../runtime/auth/auth.ts";
import { holdFiles } from "../../../runtime/durable/held-files.ts";
import { createAnswerHold } from "../../../runtime/http/answer-hold.ts";
import { createFace, type RawHandler } from "../../../runtime/http/serve.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { durable, durableHandlers } from "../../../runtime/worker/durable-endpoints.ts";

function doorWithHolds() {
  const due: (() => void)[] = [];
  const limits: number[] = [];
  const time = { now: 0 };
  const clock = {
    ...systemClock,
    elapsed: () => time.now,
    after: (ms: number, work: () => void) => {
      limits.push(ms);
      due.push(work);
      return () => {};
    },
  };
  let waiting = 0;
  const log = createLog("thing", "error", () => {});
  const answers = createAnswerHold(clock);
  const kept = { inspect: async function* () {}, snapshot: () => holdFiles("/nowhere", []) };
  const idempotency = { redact: async () => 0 };
  const handlers = durableHandlers({
    ...{
      name: "thing",
      durable: kept,
      answers,
      erase: undefined,
      idempotency,
      newId: () => "id",
      clock,
      log,
    },
  });
  const face = createFace({
    name: "thing",
    gate: () => {},
    log,
    metrics: createMetrics(),
    newId: () => "r",
    notReady: () => [],
    answers: {
      held: () => {
        const held = answers.held();
        if (held) waiting += 1;
        return held;
      },
    },
    clock: systemClock,
    maxConnections: 1,
    maxJsonBytes: 1000,
  });
  face.raw(durable, handlers.raw as unknown as Record<string, RawHandler>, "", { unheld: true });
  face.rpc(async () => ({}));
  let done = 0;
  face.route("POST", "/write", () => {
    done += 1;
    return new Response("done");
  });
  const send = (method: string, path: string, from?: typeof sameProcess) =>
    face.fetch(new Request(`http://localhost${path}`, { method }), from);
  /** Sends what is held: its work is done, and its answer waits, when this resolves. */
  const sendHeld = async (path: string) => {
    const before = waiting;
    const held = { answer: send("POST", path), isThere: false };
    void held.answer.then(() => {
      held.isThere = true;
    });
    while (waiting === before) await Bun.sleep(1);
    return held;
  };
  return { send, sendHeld, due, limits, time, answers, done: () => done };
}

test("work is done, and its answer waits, a refusal too; there may be more of them than requests at once", async () => {
  const { send, sendHeld, done } = doorWithHolds();
  expect((await send("POST", "/durable/thing/holds/a")).status).toBe(204);
  const held = [await sendHeld("/write"), await sendHeld("/write"), await sendHeld("/nothing")];
  expect(done()).toBe(2);
  expect(held.map(({ isThere }) => isThere)).toEqual([false, false, false]);
  expect((await send("DELETE", "/durable/thing/holds/a")).status).toBe(204);
  expect((await Promise.all(held.map(({ answer }) => answer))).map(({ status }) => status)).toEqual([
    200, 200, 404,
  ]);
  expect((await send("POST", "/write")).status).toBe(200);
});

test("health, services among each other and those who hold are answered meanwhile", async () => {
  const { send } = doorWithHolds();
  await send("POST", "/durable/thing/holds/a");
  expect((await send("GET", "/readyz")).status).toBe(200);
  expect((await send("POST", "/write", sameProcess)).status).toBe(200);
  expect((await send("POST", "/rpc/verb")).status).toBe(400);
  expect((await send("POST", "/durable/thing/points")).status).toBe(200);
});

test("answers go on when the last hold is let go, and a hold that was let go is told from one that ran out", async () => {
  const { send, sendHeld, due } = doorWithHolds();
  await send("POST", "/durable/thing/holds/a");
  await send("POST", "/durable/thing/holds/b");
  const held = await sendHeld("/write");
  expect((await send("DELETE", "/durable/thing/holds/a")).status).toBe(204);
  expect(held.isThere).toBe(false);
  due[1]?.();
  expect((await held.answer).status).toBe(200);
  const late = await send("DELETE", "/durable/thing/holds/b");
  expect([late.status, (await late.json()).error.message]).toEqual([
    404,
    expect.stringContaining("answers are not held any more"),
  ]);
});

test("a hold that is asked for again ends when it would have", async () => {
  const { send, sendHeld, due } = doorWithHolds();
  await send("POST", "/durable/thing/holds/a");
  await send("POST", "/durable/thing/holds/a");
  const held = await sendHeld("/write");
  expect(due).toHaveLength(1);
  due[0]?.();
  expect((await held.answer).status).toBe(200);
});

test("a service that ends lets them go", async () => {
  const { send, sendHeld, answers } = doorWithHolds();
  await send("POST", "/durable/thing/holds/a");
  const held = await sendHeld("/write");
  answers.stop();
  expect((await held.answer).status).toBe(200);
});

test("whoever asks again and again, under whatever name, holds answers for half of a minute at most", async () => {
  const { send, due, limits, time, answers } = doorWithHolds();
  const hold = (id: number | string) => send("POST", `/durable/thing/holds/${id}`);
  // Ten seconds each, the last of them cut short; who joins a hold prolongs nothing either.
  for (const [id, seconds] of [10, 9, 8, 3].entries()) {
    expect((await hold(id)).status).toBe(204);
    time.now += seconds * 1000;
    if (id === 1) expect((await hold("joins")).status).toBe(204);
    if (id === 1) due.pop()?.();
    due[id]?.();
  }
  expect(limits).toEqual([10_000, 10_000, 10_000, 10_000, 3000]);
  const refused = await hold("another");
  expect([refused.status, refused.headers.get("retry-after"), answers.held()]).toEqual([
    429,
    "30",
    undefined,
  ]);
  expect((await refused.json()).error.message).toContain("answers were held for 30 of the last 60 seconds");
  // What the first held is a minute ago.
  time.now += 31_000;
  expect((await hold("another")).status).toBe(204);
  expect(limits.at(-1)).toBe(1000);
});
