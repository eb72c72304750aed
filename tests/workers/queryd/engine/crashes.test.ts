/** A query whose process ends under it: its own error, nobody else's, and no third time. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { startQuerydStack } from "../../../support/stacks/queryd.ts";

let stack: Awaited<ReturnType<typeof startQuerydStack>>;
beforeAll(async () => {
  stack = await startQuerydStack();
  await stack.dataset("data", "SELECT range AS i FROM range(10)");
});
afterAll(() => stack.stop());

/** Children of this process that run queryd's program. */
const children = (): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const [, parent] = /\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? [];
        return (
          Number(parent) === process.pid &&
          readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("queryd/engine/main.")
        );
      } catch {
        return false;
      }
    });

const running = async () =>
  (await stack.queryd.peer.verbs.queries({})).queries.filter(({ state }) => state === "running");

const endless = "SELECT count(*) AS n FROM range(1_000_000_000) a, range(1_000_000_000) b";

/** Runs the statement, and ends the processes that work when it does. */
async function crash(sql: string) {
  // A process that is being started would fail to start instead.
  await stack.rows("SELECT 1 AS one");
  const answer = stack.sql({ sql, timeout_ms: 60_000 });
  let found = await running();
  while (found.length === 0) {
    await Bun.sleep(1);
    found = await running();
  }
  for (const pid of children()) process.kill(pid, "SIGSEGV");
  const { error } = (await (await answer).json()) as {
    error: { type: string; code: number; message: string; details?: { query_id: string } };
  };
  return { error, id: found[0]?.query_id };
}

test.if(process.platform === "linux")("a crash is that query's error, with its id", async () => {
  const { error, id } = await crash(endless);
  expect(error.message).toMatch(
    /^the process of DuckDB of queryd ended by SIGSEGV; nothing else was affected$/,
  );
  expect([error.code, error.type, error.details?.query_id]).toEqual([422, "engine_crashed", id]);
  expect(await stack.rows("SELECT count(*) AS n FROM data")).toEqual([{ n: 10 }]);
});

test.if(process.platform === "linux")(
  "a statement that crashed twice is refused, others are not",
  async () => {
    await crash(endless);
    const response = await stack.sql({ sql: endless, timeout_ms: 1000 });
    const { error } = (await response.json()) as { error: { type: string; message: string } };
    expect(error.type).toBe("engine_crashed");
    expect(error.message).toMatch(
      /^the statement crashed DuckDB 2 times; it is refused for 10 minutes more$/,
    );
    expect(await stack.rows("SELECT count(*) AS n FROM data")).toEqual([{ n: 10 }]);
  },
);

test.if(process.platform === "linux")(
  "a process that hears nothing for a while is not told of its bounds without end",
  async () => {
    await stack.rows("SELECT 1 AS one");
    const rows = 2_000_000;
    const response = await stack.sql(`SELECT range AS i FROM range(${rows})`, {
      accept: "application/x-ndjson",
    });
    const working = children();
    for (const pid of working) process.kill(pid, "SIGSTOP");
    // Each of these changes the parts of memory, and with them the bounds of all that work; the result wants its next part.
    const asked = async () => {
      for (let round = 0; round < 100; round++)
        expect(await stack.rows("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    };
    await asked();
    const text = response.text();
    await asked();
    for (const pid of working) process.kill(pid, "SIGCONT");
    expect((await text).split("\n").length - 1).toBe(rows);
  },
);
