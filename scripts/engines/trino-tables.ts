/** Open tables that Trino makes and changes: after each step it must read what SQL here reads. */
import { expectEqual, expectStatus, ingest, type Lake, type Stage } from "../smoke-product/smoke-product.ts";

/** What Trino itself answers to a statement. Throws with its words where it refuses it. */
export async function rowsOf(url: string, sql: string): Promise<unknown[][]> {
  const headers = { "x-trino-user": "t", "x-trino-catalog": "lake", "x-trino-schema": "main" };
  const rows: unknown[][] = [];
  let answer = await fetch(`${url}/v1/statement`, { method: "POST", headers, body: sql });
  for (;;) {
    const page = (await answer.json()) as {
      nextUri?: string;
      error?: { message: string };
      data?: unknown[][];
    };
    if (page.error !== undefined) throw new Error(page.error.message);
    rows.push(...(page.data ?? []));
    if (page.nextUri === undefined) return rows;
    answer = await fetch(page.nextUri);
  }
}

const namespace = "open_trino";
const jobs = `open.${namespace}.jobs`;

/** Each is done there, and then the table is read there and here. */
const steps: Record<string, string[]> = {
  make: [
    `CREATE SCHEMA open.${namespace}`,
    `CREATE TABLE ${jobs} AS SELECT CAST(n AS bigint) AS id, 'p' || CAST(n % 2 AS varchar) AS part FROM UNNEST(sequence(0, 99)) AS t(n)`,
  ],
  append: [
    `INSERT INTO ${jobs} SELECT n, 'p' || CAST(n % 2 AS varchar) FROM UNNEST(sequence(100, 149)) AS t(n)`,
  ],
  ours: [],
  evolve: [`ALTER TABLE ${jobs} ADD COLUMN score double`, `ALTER TABLE ${jobs} RENAME COLUMN part TO shard`],
  update: [`UPDATE ${jobs} SET score = 1.5, id = id + 1000 WHERE id BETWEEN 140 AND 149`],
  merge: [
    `MERGE INTO ${jobs} t USING (SELECT n FROM UNNEST(sequence(95, 104)) AS s(n)) s ON t.id = s.n AND s.n < 100 ` +
      "WHEN MATCHED AND s.n < 97 THEN DELETE WHEN MATCHED THEN UPDATE SET score = 2.5 " +
      "WHEN NOT MATCHED THEN INSERT (id, shard, score) VALUES (s.n + 5000, 'm', 3.5)",
  ],
  delete: [`DELETE FROM ${jobs} WHERE id < 10`],
  optimize: [`ALTER TABLE ${jobs} EXECUTE optimize`],
};

interface Tried {
  check: Stage["check"];
  product: Lake;
  url: string;
}

export async function changesTables({ check, product, url }: Tried): Promise<void> {
  const here = async (name: string): Promise<unknown> => {
    const ask = async (sql: string) => {
      const answer = await product.send("/v1/sql", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ sql }),
      });
      expectStatus(answer, 200);
      return answer.body as Record<string, unknown>[];
    };
    const table = `${namespace}."${name}"`;
    const [sums = {}] = await ask(`SELECT count(*) AS n, sum(id)::BIGINT AS s FROM ${table}`);
    const columns = await ask(`DESCRIBE ${table}`);
    return [...Object.values(sums), columns.map((column) => column.column_name)];
  };
  /** A step may be several versions: Trino commits what it counted apart. */
  const latest = async (): Promise<number> => {
    const { body } = await product.send(`/v1/catalog/versions/${namespace}.jobs?page_size=1`);
    return (body as { versions: { version: number }[] }).versions[0]?.version ?? 0;
  };
  const there = async (at = ""): Promise<unknown> => {
    const [sums = []] = await rowsOf(url, `SELECT count(*), sum(id) FROM ${jobs} ${at}`);
    const columns = await rowsOf(url, `SHOW COLUMNS FROM ${jobs}`);
    return [...sums, columns.map(([name]) => name)];
  };
  let [appended, version]: [unknown, number] = [undefined, 0];
  for (const [name, statements] of Object.entries(steps))
    await check(`${name}: it reads what SQL here reads`, async () => {
      for (const sql of statements) await rowsOf(url, sql);
      if (name === "ours")
        expectStatus(
          await ingest(product, `name=${namespace}.jobs&mode=append`, "id,part\n700,p0\n701,p1\n"),
          200,
        );
      const found = await there();
      if (name === "append") [appended, version] = [found, await latest()];
      expectEqual(found, await here("jobs"));
    });
  await check("travel: it reads what SQL here reads of that version", async () => {
    const ids = await rowsOf(
      url,
      `SELECT CAST(snapshot_id AS varchar) FROM open.${namespace}."jobs$snapshots" ORDER BY committed_at`,
    );
    const [sums = []] = await rowsOf(
      url,
      `SELECT count(*), sum(id) FROM ${jobs} FOR VERSION AS OF ${ids[1]}`,
    );
    expectEqual(sums, (appended as unknown[]).slice(0, 2));
    expectEqual(await here(`jobs@${version}`), appended);
  });
  await check("expire_snapshots: it reads what SQL here reads", async () => {
    await rowsOf(url, `ALTER TABLE ${jobs} EXECUTE expire_snapshots(retention_threshold => '7d')`);
    expectEqual(await there(), await here("jobs"));
  });
  await check("rename: SQL here names it so", async () => {
    await rowsOf(url, `ALTER TABLE ${jobs} RENAME TO open.${namespace}.moved`);
    const [sums] = await rowsOf(url, `SELECT count(*), sum(id) FROM open.${namespace}.moved`);
    expectEqual(sums, ((await here("moved")) as unknown[]).slice(0, 2));
  });
}
