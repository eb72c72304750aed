/** Busy or hung: each row is what a thread did at each heartbeat of 1000 ms, and what it was held for. */
import { expect, test } from "bun:test";
import { createWatchdog } from "../../../runtime/supervisor/watchdog.ts";
import {
  ownThreadId,
  parseThreadStat,
  readThread,
  type ThreadUse,
} from "../../../runtime/thread-time/thread-time.ts";

const limits = { heartbeatMs: 1000, timeoutMs: 3000, busyMs: 5000 };
/** `.` it answered, `s` it sleeps, `r` it waits for a processor, a digit: so many seconds of processor time, `?` unknown. */
const rows: { name: string; did: string; held: string }[] = [
  { name: "it answers", did: "....", held: "well well well well" },
  { name: "it sleeps and does not answer", did: ".sss", held: "well well well hung" },
  { name: "it answers again", did: ".ssss.", held: "well well well hung hung well" },
  { name: "an answer in between", did: "ss.ss.ss", held: "well well well well well well well well" },
  { name: "it works", did: ".1111", held: "well well well busy busy" },
  { name: "a little processor time is a sign of life", did: ".ss1ss", held: "well well well busy busy busy" },
  { name: "it worked, then sleeps for good", did: ".1sss", held: "well well well busy hung" },
  {
    name: "it never gets a processor",
    did: ".rrrrrrrr",
    held: "well well well busy busy busy busy busy busy",
  },
  { name: "it works in a circle", did: ".111111", held: "well well well busy busy hung hung" },
  { name: "work with answers has no end", did: "1.1.1.1.1.1.1.", held: "well ".repeat(14).trim() },
  { name: "the system tells nothing", did: ".???", held: "well well well hung" },
  { name: "hung, then it works after all", did: ".sss1.", held: "well well well hung busy well" },
];

for (const { name, did, held } of rows)
  test(`watchdog: ${name}`, () => {
    let use: ThreadUse | undefined = { cpuMs: 0, isRunnable: false };
    let cpuMs = 0;
    const watchdog = createWatchdog(() => use);
    watchdog.heard();
    watchdog.beat(1, limits);
    const found = [...did].map((tracked) => {
      if (tracked === ".") watchdog.heard();
      cpuMs += (Number(tracked) || 0) * 1000;
      use = tracked === "?" ? undefined : { cpuMs, isRunnable: tracked === "r" };
      return watchdog.beat(1, limits);
    });
    expect(found.map(({ state }) => state).join(" ")).toBe(held);
    // Whoever is not known is never given up.
    for (const [at, health] of found.entries())
      if (health.state === "hung") expect(health.isCertain).toBe(did[at] !== "?");
  });

test("a thread that has not said its number is not known", () => {
  const watchdog = createWatchdog(() => ({ cpuMs: 0, isRunnable: false }));
  const found = [1, 2, 3].map(() => watchdog.beat(undefined, limits));
  expect(found.at(-1)).toMatchObject({ state: "hung", isCertain: false });
});

test.skipIf(process.platform !== "linux")("a thread's processor time, as the system tells it", () => {
  const id = ownThreadId() ?? 0;
  const before = readThread(id)?.cpuMs ?? Number.NaN;
  // Ends when the time is counted, however little of a processor it gets.
  while ((readThread(id)?.cpuMs ?? 0) < before + 50);
  expect(readThread(id)?.isRunnable).toBe(true);
  expect(readThread(2 ** 30)).toBeUndefined();
});

test("a thread's line, whatever its name is", () => {
  const line = (name: string, state: string) =>
    `9512 (${name}) ${state} 9503 9503 3200 0 -1 4194368 780 0 0 0 30 12 0 0 20 0 7 0 46616 6710730752 11100`;
  expect(parseThreadStat(line("vectord", "S"))).toEqual({ cpuMs: 420, isRunnable: false });
  expect(parseThreadStat(line("a) R (b", "D"))).toEqual({ cpuMs: 420, isRunnable: true });
  expect(parseThreadStat(line("x", "R"))).toEqual({ cpuMs: 420, isRunnable: true });
  expect(parseThreadStat("nonsense")).toBeUndefined();
});
