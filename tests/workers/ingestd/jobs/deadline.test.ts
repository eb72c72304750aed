/** The time that the work on a file may take, and the thread that it shares with others. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import type { ServiceError } from "../../../../runtime/errors/errors.ts";
import { type Clock, systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createSlices, type Slices } from "../../../../runtime/scheduling/time-slices.ts";
import { csv } from "../../../../workers/ingestd/csv/csv.ts";
import { createDeadline } from "../../../../workers/ingestd/jobs/deadline.ts";
import { ndjson } from "../../../../workers/ingestd/ndjson/ndjson.ts";
import { peek } from "../../../../workers/ingestd/receiving/upload.ts";
import type { FileContext, Format } from "../../../../workers/ingestd/tables/format.ts";
import { createScratch } from "../../../../workers/ingestd/tables/scratch.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startIngestStack } from "../../../support/stacks/ingestd.ts";

describe("a deadline", () => {
  const limits = { base_timeout_ms: 1000, timeout_bytes_per_s: 1000, max_timeout_ms: 60_000 };
  /** A clock that stands still until it is set. */
  const begin = (askedMs?: number) => {
    const due: { at: number; work: () => void }[] = [];
    const time = { ms: 0 };
    const clock: Clock = {
      ...systemClock,
      elapsed: () => time.ms,
      after: (ms, work) => {
        const wait = { at: time.ms + ms, work };
        due.push(wait);
        return () => void due.splice(due.indexOf(wait), 1);
      },
    };
    const stopped: ServiceError[] = [];
    const deadline = createDeadline({ limits, askedMs, clock, stop: (why) => stopped.push(why) });
    return { deadline, time, due, stopped };
  };

  test("is a base and more for each byte, and never more than the most", () => {
    for (const [bytes, ms] of [
      [0, 1000],
      [2500, 3500],
      [1_000_000, 60_000],
    ] as const) {
      const { deadline, time, due } = begin();
      time.ms = 400;
      deadline.more(bytes);
      deadline.goesOn();
      expect(due.map(({ at }) => at - 400)).toEqual([ms]);
      deadline.end();
      expect(due).toEqual([]);
    }
  });

  test("says what took long, longest first, and how to have more", () => {
    const { deadline, time, due, stopped } = begin();
    deadline.more(2500);
    deadline.goesOn();
    time.ms = 500;
    deadline.phase("reading row by row");
    time.ms = 3400;
    deadline.phase("writing 3 rows of 2 columns");
    time.ms = 3500;
    due[0]?.work();
    expect(stopped[0]?.type).toBe("timeout");
    expect(stopped[0]?.message).toBe(
      "the work on the file took longer than 3500 ms, what ingestd gives 2500 bytes (1000 ms and a second for each " +
        "1000 bytes): reading row by row 2900 ms, receiving the file 500 ms, writing 3 rows of 2 columns 100 ms; nothing " +
        "was registered. To give it more, send timeout_ms of up to 60000, or a smaller file",
    );
  });

  test("counts what is done while the file comes, and not how long the client is waited for", () => {
    const { deadline, time, due, stopped } = begin();
    const passes = (ms: number) => {
      time.ms += ms;
      const [wait] = due;
      if (wait !== undefined && wait.at <= time.ms) due.shift()?.work();
    };
    deadline.goesOn();
    passes(600);
    deadline.waits();
    passes(86_400_000);
    expect([due.length, stopped]).toEqual([0, []]);
    deadline.more(500);
    deadline.goesOn();
    passes(500);
    deadline.waits();
    deadline.goesOn();
    passes(399);
    expect(stopped).toEqual([]);
    passes(1);
    expect(stopped[0]?.message).toContain("longer than 1500 ms, what ingestd gives 500 bytes");
    expect(stopped[0]?.message).toContain(": receiving the file 1500 ms;");
  });

  test("is what the request says, up to the most", () => {
    const { deadline, time, due, stopped } = begin(50);
    deadline.more(1_000_000);
    deadline.goesOn();
    expect(due[0]?.at).toBe(50);
    time.ms = 50;
    due[0]?.work();
    expect(stopped[0]?.message).toContain("took longer than 50 ms, what timeout_ms says");
    expect(() => begin(60_001)).toThrow("timeout_ms: at most 60000, got 60001");
  });
});

/** Enough that a millisecond is over long before they are read, on whatever machine. */
const lines = '{"a":1,"b":"x"}\n'.repeat(200_000);

