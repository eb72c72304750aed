/**
 * The end marker against plans of every kind: it comes last, and never when the query has failed. A campaign sets
 * LAKEHOUSE_MARKER_ROUNDS (and LAKEHOUSE_SEED) and runs every shape so often; the suite runs a few of them once.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { type Engine, openEngine } from "../../../../workers/queryd/engine/duckdb.ts";
import { markedStatement } from "../../../../workers/queryd/statements/statement.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const rounds = Number(Bun.env.LAKEHOUSE_MARKER_ROUNDS ?? 0);
const seed = Number(Bun.env.LAKEHOUSE_SEED ?? 1);
/** Shapes of the short run. */
const shortRun = 8;
const rows = rounds > 0 ? 1_000_000 : 150_000;

type Shape = (bad: (expression: string) => string) => string;

const shapes: Record<string, Shape> = {
  scan: (bad) => `SELECT ${bad("id")} AS x, name FROM p`,
  filter: (bad) => `SELECT ${bad("id")} AS x FROM p WHERE k % 3 = 1`,
  "group by": (bad) => `SELECT ${bad("id")} AS x, count(*) AS n FROM p GROUP BY id`,
  "order by": (bad) => `SELECT ${bad("id")} AS x, name FROM p ORDER BY name`,
  join: (bad) => `SELECT ${bad("a.id")} AS x, b.name FROM p a JOIN p b USING (id)`,
  "left join": (bad) =>
    `SELECT ${bad("a.id")} AS x, b.name FROM p a LEFT JOIN (FROM p WHERE id % 2 = 0) b USING (id)`,
  "full join": (bad) =>
    `SELECT ${bad("coalesce(a.id, b.id)")} AS x FROM (FROM p WHERE id % 2 = 0) a FULL JOIN (FROM p WHERE id % 3 = 0) b USING (id)`,
  "right join": (bad) =>
    `SELECT ${bad("b.id")} AS x FROM (FROM p WHERE id % 2 = 0) a RIGHT JOIN p b USING (id)`,
  "semi join": (bad) => `SELECT ${bad("id")} AS x FROM p WHERE id IN (SELECT id FROM p WHERE id % 2 = 0)`,
  "anti join": (bad) => `SELECT ${bad("id")} AS x FROM p WHERE id NOT IN (SELECT id FROM p WHERE id % 2 = 0)`,
  "range join": (bad) =>
    `SELECT ${bad("a.id")} AS x FROM p a JOIN range(1, 4) b(v) ON a.id % 5 < b.v AND a.id % 7 > b.v`,
  "asof join": (bad) => `SELECT ${bad("a.id")} AS x FROM p a ASOF JOIN p b ON a.id >= b.id`,
  "positional join": (bad) => `SELECT ${bad("a.id")} AS x FROM p a POSITIONAL JOIN p b`,
  "cross join": (bad) => `SELECT ${bad("a.id")} AS x FROM p a, range(2) b`,
  window: (bad) => `SELECT ${bad("id")} AS x, row_number() OVER (PARTITION BY k ORDER BY id) AS r FROM p`,
  distinct: (bad) => `SELECT DISTINCT ${bad("id")} AS x FROM p`,
  "union all, first": (bad) => `SELECT ${bad("id")} AS x FROM p UNION ALL SELECT id FROM p`,
  "union all, second": (bad) => `SELECT id AS x FROM p UNION ALL SELECT ${bad("id")} FROM p`,
  union: (bad) => `SELECT id AS x FROM p UNION SELECT ${bad("id + 7")} FROM p`,
  except: (bad) =>
    `SELECT ${bad("x")} AS y FROM (SELECT id AS x FROM p EXCEPT SELECT id FROM p WHERE id % 2 = 0)`,
  unnest: (bad) => `SELECT ${bad("x")} AS x FROM (SELECT unnest([id, id + 1]) AS x FROM p)`,
  range: (bad) => `SELECT ${bad("i")} AS x FROM range(${rows}) t(i)`,
  limit: (bad) => `SELECT ${bad("id")} AS x FROM p LIMIT ${Math.floor(rows * 0.8)} OFFSET 100`,
  "top n": (bad) => `SELECT ${bad("id")} AS x FROM (FROM p ORDER BY name LIMIT ${Math.floor(rows / 5)})`,
  recursive: (bad) =>
    `WITH RECURSIVE t(n) AS (SELECT id FROM p WHERE id < ${rows / 10} UNION ALL SELECT n + ${rows / 10} FROM t WHERE n < ${rows * 0.8}) SELECT ${bad("n")} AS x FROM t`,
  materialized: (bad) =>
    `WITH q AS MATERIALIZED (FROM p) SELECT ${bad("a.id")} AS x FROM q a JOIN q b USING (id)`,
  pivot: (bad) => `SELECT ${bad("id")} AS x FROM (PIVOT p ON k % 2 IN (0, 1) USING count(*) GROUP BY id)`,
  lateral: (bad) => `SELECT ${bad("a.id")} AS x, z FROM p a, LATERAL (SELECT a.id + 1 AS z)`,
  correlated: (bad) =>
    `SELECT ${bad("a.id")} AS x, (SELECT max(b.id) FROM p b WHERE b.k = a.k) AS m FROM p a`,
  exists: (bad) =>
    `SELECT ${bad("a.id")} AS x FROM p a WHERE EXISTS (SELECT 1 FROM p b WHERE b.id = a.id AND b.k < 900)`,
  rollup: (bad) => `SELECT ${bad("coalesce(id, 0)")} AS x, count(*) AS n FROM p GROUP BY ROLLUP (id)`,
};

