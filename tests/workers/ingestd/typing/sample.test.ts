/** What is found by a quicker way is what the slow way finds: types by few rows first, forms without being written. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { quoteText } from "../../../../runtime/sql/sql.ts";
import type { Session } from "../../../../workers/ingestd/engine/session.ts";
import {
  allNarrow,
  chooseType,
  type Evidence,
  evidence,
} from "../../../../workers/ingestd/inference/inference.ts";
import { exactly, holds } from "../../../../workers/ingestd/inference/notation.ts";
import type { Table } from "../../../../workers/ingestd/tables/format.ts";
import { anyKind, kinds } from "../../../../workers/ingestd/typing/nearly-typed.ts";
import { inferFromSample } from "../../../../workers/ingestd/typing/typing.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { enginesIn } from "../../../support/stacks/ingest-engines.ts";

const { path, remove } = temporaryDirectory("sample");
const engines = enginesIn(path, { threads: 1 });
let session: Session;
beforeAll(async () => {
  session = await engines.open(new AbortController().signal);
});
afterAll(async () => {
  session.close();
  await engines.stop();
  remove();
});

const valuesOf = (texts: readonly (string | null)[]) =>
  texts.map((text) => `(${text === null ? "NULL::VARCHAR" : quoteText(text)})`).join(", ");

test("types by a few rows first are those that all rows of the sample show", async () => {
  const random = seeded(7);
  const below = (limit: number) => Math.floor(random() * limit);
  const written: ((row: number) => string | null)[] = [
    () => String(below(1000)),
    () => `${below(100)}.${below(10)}${below(10)}`,
    () => String(below(100_000) / 1000),
    () => String(random()),
    () => (below(2) === 0 ? "true" : "false"),
    () => `2024-01-0${1 + below(9)}`,
    () => `2024-01-0${1 + below(9)} 00:00:0${below(10)}`,
    () => `2024-01-0${1 + below(9)}T00:00:00Z`,
    () => `2024-01-0${1 + below(9)}T00:00:00+05:00`,
    () => "some words",
    () => null,
  ];
  const rows = 300;
  for (let round = 0; round < 40; round++) {
    // What comes late changes the type, or not: the point of looking at more rows.
    const columns = Array.from({ length: 4 }, () => {
      const [early, late] = [written[below(written.length)], written[below(written.length)]];
      const change = [rows, 40, 63, 64, 65, 299][below(6)] as number;
      return Array.from({ length: rows }, (_, row) => (row < change ? early : late)?.(row) ?? null);
    });
    const cells = columns.map((_, index) => `c${index}`);
    const lines = Array.from({ length: rows }, (_, row) =>
      columns.map((column) => (column[row] == null ? "NULL::VARCHAR" : quoteText(column[row]))).join(", "),
    );
    await session.run(
      `CREATE OR REPLACE TEMP TABLE sampled AS FROM (VALUES ${lines.map((line) => `(${line})`).join(", ")}) AS t(${cells.join(", ")})`,
    );
    const table = {
      sample: "sampled",
      rowsIn: rows,
      columns: cells.map((cell) => ({
        name: cell,
        cell,
        among: allNarrow,
        type: "VARCHAR",
        notation: exactly,
      })),
    } as unknown as Table;
    const slow = await Promise.all(
      cells.map(async (cell) => {
        const [row] = await session.run(
          `SELECT ${evidence(cell, allNarrow)} AS found FROM sampled WHERE ${cell} IS NOT NULL`,
        );
        return chooseType(row?.found as Evidence, allNarrow);
      }),
    );
    expect(await inferFromSample(session, table)).toEqual(slow);
  }
});

test("a decimal's shortest form is the one without zeros behind the point", async () => {
  const random = seeded(3);
  const texts = [
    ...[
      "0",
      "-0",
      "0.0",
      "-0.0",
      "5",
      "5.",
      "5.0",
      "05",
      "+5",
      ".5",
      "0.5",
      "0.50",
      "10",
      "100",
      "-10",
      "1e3",
    ],
    ...[
      " 5",
      "5 ",
      "",
      "-",
      ".",
      "-.5",
      "1_0",
      "0.1234",
      "0.12345",
      "99999999999999.999",
      "123456789012345.6",
      "nan",
    ],
    ...Array.from({ length: 3000 }, () => (random() - 0.5).toFixed(Math.floor(random() * 7))),
    ...Array.from({ length: 3000 }, () => String(Math.round((random() - 0.5) * 1e6) / 1000)),
  ];
  for (const type of ["DECIMAL(18,3)", "DECIMAL(38,20)"]) {
    const full = `CAST(TRY_CAST(v AS ${type}) AS VARCHAR)`;
    const few = type.startsWith("DECIMAL(38") ? "(strlen(v) <= 18 OR contains(v, '.'))" : "true";
    const differ = await session.run(
      `SELECT v FROM (VALUES ${valuesOf(texts)}) AS t(v)
      WHERE (${holds("v", `${type} shortest`)}) <> (coalesce(v = rtrim(rtrim(${full}, '0'), '.'), false) AND ${few})`,
    );
    expect(differ).toEqual([]);
  }
});

test("what is of a kind looks like one of a kind", async () => {
  const plain = [
    ...[
      "1",
      "-1",
      "+1",
      "1.5",
      ".5",
      "5.",
      "1e5",
      "1E-5",
      "-1.5e+10",
      "0",
      "0.0",
      "00",
      "1,234",
      "1 234.5",
      "1'234'567",
    ],
    ...[
      "true",
      "FALSE",
      "True",
      "t",
      "2024-01-31",
      "2024-01-31 10:00",
      "2024-01-31T10:00:00.5Z",
      "2024-01-31 10:00:00+01",
    ],
    ...[
      "31/01/2024",
      "1/31/2024",
      "31.1.2024",
      "31-01-2024",
      "2024/01/31",
      "01-31-2024",
      "99999-01-01",
      "x",
      "",
      "n/a",
    ],
  ];
  const texts = plain.flatMap((text) => [
    text,
    ` ${text}`,
    `${text}\t`,
    `\u00a0${text} `,
    `-${text}`,
    `${text}0`,
  ]);
  for (const kind of kinds) {
    const missed = await session.run(
      `SELECT v FROM (VALUES ${valuesOf(texts)}) AS t(v) WHERE ${kind.holds("v")} AND NOT regexp_full_match(v, ${quoteText(anyKind)})`,
    );
    expect([kind.name, missed]).toEqual([kind.name, []]);
  }
});
