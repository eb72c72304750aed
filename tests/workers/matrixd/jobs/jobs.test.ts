/** Jobs: their order, their bounds, what is told of them, and what outlives a process. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../../../runtime/errors/errors.ts";
import { jobEvents } from "../../../../runtime/jobs/jobs.ts";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { isOver, type Jobs, openJobs, type RunningJob } from "../../../../workers/matrixd/jobs/queue.ts";
import { keptIn } from "../../../support/durability/marked.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

let home: ReturnType<typeof temporaryDirectory>;
let jobs: Jobs;
let ids = 0;
const lines: string[] = [];
const open = async () =>
  openJobs(join(home.path, "matrixd", "jobs.jsonl"), {
    ...(await keptIn(join(home.path, "matrixd"))),
    clock: systemClock,
    log: createLog("matrixd", "debug", (line) => lines.push(line)),
    newId: () => `job-${++ids}`,
  });
beforeEach(async () => {
  home = temporaryDirectory("jobs");
  mkdirSync(join(home.path, "matrixd"));
  ids = 0;
  jobs = await open();
});
afterEach(async () => {
  await jobs.stop();
  home.remove();
});

/** Work that ends when it is told to. */
const held = () => {
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<RunningJob>();
  const work = (job: RunningJob) => {
    begun.resolve(job);
    const aborted = new Promise<never>((_, reject) =>
      job.signal.addEventListener("abort", () => reject(job.signal.reason), { once: true }),
    );
    return Promise.race([gate.promise, aborted]);
  };
  return { work, begun: begun.promise, open: gate.resolve, fail: gate.reject };
};
const over = async (id: string) => {
  for (;;) {
    const job = jobs.get(id);
    if (job.state !== "queued" && job.state !== "running") return job;
    await jobs.changed(id, 1000);
  }
};

test("a job runs, counts and ends", async () => {
  const { work, begun, open: end } = held();
  const { job_id, state } = await jobs.submit("a", true, work);
  expect(["queued", "running"]).toContain(state);
  const job = await begun;
  job.step("reading");
  job.count({ rows_read: 5, rows_total: 10 });
  expect(jobs.get(job_id)).toMatchObject({
    state: "running",
    step: "reading",
    rows_read: 5,
    rows_total: 10,
    refresh: true,
  });
  expect(jobs.of("a")?.job_id).toBe(job_id);
  end();
  expect(await over(job_id)).toMatchObject({ state: "done", step: "done" });
  expect(jobs.get(job_id).finished_at).toBeString();
  expect(jobs.of("a")).toBeUndefined();
});

test("one job a corpus; two at once; the others wait in their order", async () => {
  const all = ["a", "b", "c", "d"].map(() => held());
  const taken = [];
  for (const [at, { work }] of all.entries()) taken.push(await jobs.submit("abcd".charAt(at), false, work));
  await Promise.all(all.slice(0, 2).map(({ begun }) => begun));
  expect(jobs.submit("b", false, async () => {})).rejects.toThrow("is being worked on by job job-2");
  expect(jobs.submit("d", false, async () => {})).rejects.toThrow("is being worked on by job job-4");
  expect(jobs.list().map(({ state }) => state)).toEqual(["queued", "queued", "running", "running"]);
  all[1]?.open();
  await all[2]?.begun;
  expect(jobs.get("job-4").state).toBe("queued");
  for (const { open: end } of all) end();
  for (const { job_id } of taken) expect((await over(job_id)).state).toBe("done");
});

test("too many are refused, and nothing is kept of those", async () => {
  const first = [held(), held()];
  for (const [at, { work }] of first.entries()) await jobs.submit(`first${at}`, false, work);
  await Promise.all(first.map(({ begun }) => begun));
  for (let at = 0; at < 64; at++) await jobs.submit(`c${at}`, false, async () => {});
  expect(jobs.submit("one-more", false, async () => {})).rejects.toMatchObject({ type: "too_many_requests" });
  expect(jobs.list()).toHaveLength(66);
  for (const { open: end } of first) end();
  await over("job-66");
});

test("a job that is cancelled while it waits never begins", async () => {
  const first = [held(), held()];
  for (const [at, { work }] of first.entries()) await jobs.submit(`first${at}`, false, work);
  let isBegun = false;
  const { job_id } = await jobs.submit("c", false, async () => {
    isBegun = true;
  });
  // The others still run.
  expect(await jobs.cancel(job_id)).toMatchObject({ state: "cancelled", error: { type: "client_closed" } });
  for (const { open: end } of first) end();
  for (const id of ["job-1", "job-2"]) expect((await over(id)).state).toBe("done");
  expect(isBegun).toBe(false);
});