let engine: Engine;
const directory = temporaryDirectory("marker");
beforeAll(async () => {
  const { path } = directory;
  engine = await openEngine({
    clock: systemClock,
    threads: 4,
    memoryLimit: "2GB",
    tempDirectory: `${path}/temporary`,
    maxTempBytes: 1 << 30,
    readable: [`${path}/`],
  });
  const session = await engine.session(new AbortController().signal);
  for (const statement of [
    `COPY (SELECT range AS id, range % 1000 AS k, 'n' || range AS name FROM range(${rows})) TO '${path}/p.parquet' (ROW_GROUP_SIZE 20_000)`,
    `CREATE VIEW p AS FROM '${path}/p.parquet'`,
  ])
    await session.execute(statement);
  await session.release();
});
afterAll(() => directory.remove());

/** Rows of a result that said it was whole; undefined when it failed. */
async function wholeRows(sql: string, signal = new AbortController().signal): Promise<number | undefined> {
  const session = await engine.session(signal);
  try {
    const cursor = await session.open(markedStatement(sql, [], { mark: "the_end" }).sql, () => []);
    let count = 0;
    for (let batch = await cursor.next(); batch; batch = await cursor.next()) count += batch.rows;
    return count;
  } catch {
    return undefined;
  } finally {
    await session.release();
  }
}

async function countOf(sql: string): Promise<number> {
  const session = await engine.session(new AbortController().signal);
  const [[count] = []] = await session.rows(`SELECT count(*) FROM (${sql})`);
  await session.release();
  return Number(count);
}

const next = seeded(seed);
const random = (below: number): number => Math.floor(next() * below);

const names = Object.keys(shapes);
const chosen =
  rounds > 0 ? names : names.filter((_, at) => (at + seed) % Math.ceil(names.length / shortRun) === 0);

for (const name of chosen)
  test(`${name}: whole means whole`, async () => {
    const shape = shapes[name] as Shape;
    const whole = shape((expression) => expression);
    const want = await countOf(whole);
    expect(await wholeRows(whole)).toBe(want);
    for (let round = 0; round < Math.max(1, rounds); round++) {
      const at = random(rows);
      const failing = shape((x) => `if(hash(${x}) % ${rows} = ${at}, error('boom'), ${x})`);
      const got = await wholeRows(failing);
      if (got !== undefined) expect([at, got]).toEqual([at, want]);
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), random(60));
      const interrupted = await wholeRows(whole, controller.signal);
      clearTimeout(timer);
      if (interrupted !== undefined) expect(interrupted).toBe(want);
    }
  });
