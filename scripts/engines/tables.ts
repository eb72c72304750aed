/** Datasets that engines are tried on: one that grew, one with a column of each type, one whose file has no field ids. */
import { type Answer, expectStatus, ingest, type Lake, lakeAt } from "../smoke-product/smoke-product.ts";

export interface Expected {
  /** Their names, in order. */
  tables: string[];
  /** Of the one that grew: rows, and the sum of their ids. */
  rows: [number, number];
  /** Rows with an id from 2100 on. */
  filtered: number;
  /** Files that a plan for them reads. */
  planned: number;
  /** Rows at each of its versions. */
  travel: number[];
  /** The row with a column of each type, as text. */
  types: string[];
  /** Texts of the file without ids, in order. */
  without_ids: string[];
  /** Rows of the one whose columns were renamed, added and moved between its two files. */
  evolved: string[];
}

const typed: readonly [expression: string, name: string, text: string][] = [
  ["true", "flag", "true"],
  ["(-5)::TINYINT", "tiny", "-5"],
  ["40000::USMALLINT", "usmall", "40000"],
  ["2000000000::INTEGER", "whole", "2000000000"],
  ["4000000000::UINTEGER", "uint", "4000000000"],
  ["9007199254740993::BIGINT", "big", "9007199254740993"],
  ["1.5::FLOAT", "f", "1.5"],
  ["-2.25::DOUBLE", "d", "-2.25"],
  ["-5.05::DECIMAL(10,2)", "money", "-5.05"],
  ["12345678901234567890123456789::DECIMAL(38,0)", "wide", "12345678901234567890123456789"],
  ["'né'", "text", "né"],
  ["DATE '1969-12-31'", "day", "1969-12-31"],
  ["TIMESTAMP '2024-01-01 10:00:00.5'", "at", "2024-01-01 10:00:00.500000"],
  ["[1.5, 2.5]::FLOAT[]", "vector", "[1.5, 2.5]"],
  ["{'x': 1, 'y': 'z'}", "parts", "1 z"],
];

/** The id from which on rows are looked for. */
const from = 2100;

interface Listed {
  corrupt?: string[];
  next_page_token?: string;
}

const csv = (first: number, last: number): string => {
  const rows = Array.from({ length: last - first }, (_, at) => `${first + at},worker ${first + at}`);
  return `id,name\n${rows.join("\n")}\n`;
};

/** Makes them, under names that are not in use: each ends with `suffix`. */
export async function makeTables({
  gateway,
  token,
}: {
  gateway: string;
  token: string | undefined;
}): Promise<{
  suffix: string;
  expected: Expected;
  /** Keys of objects that somebody else put among ours. */
  corrupt: () => Promise<string[]>;
}> {
  const lake = lakeAt(gateway, token);
  const suffix = crypto.randomUUID().replaceAll("-", "").slice(0, 8);
  const parts: [number, number][] = [
    [0, 1000],
    [1000, 1500],
    [2000, 2300],
  ];
  for (const [at, [first, last]] of parts.entries())
    await sent(
      ingest(lake, `name=grown_${suffix}&mode=${at === 0 ? "replace" : "append"}`, csv(first, last)),
    );

  const columns = typed.map(([expression, name]) => `${expression} AS "${name}"`).join(", ");
  await sent(ingest(lake, `name=types_${suffix}`, await parquet(`SELECT ${columns}`)));

  await makeEvolved(lake, suffix);

  // What a result comes as has no field ids.
  const bytes = await parquet("SELECT * FROM (VALUES (1, 'one'), (2, 'two')) t(number, word)");
  const key = `datasets/bare_${suffix}/1.parquet`;
  const stored = (await sent(lake.send(`/v1/storage/put/${key}`, { method: "PUT", body: bytes }))) as {
    bytes: number;
    etag: string;
  };
  await sent(
    lake.send("/v1/catalog/register", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        name: `bare_${suffix}`,
        columns: [
          { name: "word", type: "VARCHAR", nullable: true },
          { name: "number", type: "INTEGER", nullable: true },
        ],
        objects: [{ key, bytes: stored.bytes, etag: stored.etag, row_count: 2, statistics: [] }],
      }),
    }),
  );
  const ids = parts.flatMap(([first, last]) => Array.from({ length: last - first }, (_, at) => first + at));
  return {
    suffix,
    expected: {
      tables: ["bare", "evolved", "grown", "types"].map((name) => `${name}_${suffix}`),
      rows: [ids.length, ids.reduce((sum, id) => sum + id, 0)],
      filtered: ids.filter((id) => id >= from).length,
      planned: 1,
      travel: [1000, 1500, 1800],
      types: typed.map(([, , text]) => text),
      without_ids: ["one", "two"],
      evolved: ["1 one", "2 two new"],
    },
    corrupt: async () => {
      const keys: string[] = [];
      for (let token: string | undefined; ; ) {
        const more = token === undefined ? "" : `&page_token=${encodeURIComponent(token)}`;
        const page = (await sent(lake.send(`/v1/storage/list?page_size=10000${more}`))) as Listed;
        keys.push(...(page.corrupt ?? []));
        token = page.next_page_token;
        if (token === undefined) return keys;
      }
    },
  };

  async function parquet(statement: string): Promise<Blob> {
    const response = await lake.open("/v1/sql", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/vnd.apache.parquet" },
      body: JSON.stringify({ sql: statement }),
    });
    if (!response.ok) throw new Error(`${statement}: ${await response.text()}`);
    return response.blob();
  }
}

/** The body of an answer that must be a success. */
async function sent(asked: Promise<Answer>): Promise<unknown> {
  const answer = await asked;
  expectStatus(answer, answer.status === 201 ? 201 : 200);
  return answer.body;
}

/** A file, other columns, and a file with these. */
async function makeEvolved(lake: Lake, suffix: string): Promise<void> {
  const evolved = `evolved_${suffix}`;
  await sent(ingest(lake, `name=${evolved}`, "id,name\n1,one\n"));
  const changes = {
    rename: [{ name: "name", to: "title" }],
    add: [{ name: "note", type: "VARCHAR", comment: "since the second file" }],
    reorder: ["note", "title", "id"],
  };
  await sent(
    lake.send(`/v1/catalog/datasets/${evolved}`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(changes),
    }),
  );
  await sent(ingest(lake, `name=${evolved}&mode=append`, "id,title,note\n2,two,new\n"));
}