test("a running job is cancelled; one that has ended stays as it ended", async () => {
  const { work, begun } = held();
  const { job_id } = await jobs.submit("c", false, work);
  await begun;
  expect((await jobs.cancel(job_id)).state).toBe("cancelled");
  const { job_id: other } = await jobs.submit("c", false, async () => {});
  await over(other);
  expect((await jobs.cancel(other)).state).toBe("done");
  expect(() => jobs.get("none")).toThrow("there is no job 'none'");
});

test("failures tell their type; what is unexpected tells nothing and is logged", async () => {
  const { job_id } = await jobs.submit("a", false, async () => {
    throw fail("sql_error", "Binder Error: no such column");
  });
  expect((await over(job_id)).error).toEqual({ type: "sql_error", message: "Binder Error: no such column" });
  const { job_id: odd } = await jobs.submit("a", false, async () => {
    throw new Error("secret path");
  });
  expect((await over(odd)).error).toEqual({ type: "internal", message: "internal error" });
  expect(JSON.stringify(jobs.list())).not.toContain("secret");
});

test("ended jobs are listed after a restart; those that had not ended have failed: interrupted", async () => {
  const { job_id } = await jobs.submit("a", true, async (job) => job.count({ embedded: 7 }));
  await over(job_id);
  // As a killed process leaves it: a job was taken, and nothing was heard of it.
  const record = JSON.stringify({ ...jobs.get(job_id), job_id: "killed", state: "running" });
  const crc32 = Bun.hash.crc32(record).toString(16).padStart(8, "0");
  await jobs.stop();
  appendFileSync(
    join(home.path, "matrixd", "jobs.jsonl"),
    `{"crc32":"${crc32}","record":${record}}\n{"crc32":"12`,
  );
  jobs = await open();
  expect(jobs.get(job_id)).toMatchObject({ state: "done", embedded: 7 });
  expect(jobs.get("killed")).toMatchObject({ state: "failed", error: { type: "interrupted" } });
  expect(jobs.get("killed").finished_at).toBeString();
  await jobs.stop();
  jobs = await open();
  expect(jobs.get("killed")).toMatchObject({ state: "failed" });
  expect(jobs.list().map(({ job_id: id }) => id)).toEqual(["killed", job_id]);
});

test("a stop ends what runs and what waits: interrupted", async () => {
  const all = [held(), held(), held()];
  for (const [at, { work }] of all.entries()) await jobs.submit(`c${at}`, false, work);
  await all[0]?.begun;
  await jobs.stop();
  expect(jobs.list().map(({ state, error }) => `${state} ${error?.type}`)).toEqual(
    Array.from({ length: 3 }, () => "failed interrupted"),
  );
  jobs = await open();
  expect(jobs.list()).toHaveLength(3);
});

test("only the latest are kept", async () => {
  for (let at = 0; at < 205; at++) await over((await jobs.submit("a", false, async () => {})).job_id);
  expect(jobs.list()).toHaveLength(200);
  expect(jobs.list()[0]?.job_id).toBe("job-205");
  expect(() => jobs.get("job-5")).toThrow("forgotten after a while");
});

test("events end when the service drains", async () => {
  const { work, open: end } = held();
  const { job_id } = await jobs.submit("a", false, work);
  const draining = new AbortController();
  const text = jobEvents(jobs, job_id, { isOver, signal: draining.signal }).text();
  await jobs.changed(job_id, 5);
  draining.abort();
  expect(await text).not.toContain("event: done");
  end();
});

test("events tell each step and the end, and nothing after it", async () => {
  const { work, begun, open: end } = held();
  const { job_id } = await jobs.submit("a", false, work);
  const following = { isOver, signal: new AbortController().signal };
  const response = jobEvents(jobs, job_id, following);
  expect(response.headers.get("content-type")).toStartWith("text/event-stream");
  const text = response.text();
  const job = await begun;
  await jobs.changed(job_id, 5);
  job.step("embedding");
  await jobs.changed(job_id, 5);
  end();
  const events = (await text).split("\n\n").filter((part) => part !== "");
  expect(events.at(-1)).toStartWith("event: done\n");
  expect(events.slice(0, -1).every((event) => event.startsWith("event: progress\ndata: {"))).toBe(true);
  expect(() => jobEvents(jobs, "none", following)).toThrow("there is no job");
});
