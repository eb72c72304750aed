/** Statements of a megabyte: what is done with them beside DuckDB costs in proportion to their length. */
import { expect, test } from "bun:test";
import { withoutShowAll } from "../../../../workers/queryd/sandbox/rewritten-names.ts";
import { checkTree } from "../../../../workers/queryd/sandbox/syntax-tree.ts";
import { matchParameters, parametersOf } from "../../../../workers/queryd/statements/parameters.ts";
import { readStatement } from "../../../../workers/queryd/statements/statement.ts";
import { processorMs } from "../../../support/product/processor-time.ts";

const numbered = (count: number): string[] => Array.from({ length: count }, (_, at) => `${at + 1}`);

/** The tree of a WITH that names so many, each of which has a WITH of its own. */
const ofCtes = (count: number) => {
  const select = { type: "SELECT_NODE", cte_map: { map: [] } };
  const map = numbered(count).map((name) => ({ key: `c${name}`, value: { query: { node: select } } }));
  return { ...select, cte_map: { map } };
};

const works: [what: string, count: number, work: (count: number) => () => unknown][] = [
  [
    "semicolons",
    25_000,
    (count) => {
      const sql = `SELECT 1${";".repeat(count)}`;
      return () => readStatement(sql);
    },
  ],
  [
    "SHOW ALL TABLES",
    4000,
    (count) => {
      const sql = Array(count).fill("FROM (SHOW ALL TABLES)").join(" UNION ALL ");
      return () => withoutShowAll(sql, count);
    },
  ],
  [
    "names of WITH",
    4000,
    (count) => {
      const tree = ofCtes(count);
      return () => checkTree(tree);
    },
  ],
  [
    "named parameters",
    3000,
    (count) => {
      const names = numbered(count).map((name) => `p${name}`);
      const given = Object.fromEntries([...names].reverse().map((name) => [name, 1]));
      return () => matchParameters(names, given);
    },
  ],
];

test.each(works)("%s: eight times as many cost about eight times as much", async (_, count, work) => {
  const [few, many] = [work(count), work(8 * count)];
  const least = async (tracked: () => unknown): Promise<number> => {
    const costs: number[] = [];
    for (let round = 0; round < 3; round++) costs.push(await processorMs(tracked));
    return Math.min(...costs);
  };
  few();
  // Ten milliseconds are as little as can be told; what costs the square takes 64 times as long.
  expect(await least(many)).toBeLessThan(24 * Math.max(10, await least(few)));
});

test("100,000 numbers of parameters with a gap are refused, not too many for a call", () => {
  const names = numbered(200_000).filter((name) => name !== "7");
  expect(() => parametersOf(names, [])).toThrow("the statement uses $200000 and not $7");
});

test("semicolons and comments at the end, in their places", () => {
  expect(readStatement("SELECT 1 ; /* ; */ ; -- ;\n;").body).toBe("SELECT 1   /* ; */   -- ;\n ");
});
