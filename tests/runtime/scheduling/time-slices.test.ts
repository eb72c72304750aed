/** Work in slices: given up after so many steps, whatever the clock says, and ended when nobody wants it. */
import { expect, test } from "bun:test";
import { createSlices, inOneGo, inSlices } from "../../../runtime/scheduling/time-slices.ts";

const never = new AbortController().signal;

function* counting(steps: number): Generator<number, string> {
  for (let done = 0; done < steps; done += 1000) yield 1000;
  return "done";
}

test("the thread is given up once for each two million steps", async () => {
  let rests = 0;
  const slices = createSlices(never, async () => {
    rests += 1;
  });
  expect(await inSlices(counting(10_000_000), slices)).toBe("done");
  expect(rests).toBe(5);
  expect(inOneGo(counting(10_000_000))).toBe("done");
});

test("what waits on the same thread has its turn between two slices", async () => {
  let others = 0;
  setTimeout(() => {
    others += 1;
  }, 0);
  const slices = createSlices(never);
  // Without turns of others it would never be: the slices alone fill the thread.
  for (let at = 0; others === 0 && at < 10_000_000; at++) await slices(2_000_000);
  expect(others).toBe(1);
});

test("work that nobody wants ends at its next rest, with the reason", async () => {
  const wanted = new AbortController();
  const slices = createSlices(wanted.signal, async () => wanted.abort(new Error("no more")));
  await expect(inSlices(counting(10_000_000), slices)).rejects.toThrow("no more");
});
