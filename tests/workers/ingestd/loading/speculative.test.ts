/** Files large enough that their first run is written while the rest is received: what becomes of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createRuns } from "../../../../workers/ingestd/csv/runs.ts";
import { createPartSplitter, vectorRows } from "../../../../workers/ingestd/tables/part-splitter.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
let large: Buffer;
const rows = 120_000;
beforeAll(async () => {
  stack = await startIngestStack();
  const note = "a note of some length, quoted, as notes are, with a line\nend in it; ".repeat(8);
  large = Buffer.from(
    `id,when,note\n${Array.from({ length: rows }, (_, id) => `${id},2024-01-01,"${note}${id}"`).join("\n")}\n`,
  );
});
afterAll(() => stack.stop());

const chunked = (bytes: Buffer, size: number, between: () => Promise<void> = async () => undefined) => {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      await between();
      if (at >= bytes.length) controller.close();
      else controller.enqueue(new Uint8Array(bytes.subarray(at, at + size)));
      at += size;
    },
  });
};
const summary = async (manifest: Parameters<IngestStack["relation"]>[0]) =>
  stack.query(
    `SELECT count(*), min(id::BIGINT), max(id::BIGINT), count(DISTINCT id), sum(length(note)) FROM ${await stack.relation(manifest)}`,
  );

describe("a file of several runs", () => {
  test("becomes several objects, the same ones however it arrives, in the order of the file", async () => {
    const { answer } = await stack.ingest("runs", chunked(large, 400_000));
    expect(answer.manifest.objects.length).toBeGreaterThan(1);
    expect([answer.rows_in, answer.rows_loaded, answer.manifest.row_count]).toEqual([rows, rows, rows]);
    const [[count, least, most, distinct] = []] = await summary(answer.manifest);
    expect([count, least, most, distinct]).toEqual([String(rows), "0", String(rows - 1), String(rows)]);
    const [first] = await stack.query(
      `SELECT count(*) FROM (SELECT id - lag(id) OVER () AS step FROM ${await stack.relation(answer.manifest)}) WHERE step <> 1`,
    );
    expect(first).toEqual(["0"]);
    for (const size of [70_000, 3_000_000])
      expect((await stack.ingest("runs", chunked(large, size))).answer.unchanged).toBe(true);
    // With a key nothing is written early; the objects are the same.
    const keyed = await stack.ingest("runs", chunked(large, 500_000), "", { "idempotency-key": "early" });
    expect(keyed.answer.unchanged).toBe(true);
  });

  test("whose last row breaks a type is written again, with the type of all rows", async () => {
    const { answer } = await stack.ingest(
      "late",
      chunked(Buffer.concat([large, Buffer.from("7,soon,x\n")]), 400_000),
    );
    expect(stack.types(answer.manifest)).toEqual({ id: "BIGINT", when: "VARCHAR", note: "VARCHAR" });
    expect(answer.manifest.row_count).toBe(rows + 1);
    const keys = (await stack.objects()).filter((key) => key.startsWith("datasets/late/"));
    expect(keys.sort()).toEqual(answer.manifest.objects.map(({ key }) => key).sort());
  });

  test("whose last row is broken is read row by row, and leaves no object of the first try", async () => {
    const body = () => chunked(Buffer.concat([large, Buffer.from("7\n")]), 400_000);
    const refused = await stack.ingest("broken", body());
    expect([refused.status, refused.error.message.includes(`line ${rows * 9 + 2}`)]).toEqual([422, true]);
    const taken = await stack.ingest("broken", body(), "&on_error=reject");
    expect([taken.answer.rows_in, taken.answer.rows_loaded, taken.answer.rows_rejected]).toEqual([
      rows + 1,
      rows,
      1,
    ]);
    const keys = (await stack.objects()).filter((key) => key.startsWith("datasets/broken/"));
    expect(keys).toEqual(taken.answer.manifest.objects.map(({ key }) => key));
  });

  test("becomes the same objects where there is too little memory to write runs beside each other", async () => {
    const { answer } = await stack.ingest("ample", chunked(large, 400_000));
    const small = await startIngestStack({ memory_limit: "200MB" });
    try {
      const { answer: scarce } = await small.ingest("ample", chunked(large, 400_000));
      const keys = ({ manifest }: typeof answer) => manifest.objects.map(({ key }) => key);
      expect(keys(scarce)).toEqual(keys(answer));
    } finally {
      await small.stop();
    }
  });

  test("that is cancelled while its first run is written leaves nothing", async () => {
    const wait = Promise.withResolvers<void>();
    let sent = 0;
    const body = chunked(large, 1_000_000, async () => {
      sent += 1;
      if (sent === 60) await wait.promise;
    });
    const cancelled = stack.ingest("cancelled", body, "", { "x-lakehouse-job-id": "early" });
    while (sent < 60) await Bun.sleep(1);
    await stack.send(new Request("http://localhost/ingest/jobs/early", { method: "DELETE" }));
    wait.resolve();
    expect((await cancelled).error.type).toBe("client_closed");
    expect(await stack.leftovers()).toEqual([]);
    expect((await stack.objects()).filter((key) => key.startsWith("datasets/cancelled/"))).toEqual([]);
  });

  test("for a dataset with other columns is a 409", async () => {
    await stack.ingest("drift", "id,when,remark\n1,2024-01-01,x\n");
    const { status, error } = await stack.ingest("drift", chunked(large, 400_000));
    expect([status, error.type]).toEqual([409, "schema_drift"]);
  });
});

describe("the part rule", () => {
  const cuts = (width: (row: number) => number, count: number) => {
    const rule = createPartSplitter();
    const at: number[] = [];
    let end = 0;
    for (let row = 1; row <= count; row++) {
      end += width(row);
      if (rule.endRow(end)) at.push(row);
    }
    return { at, partRows: rule.partRows() };
  };

  test("cuts after equal numbers of rows, whole vectors, below what DuckDB divides", () => {
    const { at, partRows = 0 } = cuts((row) => 500 + (row % 200), 100_000);
    expect(partRows % vectorRows).toBe(0);
    expect(partRows * 700).toBeLessThan(8_000_000);
    expect(at).toEqual(Array.from({ length: at.length }, (_, index) => (index + 1) * partRows));
  });

  test("cuts wide rows by their bytes, narrow ones after a row group, and rows that grow before they are too long", () => {
    expect(cuts(() => 10_000, 2000)).toMatchObject({ at: [600, 1200, 1800], partRows: undefined });
    expect(cuts(() => 8, 300_000)).toMatchObject({ at: [122_880, 245_760], partRows: 122_880 });
    const grown = cuts((row) => (row < 5000 ? 300 : 3000), 20_000);
    expect(grown.at.every((row, index) => row - (grown.at[index - 1] ?? 0) <= (grown.partRows ?? 0))).toBe(
      true,
    );
    expect(grown.at.length).toBeGreaterThan(5);
  });
});

test("runs double by pairs from 48 to 384 megabytes, and there is always one", () => {
  const runs = createRuns();
  const ended = Array.from({ length: 200 }, (_, part) =>
    runs.endPart({ rows: (part + 1) * 10, bytes: (part + 1) * 6_000_000 }),
  ).flat();
  expect(ended.map(({ from, to, rows: count }) => [to - from, count])).toEqual([
    [8, 80],
    [8, 80],
    [16, 160],
    [16, 160],
    [32, 320],
    [32, 320],
    [64, 640],
  ]);
  expect(runs.end(200, 2000).at(-1)).toEqual({ from: 176, to: 200, rows: 240 });
  expect(createRuns().end(0, 0)).toEqual([{ from: 0, to: 0, rows: 0 }]);
});
