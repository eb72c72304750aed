/** DuckDB on all cores and on one each: who waits, what stops, and how runs become files beside each other. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { fail } from "../../../../runtime/errors/errors.ts";
import type { Engines } from "../../../../workers/ingestd/engine/engine.ts";
import { load } from "../../../../workers/ingestd/loading/load.ts";
import type { NewTarget } from "../../../../workers/ingestd/loading/run.ts";
import { createWriters, type Writers } from "../../../../workers/ingestd/loading/writers.ts";
import type { Table } from "../../../../workers/ingestd/tables/format.ts";
import { createRejects } from "../../../../workers/ingestd/tables/rejects.ts";
import { createScratch } from "../../../../workers/ingestd/tables/scratch.ts";
import { textColumn } from "../../../../workers/ingestd/tables/text-columns.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { enginesIn } from "../../../support/stacks/ingest-engines.ts";

let home: ReturnType<typeof temporaryDirectory>;
let engines: Engines;
const { signal } = new AbortController();
beforeEach(async () => {
  home = temporaryDirectory("engine");
  engines = enginesIn(home.path);
});
afterEach(async () => {
  await engines.stop();
  home.remove();
});

/** Far more than a test waits for, and interrupted at once. */
const endless = "SELECT count(*) FROM range(1_000_000_000_000) a, range(1_000_000) b";
const told = (work: Promise<unknown>) => work.then(String, (error: Error) => error.message);

describe("sessions of one core", () => {
  test("are as many as cores; the next waits for one to be closed", async () => {
    const first = await engines.openAlone(signal);
    const second = await engines.openAlone(signal);
    let came = false;
    const third = engines.openAlone(signal).then((session) => {
      came = true;
      return session;
    });
    expect(await first.run("SELECT current_setting('threads')::INTEGER AS n")).toEqual([{ n: 1 }]);
    expect(came).toBe(false);
    first.close();
    (await third).close();
    second.close();
  });

  test("one that gives up while it waits takes no turn", async () => {
    const sessions = [await engines.openAlone(signal), await engines.openAlone(signal)];
    const giving = new AbortController();
    const waiting = told(engines.openAlone(giving.signal));
    giving.abort(new Error("gone"));
    expect(await waiting).toBe("gone");
    for (const session of sessions) session.close();
    for (const session of [await engines.openAlone(signal), await engines.openAlone(signal)]) session.close();
  });

  test("stopping interrupts what runs and refuses what waits", async () => {
    const sessions = [await engines.openAlone(signal), await engines.openAlone(signal)];
    const running = sessions.map((session) => told(session.run(endless)));
    const waiting = told(engines.openAlone(signal));
    await engines.stop();
    const stopped = "the service is stopping";
    expect(await Promise.all([...running, waiting])).toEqual([stopped, stopped, stopped]);
    engines = enginesIn(home.path);
  });

  test("with too little memory to share all cores are taken", async () => {
    const small = enginesIn(home.path, { memoryBytes: 4e8 });
    const session = await small.openAlone(signal);
    expect(await session.run("SELECT current_setting('threads')::INTEGER AS n")).toEqual([{ n: 2 }]);
    session.close();
    await small.stop();
  });
});

