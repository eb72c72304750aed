/** The engines that are run, and what each is expected to find. */
import { join } from "node:path";
import { pyicebergTests, rck } from "../engine-kits/engine-kits.ts";
import { findings, type Python } from "../python/python.ts";
import { expectEqual, expectStatus, expectTrue, lakeAt, type Smoke } from "../smoke-product/smoke-product.ts";
import { type Expected, makeTables } from "./tables.ts";
import { trino } from "./trino.ts";

const here = (file: string) => join(import.meta.dir, file);

interface Engine extends Python {
  about: string;
  /** Makes an open table, changes it, and says what is in it then. */
  writer?: string;
  /** What it can say; all of it is compared. */
  says: readonly (keyof Expected)[];
}

const reads: readonly (keyof Expected)[] = ["rows", "filtered", "travel", "types", "without_ids", "evolved"];

const all: Record<string, Engine> = {
  pyiceberg: {
    about: "PyIceberg 0.12.0: reads datasets; makes and changes open tables",
    writer: "write_pyiceberg.py",
    packages: ["pyiceberg==0.12.0", "pyarrow==26.0.1"],
    script: here("read_pyiceberg.py"),
    says: [...reads, "tables", "planned"],
  },
  duckdb: {
    about: "DuckDB 1.5.5 with its iceberg extension: reads datasets; makes and changes open tables",
    writer: "write_duckdb.py",
    packages: [
      "duckdb==1.5.5",
      "duckdb-extension-avro==1.5.5",
      "duckdb-extension-httpfs==1.5.5",
      "duckdb-extension-iceberg==1.5.5",
    ],
    script: here("read_duckdb.py"),
    says: [...reads, "tables"],
  },
  polars: {
    about: "Polars over PyIceberg: reads, travels in time",
    packages: ["polars==2.1.0", "pyiceberg==0.12.0", "pyarrow==26.0.1"],
    script: here("read_polars.py"),
    says: ["rows", "filtered", "travel", "without_ids", "evolved"],
  },
  chdb: {
    about: "ClickHouse (chdb): lists and reads through its DataLakeCatalog",
    packages: ["chdb==4.4.0"],
    script: here("read_chdb.py"),
    says: ["rows", "filtered", "tables", "without_ids", "evolved"],
  },
};

/** What the engine makes of an open table, against the product's SQL of the same. */
async function writes(
  name: string,
  { packages, writer = "" }: Engine,
  {
    gateway,
    suffix,
    check,
  }: { gateway: string; suffix: string; check: Parameters<Smoke["run"]>[0]["check"] },
): Promise<void> {
  const token = process.env.AUTH_TOKEN;
  const { body: stored } = await lakeAt(gateway, token).send("/v1/storage/buckets");
  // Without a bucket for them there are no open tables.
  if (!(stored as { buckets: { name: string }[] }).buckets.some((bucket) => bucket.name === "warehouse"))
    return;
  const namespace = `open_${name}_${suffix}`;
  const found = await findings(name, { packages, script: here(writer) }, [
    `${gateway}/iceberg`,
    token ?? "",
    namespace,
  ]);
  const lake = lakeAt(gateway, token);
  const rows = async (sql: string) => {
    const answer = await lake.send("/v1/sql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sql }),
    });
    expectStatus(answer, 200);
    return answer.body as Record<string, unknown>[];
  };
  const content = async (table: string) =>
    Object.values(
      (await rows(`SELECT count(*) AS n, sum(id)::BIGINT AS s FROM ${namespace}.${table}`))[0] ?? {},
    );
  await check("SQL here gives what it wrote", async () => expectEqual(await content("moved"), found.last));
  await check("and the columns it changed", async () =>
    expectEqual(
      (await rows(`DESCRIBE ${namespace}.moved`)).map((row) => row.column_name),
      found.names,
    ),
  );
  await check("and each version that it said the rows of", async () => {
    const { body } = await lake.send(`/v1/catalog/versions/${namespace}.moved?page_size=100`);
    const { versions } = body as { versions: { version: number }[] };
    const all: unknown[] = [];
    for (const { version } of versions) all.push(JSON.stringify(await content(`"moved@${version}"`)));
    const last = found.tables === undefined ? ["appended", "deleted", "overwritten", "last"] : ["last"];
    for (const what of last) expectTrue(all.includes(JSON.stringify(found[what])), `${what} is no version's`);
  });
  if (found.tables !== undefined)
    await check("a table that it renamed and one that it purged", async () =>
      expectEqual(found.tables, ["moved"]),
    );
}

/** Each as a smoke: its tables are made, it is installed and run, and what it says is compared. */
const light: Record<string, Smoke> = Object.fromEntries(
  Object.entries(all).map(([name, engine]): [string, Smoke] => [
    name,
    {
      about: engine.about,
      run: async ({ check, lake }) => {
        const { gateway } = await lake();
        const made = await makeTables({ gateway, token: process.env.AUTH_TOKEN });
        const found = await findings(name, engine, [
          `${gateway}/iceberg`,
          process.env.AUTH_TOKEN ?? "",
          made.suffix,
        ]);
        for (const what of engine.says)
          await check(what, () => expectEqual(found[what], made.expected[what]));
        const { refused } = found;
        if (refused !== undefined)
          await check("a write is refused, and leaves nothing", async () => {
            expectTrue(String(refused).length > 0, "it was not refused");
            expectEqual(await made.corrupt(), []);
          });
        if (engine.writer !== undefined) await writes(name, engine, { gateway, suffix: made.suffix, check });
      },
    },
  ]),
);

/** Those that are run when they are named: minutes to install, and more memory than a small machine has. */
export const heavy: Record<string, Smoke> = { trino, rck, "pyiceberg-tests": pyicebergTests };

export const engines: Record<string, Smoke> = { ...light, ...heavy };
