/** What durability costs vectord: adds beside the bare durable write of the same bytes, a checkpoint, a recovery. */
import { expect, test } from "bun:test";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Upserts } from "../../../workers/vectord/rows/batch.ts";
import { inTurn, report, timed } from "../../support/campaigns/measure.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { configOf, ignored, readAll, startJournals } from "../../support/vectors/journals.ts";

const dimension = 768;
const rows = 100_000;
const pieceRows = 4096;
const rounds = 15;

const vectors = new Float32Array(rows * dimension).map((_, at) => Math.sin(at));
const piece = (from: number, to: number): Upserts => ({
  ids: Array.from({ length: to - from }, (_, at) => `item ${from + at}`),
  vectors: vectors.subarray(from * dimension, to * dimension),
  metadata: Array.from({ length: to - from }, (_, at) => ({ state: at % 50, rate: at % 97 })),
});

test("durable adds, a checkpoint and a recovery of 100,000 x 768", async () => {
  const { path, remove } = temporaryDirectory("bench-journal");
  const stack = await startJournals({ dataDir: path });
  try {
    const journal = await stack.journals.create(configOf("a", dimension));
    for (const batch of [1, 10, 100, 1000, 10_000]) {
      const upserts = piece(0, batch);
      const bytes = new Uint8Array(upserts.vectors.buffer, 0, upserts.vectors.byteLength);
      const bare = () => {
        const file = openSync(join(path, "bare"), "w");
        writeSync(file, bytes);
        fsyncSync(file);
        closeSync(file);
      };
      const add = () => journal.append({ deletes: [], upserts }, ignored);
      const ms = await inTurn(batch > 1000 ? 5 : rounds, { bare: () => timed(bare), add: () => timed(add) });
      report(`vectord.add_${batch}`, { ...ms, ratio: ms.add / ms.bare });
    }
    const together = await timed(() =>
      Promise.all(
        Array.from({ length: 256 }, (_, at) =>
          journal.append({ deletes: [], upserts: piece(at, at + 1) }, ignored),
        ),
      ),
    );
    report("vectord.256_adds_at_once", { ms: together });

    const before = process.memoryUsage.rss();
    let most = before;
    function* pieces() {
      for (let from = 0; from < rows; from += pieceRows) {
        most = Math.max(most, process.memoryUsage.rss());
        yield piece(from, Math.min(rows, from + pieceRows));
      }
    }
    const saved = await timed(() =>
      journal.checkpoint({ count: rows, pieces: pieces() }, journal.position()),
    );
    const bytes = journal.storedBytes();
    report("vectord.checkpoint", {
      ms: saved,
      megabytes: bytes / 1e6,
      resident_growth_mb: (most - before) / 1e6,
    });
    await journal.close();

    let found = 0;
    const recovered = await timed(async () => {
      const opened = await (await stack.again()).open("a");
      found = (await readAll(opened.recovered)).rows.reduce((sum, { ids }) => sum + ids.length, 0);
    });
    report("vectord.recovery", { ms: recovered, rows: found });
    expect(found).toBe(rows);
  } finally {
    await stack.stop();
    remove();
  }
});