describe("runs of a file", () => {
  const paths: string[] = [];
  const newTarget: NewTarget = async () => {
    const path = join(home.path, `${paths.length}.parquet`);
    paths.push(path);
    return {
      path,
      seal: async () => "",
      commit: () => Promise.reject(new Error("not asked for")),
      compressionLevel: 1,
      rowGroupRows: 122_880,
    };
  };
  /** Ten thousand numbers a run, but for the last value of the first. */
  const tableOf = (values: readonly string[]): Table => {
    const relations = values.map(
      (value, run) =>
        `(SELECT CASE WHEN i = 9999 THEN '${value}' ELSE (i + ${run} * 10_000)::VARCHAR END AS c0 FROM range(10_000) t(i))`,
    );
    const place = { ...createScratch(join(home.path, "work")), signal };
    return {
      relation: `(${relations.map((relation) => `FROM ${relation}`).join(" UNION ALL ")})`,
      sample: relations[0] ?? "",
      columns: [textColumn("n", "c0", { nulls: [], types: new Map() })],
      rowsIn: values.length * 10_000,
      rejects: createRejects(place, "rejects", { allowed: false, max: 0 }),
      runs: relations.map((relation) => ({ relation, rows: 10_000, rowBytes: 8, partRows: 2048 })),
      speculative: false,
      mayLack: false,
      warnings: [],
    };
  };
  const loaded = async (values: readonly string[], writers: Writers) => {
    const session = await engines.open(signal);
    const stored = { tables: [async () => tableOf(values)] };
    const options = {
      registered: undefined,
      newTarget,
      writers,
      speculative: undefined,
      phase: () => {},
      onRetry: () => {},
    };
    try {
      return await load(session, stored, options);
    } finally {
      session.close();
    }
  };
  const typesOf = ({ pieces }: Awaited<ReturnType<typeof load>>) =>
    pieces.map(({ rows, columns }) => [rows, columns[0]?.type]);

  test("become a file each", async () => {
    const writers = createWriters({ engines, signal, newTarget });
    expect(typesOf(await loaded(["1", "2", "3"], writers))).toEqual(Array(3).fill([10_000, "BIGINT"]));
  });

  test("that one core has too little memory for are written on all", async () => {
    let begun = 0;
    const exhausted: Writers = {
      begin: () => {
        begun += 1;
        return Promise.reject(fail("resource_exhausted", "the file needs more memory"));
      },
      after: (work) => work(),
      cancel: async () => {},
    };
    expect(typesOf(await loaded(["1", "2", "3"], exhausted))).toEqual(Array(3).fill([10_000, "BIGINT"]));
    expect(begun).toBe(2);
  });

  test("and so is the last one, where the file ended with a run that was written early", async () => {
    const session = await engines.open(signal);
    const speculative = {
      write: () => {},
      types: async () => ["BIGINT"],
      piece: () => Promise.reject(fail("resource_exhausted", "the file needs more memory")),
    };
    const stored = { tables: [async () => ({ ...tableOf(["1", "2"]), speculative: true })] };
    const writers = createWriters({ engines, signal, newTarget });
    const options = {
      registered: undefined,
      newTarget,
      writers,
      speculative,
      phase: () => {},
      onRetry: () => {},
    };
    expect(typesOf(await load(session, stored, options))).toEqual(Array(2).fill([10_000, "BIGINT"]));
    session.close();
  });

  test("are all written again when a value of one does not hold, whichever it is in", async () => {
    for (const at of [0, 1, 2]) {
      const values = ["1", "2", "3"].with(at, "a word");
      const writers = createWriters({ engines, signal, newTarget });
      expect(typesOf(await loaded(values, writers))).toEqual(Array(3).fill([10_000, "VARCHAR"]));
    }
  });

  test("one that fails ends those beside it with its reason, and none is left under way", async () => {
    const writers = createWriters({ engines, signal, newTarget });
    const plan = {
      columns: [
        { name: "n", column: textColumn("n", "c0", { nulls: [], types: new Map() }), type: "BIGINT" },
      ],
    };
    const run = (relation: string) => ({ relation, rows: 1, rowBytes: 8, partRows: 2048 });
    const long = told(
      writers.begin(run("(SELECT i::VARCHAR AS c0 FROM range(1_000_000_000_000) t(i))"), plan),
    );
    const wrong = told(writers.begin(run("(SELECT 'a word' AS c0)"), plan));
    const reason = "Invalid Input Error: lakehouse:0";
    expect(await Promise.all([long, wrong])).toEqual([reason, reason]);
    await writers.cancel();
    for (const session of [await engines.openAlone(signal), await engines.openAlone(signal)]) session.close();
  });

  test("the last waits until the others leave a core free, and ends with them when they are given up", async () => {
    const writers = createWriters({ engines, signal, newTarget });
    const busy = [await engines.openAlone(signal), await engines.openAlone(signal)];
    const order: string[] = [];
    const last = writers.after(async () => order.push("last"));
    await Bun.sleep(5);
    order.push("free");
    busy.pop()?.close();
    await last;
    expect(order).toEqual(["free", "last"]);
    const other = await engines.openAlone(signal);
    const never = told(writers.after(async () => order.push("never")));
    await writers.cancel();
    expect(await never).toContain("aborted");
    for (const session of [...busy, other]) session.close();
    expect(order).toEqual(["free", "last"]);
  });

  test("what is given up is interrupted, and others can be begun after it", async () => {
    const writers = createWriters({ engines, signal, newTarget });
    const table = tableOf(["1"]);
    const plan = { columns: [{ name: "n", column: table.columns[0], type: "BIGINT" }] };
    const long = told(
      writers.begin(
        {
          relation: "(SELECT i::VARCHAR AS c0 FROM range(1_000_000_000_000) t(i))",
          rows: 1,
          rowBytes: 8,
          partRows: 2048,
        },
        plan,
      ),
    );
    await Bun.sleep(20);
    await writers.cancel();
    expect(await long).toContain("aborted");
    expect((await writers.begin(table.runs[0] as Table["runs"][number], plan)).rows).toBe(10_000);
  });
});
