/** What marks cost a line log: the same appends with marks on the disk and with marks that are only remembered. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openLineLog } from "../../../runtime/line-log/line-log.ts";
import type { MarkKeeping } from "../../../runtime/line-log/mark.ts";
import type { Mark } from "../../../runtime/marks/marks.ts";
import { inTurn, latencies, quantile, report, throughput } from "../../support/campaigns/measure.ts";
import { keptIn } from "../../support/durability/marked.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("bench-line-log");
afterAll(home.remove);

function remembered(): MarkKeeping {
  const marks = new Map<string, Mark>();
  const forgets = async () => {};
  return {
    adopted: () => false,
    marks: {
      get: (name) => marks.get(name),
      set: (name, mark) => void marks.set(name, mark),
      remove: (name) => void marks.delete(name),
      entries: () => marks.entries(),
      settle: forgets,
      problems: () => [],
      close: forgets,
    },
  };
}

test("appends a second and the median of one, with marks and without", async () => {
  const open = async (name: string, kept?: MarkKeeping) => {
    const directory = join(home.path, name, "service");
    mkdirSync(directory, { recursive: true });
    return openLineLog<object>({
      path: join(directory, "bench.log"),
      format: "lakehouse.bench",
      version: 1,
      kept: kept ?? (await keptIn(directory)),
      replay: () => {},
    });
  };
  const [marked, unmarked] = [await open("marked"), await open("unmarked", remembered())];
  const record = { uid: "5f0c3a52", content: "x".repeat(300), tags: ["bench"] };
  for (const [concurrency, calls] of [
    [1, 500],
    [16, 4000],
    [128, 20_000],
  ] as const) {
    const rates = await inTurn(7, {
      marked: () => throughput(calls, concurrency, () => marked.append(record)),
      unmarked: () => throughput(calls, concurrency, () => unmarked.append(record)),
    });
    report(`line-log.appends_${concurrency}_at_once`, {
      marked_per_s: rates.marked,
      unmarked_per_s: rates.unmarked,
      ratio: rates.marked / rates.unmarked,
    });
    expect(rates.marked).toBeGreaterThan(0);
  }
  const medianOf = async (log: typeof marked) =>
    quantile(await latencies(500, () => log.append(record)), 0.5);
  const p50 = await inTurn(7, { marked: () => medianOf(marked), unmarked: () => medianOf(unmarked) });
  report("line-log.append_p50", {
    marked_ms: p50.marked,
    unmarked_ms: p50.unmarked,
    ratio: p50.marked / p50.unmarked,
  });
  await Promise.all([marked.close(), unmarked.close()]);
});
