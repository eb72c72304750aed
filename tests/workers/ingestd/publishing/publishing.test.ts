/** What an ingest leaves behind: rows and rejected rows together or not at all, and each append once. */
import { afterEach, describe, expect, test } from "bun:test";
import { fail } from "../../../../runtime/errors/errors.ts";
import { freshKeys } from "../../../../workers/ingestd/loading/object-keys.ts";
import { type Between, type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

const stacks: IngestStack[] = [];
afterEach(async () => {
  for (const stack of stacks.splice(0)) await stack.stop();
});
async function start(between: Between = {}): Promise<IngestStack> {
  const stack = await startIngestStack({}, between);
  stacks.push(stack);
  return stack;
}

const good = "a,b\n1,2\n";
const halfBad = "a,b\n1,2\n3\n";
const reject = "&on_error=reject";
const append = "&mode=append";

const named = async (stack: IngestStack, name: string) =>
  stack.catalogd.manifest({ name }).catch(() => undefined);
const rowsOf = async (stack: IngestStack, name: string) => {
  const manifest = await named(stack, name);
  return manifest && (await stack.cells(manifest));
};

describe("rejected rows", () => {
  test("carry the file, the job and the version that has the rest", async () => {
    const stack = await start();
    const form = new FormData();
    form.append("file", new Blob([halfBad]), "o'clock.csv");
    const job = { "x-lakehouse-job-id": "monday" };
    const first = await stack.ingest("d", form as unknown as BodyInit, reject, job);
    expect(first.answer.manifest.version).toBe(1);
    const next = await stack.ingest("d", halfBad.replace("3\n", "4\n"), reject + append);
    await stack.catalogd.drop({ name: "d" });
    const last = await stack.ingest("d", halfBad.replace("3\n", "5\n"), reject + append);
    expect([next.answer.manifest.version, last.answer.manifest.version]).toEqual([2, 4]);
    const origins = (await rowsOf(stack, "d__rejects"))?.map((row) => row.slice(4));
    expect(origins).toEqual([
      ["3", "o'clock.csv", "monday", "1"],
      ["4", null, next.answer.job_id, "2"],
      ["5", null, last.answer.job_id, "4"],
    ]);
  });

  test("of the same file again are the same rejects", async () => {
    const stack = await start();
    await stack.ingest("d", halfBad, reject);
    const again = await stack.ingest("d", halfBad, reject);
    expect(again.answer.unchanged).toBe(true);
    expect([(await named(stack, "d"))?.version, (await named(stack, "d__rejects"))?.version]).toEqual([1, 1]);
  });

  test("of an append that is refused are not kept, and a later append has its own alone", async () => {
    const stack = await start();
    await stack.ingest("d", good);
    const before = await stack.objects();
    const refused = await stack.ingest("d", "a,c\n1,2\n3\n", reject + append);
    expect([refused.status, refused.error.type]).toEqual([409, "schema_drift"]);
    expect(await named(stack, "d__rejects")).toBeUndefined();
    expect(await stack.objects()).toEqual(before);
    await stack.ingest("d", halfBad, reject + append);
    expect(await rowsOf(stack, "d__rejects")).toHaveLength(1);
  });

  test("and rows are both registered or neither, whatever the catalog says", async () => {
    const errors = [
      fail("conflict", "another writer"),
      fail("schema_drift", "changed meanwhile"),
      fail("storage_full", "the disk is full"),
    ];
    for (const error of errors) {
      const stack = await start({
        catalogd: (verbs) => ({ ...verbs, commit: async () => Promise.reject(error) }),
      });
      const { status } = await stack.ingest("d", halfBad, reject);
      expect(status).toBe(error.status);
      expect([await named(stack, "d"), await named(stack, "d__rejects")]).toEqual([undefined, undefined]);
      // Refused for certain: what we made is gone. Else it may be in a version.
      expect(await stack.objects()).toHaveLength(error.status < 500 ? 0 : 2);
    }
  });

  test("name the right version though another writer took the next one meanwhile", async () => {
    let stale = 2;
    const stack = await start({
      catalogd: (verbs) => ({
        ...verbs,
        admit: async (...asked) => {
          const { next_version } = await verbs.admit(...asked);
          return { next_version: stale-- > 0 ? next_version + 5 : next_version };
        },
      }),
    });
    const { answer, status } = await stack.ingest("d", halfBad, reject);
    expect([status, answer.manifest.version]).toEqual([200, 1]);
    expect((await rowsOf(stack, "d__rejects"))?.map((row) => row[7])).toEqual(["1"]);
    expect(await stack.objects()).toHaveLength(2);
  });

  test("of an earlier version of the program stay in their version, and new ones go on", async () => {
    const stack = await start();
    await stack.ingest("d", good);
    const columns = [{ name: "line", type: "BIGINT", nullable: true }];
    await stack.catalogd.register({ name: "d__rejects", columns, objects: [] });
    const { answer } = await stack.ingest("d", halfBad, reject + append);
    expect(answer.warnings).toEqual([expect.stringContaining("stay in its version 1")]);
    expect((await named(stack, "d__rejects"))?.version).toBe(2);
    expect(await rowsOf(stack, "d__rejects")).toHaveLength(1);
  });
});

describe("a CSV value that does not fit the registered type", () => {
  test("is a reject where rejects are asked for, and a 409 where not", async () => {
    const stack = await start();
    await stack.ingest("d", "n,day,t\n1,2024-01-31,x\n");
    const body = 'n,day,t\n2,2024-02-29,y\ntwo,2024-03-01,"z\nz"\n3,soon,w\n04,2024-03-02,v\n5\n,,u\n';
    const strict = await stack.ingest("d", body.replace("5\n", ""), append);
    expect([strict.status, strict.error.type]).toEqual([409, "schema_drift"]);
    const { status, answer, error } = await stack.ingest("d", body, reject + append);
    expect(`${status} ${error.message}`).toBe("200 ");
    expect([answer.rows_in, answer.rows_loaded, answer.rows_rejected]).toEqual([6, 2, 4]);
    expect(await stack.cells(answer.manifest)).toEqual([
      ["1", "2024-01-31", "x"],
      ["2", "2024-02-29", "y"],
      [null, null, "u"],
    ]);
    expect((await rowsOf(stack, "d__rejects"))?.map((row) => [row[0], ...row.slice(2, 5)])).toEqual([
      ["3", "n", "not a value of the registered type BIGINT", 'two,2024-03-01,"z\nz"'],
      ["5", "day", "not a value of the registered type DATE", "3,soon,w"],
      ["6", "n", "not a value of the registered type BIGINT", "04,2024-03-02,v"],
      ["7", "n", expect.stringContaining("expected 3 fields, found 1"), "5"],
    ]);
  });
});

describe("an append", () => {
  test("of equal rows appends them, as often as it is sent", async () => {
    const stack = await start();
    for (let times = 1; times <= 3; times++) {
      const { status, answer } = await stack.ingest("d", good, append);
      expect([status, answer.unchanged, answer.manifest.row_count]).toEqual([200, false, times]);
      expect(await stack.cells(answer.manifest)).toEqual(Array(times).fill(["1", "2"]));
      expect(new Set(answer.manifest.objects.map(({ key }) => key)).size).toBe(times);
    }
    expect(await stack.objects()).toHaveLength(3);
  });

  test("with an Idempotency-Key is not doubled by a retry, though the first answer was lost", async () => {
    let lost = 2;
    const stack = await start({
      catalogd: (verbs) => ({
        ...verbs,
        commit: async (...asked) => {
          const committed = await verbs.commit(...asked);
          if (lost-- > 0) throw fail("outcome_unknown", "the answer is lost");
          return committed;
        },
      }),
    });
    const key = { "idempotency-key": "batch-7" };
    const send = (headers = {}) => stack.ingest("d", halfBad, reject + append, headers);
    expect((await send(key)).status).toBe(502);
    const again = await send(key);
    expect([again.status, again.answer.unchanged, again.answer.manifest.row_count]).toEqual([200, false, 1]);
    expect((await send(key)).answer).toEqual(again.answer);
    expect([await rowsOf(stack, "d"), (await rowsOf(stack, "d__rejects"))?.length]).toEqual([
      [["1", "2"]],
      1,
    ]);
    // Another key, and none, are appends of their own; without a key a lost answer cannot be told from a failure.
    expect((await send({ "idempotency-key": "batch-8" })).status).toBe(502);
    expect((await send({ "idempotency-key": "batch-8" })).answer.manifest.row_count).toBe(2);
    expect((await send()).answer.manifest.row_count).toBe(3);
    expect((await rowsOf(stack, "d__rejects"))?.length).toBe(3);
  });
});

test("keys of objects follow from the bytes, and no two are alike", () => {
  expect(freshKeys("d", ["x", "y", "x"], [])).toEqual(
    ["x", "y", "x-2"].map((stem) => `datasets/d/${stem}.parquet`),
  );
  const held = ["datasets/d/x.parquet", "datasets/d/x-2.parquet"];
  expect(freshKeys("d", ["x"], held)).toEqual(["datasets/d/x-3.parquet"]);
});
