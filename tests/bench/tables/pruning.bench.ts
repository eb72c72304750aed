/** A point query on a dataset of 10,000 objects, beside the same one of which nothing is known before the files are opened. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import pMap from "p-map";
import { numberFields, readStatistics } from "../../../workers/ingestd/loading/field-ids.ts";
import { placesOf } from "../../../workers/queryd/pruning/pruning.ts";
import { median, report } from "../../support/campaigns/measure.ts";
import type { CatalogManifest, CatalogObject } from "../../support/stacks/catalogd.ts";
import { type QuerydStack, startQuerydStack } from "../../support/stacks/queryd.ts";

const objectsCount = Number(process.env.PRUNING_OBJECTS ?? 10_000);
const rowsEach = 20;
const columns = [
  { name: "id", type: "BIGINT" },
  { name: "name", type: "VARCHAR" },
].map((column, at) => ({ ...column, nullable: true, field_id: at + 1 }));

async function makeDataset(stack: QuerydStack): Promise<CatalogManifest> {
  const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  const fields = numberFields(columns.map((column) => ({ ...column, shape: {} })));
  const path = join(stack.directory, "made.parquet");
  const made: { at: number; bytes: Uint8Array<ArrayBuffer>; statistics: CatalogObject["statistics"] }[] = [];
  for (let at = 0; at < objectsCount; at++) {
    const copied = await connection.runAndReadAll(
      `COPY (SELECT ${at * rowsEach} + i AS id, 'name ' || (${at * rowsEach} + i) AS name FROM range(${rowsEach}) AS r(i)) TO '${path}' (FORMAT parquet, RETURN_STATS, FIELD_IDS ${fields.sql})`,
    );
    const statistics = readStatistics(copied.getRowObjectsJson()[0] as never, fields);
    made.push({ at, bytes: new Uint8Array(await Bun.file(path).arrayBuffer()), statistics });
  }
  connection.closeSync();
  const store = async ({ at, bytes, statistics }: (typeof made)[number]): Promise<CatalogObject> => {
    const key = `datasets/many/${at}.parquet`;
    const stored = await stack.storaged.peer.verbs.write({ key, bytes });
    return { key, bytes: stored.bytes, etag: stored.etag, row_count: rowsEach, statistics };
  };
  const objects = await pMap(made, store, { concurrency: 16 });
  return stack.catalogd.peer.verbs.register({ name: "many", columns, objects });
}

test("a point query on many objects", async () => {
  const stack = await startQuerydStack();
  try {
    const manifest = await makeDataset(stack);
    const timed = async <T>(work: () => Promise<T> | T): Promise<number> => {
      const begun = performance.now();
      await work();
      return performance.now() - begun;
    };
    const planned = (id: number) =>
      placesOf(
        manifest,
        [[{ column: "id", is: "compared", operator: "=", literal: { kind: "integer", value: BigInt(id) } }]],
        new Map(),
      );
    const cold = await timed(() => planned(7));
    const warm: number[] = [];
    for (let round = 0; round < 50; round++) warm.push(await timed(() => planned(round * 3)));
    const point = (at: number) => stack.rows(`SELECT * FROM many WHERE id = ${at}`);
    const first = await timed(() => point(5));
    const pruned: number[] = [];
    for (let round = 0; round < 50; round++) {
      const id = (round * 7919) % (objectsCount * rowsEach);
      pruned.push(await timed(async () => expect(await point(id)).toEqual([{ id, name: `name ${id}` }])));
    }
    // The same question in a form that the statistics say nothing about.
    const hidden = (at: number) => stack.rows(`SELECT * FROM many WHERE id + 0 = ${at}`);
    const firstHidden = await timed(() => hidden(5));
    const unpruned: number[] = [];
    for (let round = 0; round < 5; round++) unpruned.push(await timed(() => hidden(round * 11 + 1)));
    report(`point query on ${objectsCount} objects`, {
      "plan ms, first": cold,
      "plan ms, p50": median(warm),
      "point query ms, first": first,
      "point query ms, p50": median(pruned),
      "all objects ms, first": firstHidden,
      "all objects ms, p50": median(unpruned),
    });
    expect(median(warm)).toBeLessThan(100);
  } finally {
    await stack.stop();
  }
}, 1_800_000);