describe("ingests and previews", () => {
  let stack: Awaited<ReturnType<typeof startIngestStack>>;
  beforeAll(async () => {
    stack = await startIngestStack();
  });
  afterAll(() => stack.stop());

  test("that take longer than they may end as timeout, and leave nothing", async () => {
    const { status, error } = await stack.ingest("late", lines, "&format=ndjson&timeout_ms=1");
    expect([status, error.type]).toEqual([408, "timeout"]);
    expect(error.message).toContain("what timeout_ms says: ");
    expect(await stack.leftovers()).toEqual([]);
    expect((await stack.objects()).filter((key) => key.startsWith("datasets/late/"))).toEqual([]);
    const seen = await stack.post("/ingest/preview?format=ndjson&timeout_ms=1", lines);
    expect([seen.status, seen.error.type]).toEqual([408, "timeout"]);
    const [job] = (await (
      await stack.send(new Request("http://localhost/ingest/jobs"))
    )
      .json()
      .then(({ jobs }) => jobs)) as { state: string; error: { type: string } }[];
    expect([job?.state, job?.error.type]).toEqual(["failed", "timeout"]);
  });

  test("that take longer while a small body is decompressed end there", async () => {
    const [sent] = [zstdCompressSync(Buffer.from("a\n1\n".padEnd(64_000_000, "12345678\n")))];
    for (const answer of [
      await stack.ingest("late", sent, "&format=csv&timeout_ms=5"),
      await stack.post("/ingest/preview?format=csv&timeout_ms=5", sent),
    ]) {
      expect([answer.status, answer.error.type]).toEqual([408, "timeout"]);
      expect(answer.error.message).toMatch(/: receiving the file \d+ ms; nothing was registered/);
    }
    expect(await stack.leftovers()).toEqual([]);
  });

  test("that are cancelled while rows are read end there", async () => {
    const ask = (init?: RequestInit) => stack.send(new Request("http://localhost/ingest/jobs/rows", init));
    const body = `a\n${"\r".repeat(4_000_000)}`;
    const cancelled = stack.ingest("cancelled", body, "", { "x-lakehouse-job-id": "rows" });
    // Answered while the rows are read: the thread is given up for it.
    for (let state = ""; state !== "writing"; await Bun.sleep(1))
      state = ((await (await ask()).json()) as { state?: string }).state ?? "";
    const job = (await (await ask({ method: "DELETE" })).json()) as { error: { type: string } };
    expect([job.error.type, (await cancelled).error.type]).toEqual(["client_closed", "client_closed"]);
    expect(await stack.leftovers()).toEqual([]);
  });

  test("that ask for more than they may are refused", async () => {
    const { status, error } = await stack.ingest("late", "a\n1\n", "&timeout_ms=86400001");
    expect([status, error.type]).toEqual([400, "invalid_field"]);
  });
});

describe("of the thread that others share", () => {
  const directory = temporaryDirectory("slices");
  afterAll(directory.remove);

  /** The most steps that are done without a rest between them, and all of them. */
  const stepsOf = async (format: Format, content: string) => {
    const { signal } = new AbortController();
    const most = { atOnce: 0, inAll: 0 };
    const counted = createSlices(signal);
    const slices: Slices = (steps) => {
      most.atOnce = Math.max(most.atOnce, steps);
      most.inAll += steps;
      return counted(steps);
    };
    const scratch = createScratch(`${directory.path}/${crypto.randomUUID()}`);
    await scratch.enter();
    const place: FileContext = {
      ...scratch,
      reading: { nulls: [], types: new Map() },
      rejectRules: { allowed: true, max: 10 },
      columnsMax: 4096,
      rowBytesMax: 2 ** 24,
      signal,
      slices,
      phase: () => undefined,
    };
    async function* pieces() {
      const bytes = Buffer.from(content);
      for (let at = 0; at < bytes.length; at += 2 ** 18) yield bytes.subarray(at, at + 2 ** 18);
    }
    const { head, whole, all } = await peek(pieces(), 2 ** 20);
    try {
      const { tables } = await format.store({ head, whole, chunks: all }, place);
      // No engine is asked: the last way reads by itself.
      await tables.at(-1)?.({} as never);
    } catch {
      // What is refused took its steps, too.
    } finally {
      await scratch.leave();
    }
    return most;
  };
  const numbers = Array.from({ length: 200_000 }, (_, at) => at);

  test.each([
    ["a list of numbers", ndjson, `{"a":[${numbers.join(",")}]}\n`, Number.POSITIVE_INFINITY],
    ["keys", ndjson, `{"a":{${numbers.map((at) => `"k${at}":1`).join(",")}}}\n`, Number.POSITIVE_INFINITY],
    ["empty lines", ndjson, `{"a":1}\n${"\n".repeat(500_000)}`, Number.POSITIVE_INFINITY],
    ["short lines", ndjson, '{"a":1}\n'.repeat(100_000), Number.POSITIVE_INFINITY],
    ["carriage returns", csv, `a\n${"\r".repeat(500_000)}`, Number.POSITIVE_INFINITY],
    ["line feeds", csv, `a\n${"\n".repeat(500_000)}`, Number.POSITIVE_INFINITY],
    ["delimiters", csv, `a,b\n${",".repeat(5_000_000)}`, 5.6],
    ["quotes", csv, `a\n${'"'.repeat(5_000_000)}\n`, 5.6],
    ["an open quote", csv, `a\n"${"\n".repeat(5_000_000)}`, 5.6],
    ["text behind a quote", csv, `a\n""${"b".repeat(5_000_000)}`, 5.6],
    ["many columns", csv, `${numbers.slice(0, 4000)}\n`.repeat(100), 10],
  ])(
    "little is taken at once for %s, and each byte is read once",
    async (_, format, content, mostPerByte) => {
      const { atOnce, inAll } = await stepsOf(format, content);
      expect(inAll).toBeGreaterThanOrEqual(content.length / 2);
      expect(atOnce).toBeLessThanOrEqual(1_500_000);
      // Four steps for the scan, and one for the reader; rows and fields count beside their bytes.
      expect(inAll).toBeLessThan(mostPerByte * content.length);
    },
  );
});
