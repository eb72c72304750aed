/**
 * Random CSV files, read in both of ingestd's ways, must give cell by cell what a strict RFC 4180 reader gives that
 * shares nothing with them. LAKEHOUSE_FUZZ_SEED and LAKEHOUSE_FUZZ_COUNT lengthen the campaign.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRow } from "../../../../workers/ingestd/csv/row-reader.ts";
import { isBlank, marksOf, problemOf, textOf } from "../../../../workers/ingestd/csv/rows.ts";
import { createCsvScan } from "../../../../workers/ingestd/csv/scan.ts";
import type { Engines } from "../../../../workers/ingestd/engine/engine.ts";
import type { Session } from "../../../../workers/ingestd/engine/session.ts";
import { createPartWriter } from "../../../../workers/ingestd/tables/parts.ts";
import { createScratch } from "../../../../workers/ingestd/tables/scratch.ts";
import { readText } from "../../../../workers/ingestd/tables/text-table.ts";
import { type MadeCsv, makeCsv } from "../../../support/campaigns/csv-maker.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { rfc4180 } from "../../../support/clients/rfc4180.ts";
import { enginesIn } from "../../../support/stacks/ingest-engines.ts";

const seed = Number(process.env.LAKEHOUSE_FUZZ_SEED ?? 1);
const count = Number(process.env.LAKEHOUSE_FUZZ_COUNT ?? 600);

type Cells = (string | null)[][];

let directory: string;
let engines: Engines;
let session: Session;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "lakehouse-fuzz-"));
  engines = enginesIn(directory, { memoryBytes: 1e9 });
  session = await engines.open(new AbortController().signal);
});
afterAll(async () => {
  session.close();
  await engines.stop();
  rmSync(directory, { recursive: true });
});

/** What the RFC gives, or null when the file breaks it. */
function reference({ text, delimiter, quote, width }: MadeCsv): Cells | null {
  try {
    const rows = rfc4180(text, { delimiter, quote, skipBlank: width > 1 });
    return rows.every((row) => row.length === width) ? rows : null;
  } catch {
    return null;
  }
}

/** What the exact reader gives, or null when a row has a problem. */
function exactly({ text, delimiter, quote, width }: MadeCsv): Cells | null {
  const buffer = Buffer.from(text);
  const marks = marksOf({ delimiter, quote });
  const cells: Cells = [];
  for (let at = 0; at < buffer.length; ) {
    const row = parseRow(buffer, at, true, marks);
    if (row === undefined) throw new Error("the last row must be whole");
    at = row.next;
    if (width > 1 && isBlank(row)) continue;
    if (problemOf(buffer, row, width)) return null;
    cells.push(row.fields.map((field) => textOf(buffer, field, { delimiter, quote, nulls: [] })));
  }
  return cells;
}

/** What DuckDB gives when the scan says that the file is clean; undefined when it does not, or DuckDB gives up. */
async function byDuckDB({ text, delimiter, quote, width }: MadeCsv, name: string, random: () => number) {
  const scratch = createScratch(join(directory, name));
  await scratch.enter();
  const scan = createCsvScan(marksOf({ delimiter, quote }), width);
  const writer = createPartWriter(scratch, "rows");
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    const chunk = bytes.subarray(at, at + 1 + Math.floor(random() * 20));
    await writer.write(
      chunk,
      scan.push(chunk).map((cut) => cut.at),
    );
    at += chunk.length;
  }
  const parts = await writer.end();
  const { clean, rows, blankLines, longestRowBytes, lineEnd } = scan.end();
  try {
    if (!clean) return { clean };
    const sql = readText({
      parts,
      dialect: { delimiter, quote, nulls: [] },
      width,
      longestRowBytes,
      lineEnd,
    });
    const cells = (await session.run(`FROM ${sql}`)).map((row) => Object.values(row)) as Cells;
    return { clean, counted: rows + (width === 1 ? blankLines : 0), cells };
  } finally {
    await scratch.leave();
  }
}

describe("random CSV files", () => {
  test(`read as RFC 4180 says, in both ways (seed ${seed}, ${count} files)`, async () => {
    const random = seeded(seed);
    let clean = 0;
    let held = 0;
    for (let index = 0; index < count; index++) {
      const made = makeCsv(random, index % 10 === 0 ? 60 : 8);
      const expected = reference(made);
      const about = JSON.stringify(made);
      expect(JSON.stringify(exactly(made)), about).toBe(JSON.stringify(expected));
      const fast = await byDuckDB(made, `f${index}`, random);
      if (!fast.clean) continue;
      clean += 1;
      // A file that breaks the RFC must never be taken for a clean one.
      expect(expected, about).not.toBeNull();
      expect(fast.counted, about).toBe(expected?.length ?? -1);
      // Another number of rows sends the file to the exact reader; equal numbers must mean equal cells.
      if (fast.cells?.length !== fast.counted) continue;
      held += 1;
      expect(JSON.stringify(fast.cells), about).toBe(JSON.stringify(expected));
    }
    // The fast way must not be an exception, or it is not tested.
    expect(clean).toBeGreaterThan(count / 3);
    expect(held).toBeGreaterThan(clean * 0.95);
  });

  test("the exact reader says the same however the file is cut into buffers", () => {
    const random = seeded(seed + 1);
    for (let index = 0; index < 300; index++) {
      const { text, delimiter, quote } = makeCsv(random, 10);
      const buffer = Buffer.from(text);
      const marks = marksOf({ delimiter, quote });
      const cut = Math.floor(random() * buffer.length);
      for (let at = 0; at < cut; ) {
        const part = parseRow(buffer.subarray(0, cut), at, false, marks);
        if (part === undefined) break;
        expect(JSON.stringify(part)).toBe(JSON.stringify(parseRow(buffer, at, true, marks)));
        at = part.next;
      }
    }
  });
});
