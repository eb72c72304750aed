/** Tries, waits and deadlines, on a clock that the test moves. */
import { expect, test } from "bun:test";
import { fail } from "../../../../runtime/errors/errors.ts";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { withRetries } from "../../../../workers/embedd/embedding/retry.ts";
import { TransientFailure } from "../../../../workers/embedd/providers/provider.ts";

/** A clock that jumps to the end of whatever sleeps, except of deadlines, which it passes when told. */
function jumpingClock(deadlineMs: number) {
  let now = 0;
  const slept: number[] = [];
  let expire = () => {};
  return {
    slept,
    expire: () => expire(),
    clock: {
      ...systemClock,
      now: () => now,
      elapsed: () => now,
      sleep: (ms: number, signal?: AbortSignal) => {
        if (ms === deadlineMs)
          return new Promise<void>((resolve, reject) => {
            expire = resolve;
            signal?.addEventListener("abort", () => reject(signal.reason));
          });
        slept.push(ms);
        now += ms;
        return Promise.resolve();
      },
    },
  };
}

const busy = (waitMs?: number) =>
  new TransientFailure(fail("overloaded", "busy", { retryAfterSeconds: 7 }), waitMs);
const rules = (time: ReturnType<typeof jumpingClock>, retries = 2) => ({
  retries,
  timeoutMs: 10_000,
  clock: time.clock,
  what: "it",
});
const never = () => new AbortController().signal;

test("tries again after the wait the provider asked for, else after one that doubles", async () => {
  for (const [waitMs, slept] of [
    [3000, [3000, 3000]],
    [undefined, [250, 500]],
  ] as const) {
    const time = jumpingClock(10_000);
    let tries = 0;
    const work = async () => {
      if (++tries < 3) throw busy(waitMs);
      return "done";
    };
    expect(await withRetries(work, never(), rules(time))).toBe("done");
    expect(time.slept).toEqual([...slept]);
  }
});

test("gives up after its tries, with the provider's own error", async () => {
  const time = jumpingClock(10_000);
  let tries = 0;
  const work = async () => {
    tries += 1;
    throw busy();
  };
  await expect(withRetries(work, never(), rules(time, 1))).rejects.toMatchObject({
    type: "overloaded",
    retryAfterSeconds: 7,
  });
  expect(tries).toBe(2);
});

test("does not wait past its deadline: it says at once what the provider said", async () => {
  const time = jumpingClock(10_000);
  await expect(withRetries(() => Promise.reject(busy(60_000)), never(), rules(time))).rejects.toMatchObject({
    type: "overloaded",
  });
  expect(time.slept).toEqual([]);
});

test("does not try again what will not pass", async () => {
  const time = jumpingClock(10_000);
  let tries = 0;
  const work = async () => {
    tries += 1;
    throw fail("bad_gateway", "no");
  };
  await expect(withRetries(work, never(), rules(time))).rejects.toMatchObject({ type: "bad_gateway" });
  expect(tries).toBe(1);
});

test("ends work that takes too long", async () => {
  const time = jumpingClock(10_000);
  const work = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      time.expire();
    });
  await expect(withRetries(work, never(), rules(time))).rejects.toMatchObject({
    type: "deadline_exceeded",
    message: "it did not answer within 10000 ms",
  });
});
