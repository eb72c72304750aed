/** Deadlines by a clock that the test moves, and the check whether anybody takes connections. */
import { describe, expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { attempt, isReachable } from "../../../../workers/chatd/answering/attempts.ts";
import { createDeadline } from "../../../../workers/chatd/answering/deadline.ts";
import {
  type Provider,
  type ProviderCall,
  ProviderFailure,
} from "../../../../workers/chatd/providers/provider.ts";
import type { ProviderSetting } from "../../../../workers/chatd/providers/setting.ts";
import type { Json } from "../../../../workers/chatd/schemas/schemas.ts";

/** A clock that stands until it is moved. */
function handClock() {
  let now = 0;
  let timers: { due: number; work: () => void }[] = [];
  return {
    elapsed: () => now,
    after: (ms: number, work: () => void) => {
      const timer = { due: now + ms, work };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    pass: (ms: number) => {
      const end = now + ms;
      for (;;) {
        const [next] = timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due);
        if (!next) break;
        now = next.due;
        timers = timers.filter((other) => other !== next);
        next.work();
      }
      now = end;
    },
    pending: () => timers.length,
  };
}

const start = (totalMs = 1000) => {
  const clock = handClock();
  const outer = new AbortController();
  const deadline = createDeadline(outer.signal, { clock, totalMs, who: "x" });
  const why = () => (deadline.signal.reason as ProviderFailure | undefined)?.message;
  return { clock, outer, deadline, why };
};

describe("deadlines", () => {
  test("the total ends everything", () => {
    const { clock, deadline, why } = start();
    clock.pass(999);
    expect(deadline.signal.aborted).toBe(false);
    clock.pass(1);
    expect(why()).toBe("x did not finish within 1000 ms");
    expect(deadline.signal.reason).toBeInstanceOf(ProviderFailure);
  });

  test("each token begins the wait for the next", () => {
    const { clock, deadline, why } = start();
    deadline.expect(100, "first token");
    for (let at = 0; at < 5; at++) {
      clock.pass(90);
      deadline.expect(100, "further token");
    }
    expect(deadline.signal.aborted).toBe(false);
    clock.pass(100);
    expect(why()).toBe("x sent no further token within 100 ms");
  });

  test("a shorter wait after a longer one is kept to", () => {
    const { clock, deadline, why } = start();
    deadline.expect(900, "first token");
    clock.pass(10);
    deadline.expect(50, "further token");
    clock.pass(50);
    expect(why()).toContain("within 50 ms");
  });

  test("while it rests, silence is no failure; after the end nothing is", () => {
    const { clock, deadline } = start();
    deadline.expect(100, "first token");
    deadline.rest();
    clock.pass(500);
    expect(deadline.signal.aborted).toBe(false);
    deadline.expect(100, "first token");
    deadline.end();
    clock.pass(5000);
    expect(deadline.signal.aborted).toBe(false);
    expect(clock.pending()).toBe(0);
  });

  test("the caller's leaving ends the call with the caller's reason", () => {
    const { outer, deadline } = start();
    outer.abort("gone");
    expect(deadline.signal.reason).toBe("gone");
  });
});

test("an address is asked whether anybody is there", async () => {
  const server = Bun.serve({ port: 0, fetch: () => new Response("x") });
  const check = (url: string) => isReachable(url, { ms: 300, clock: systemClock });
  expect(await check(`http://127.0.0.1:${server.port}/v1`)).toBe(true);
  server.stop(true);
  expect(await check("http://127.0.0.1:1/v1")).toBe(false);
});

test("a provider that is silent because nobody is there is given up early", async () => {
  const silent = {
    name: "x",
    complete: ({ signal }: ProviderCall) =>
      new Promise<Json>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  } as Provider;
  const times = { connectTimeoutMs: 30, totalTimeoutMs: 60_000, firstTokenTimeoutMs: 60_000, retries: 0 };
  const setting = { name: "x", baseUrl: "http://127.0.0.1:1/v1", ...times } as ProviderSetting;
  const call = { model: "m", id: "x/m", body: {}, streamOptions: {}, contextTokens: 100 };
  const options = { clock: systemClock, signal: new AbortController().signal, onRetry: () => {} };
  const cause = await attempt({ provider: silent, setting, call, streamed: false }, options).catch(
    (error) => error,
  );
  expect(cause).toBeInstanceOf(ProviderFailure);
  expect(cause.message).toContain("nobody took a connection within 30 ms");
});
