/** The engines that are run, and what each is expected to find and to be able to change. */
import { dirname, join } from "node:path";
import { pyicebergTests, rck } from "../engine-kits/engine-kits.ts";
import { fetchJars, findJava } from "../java/java.ts";
import { findings, interpreter, type Python, told } from "../python/python.ts";
import { expectEqual, expectTrue, lakeAt, type Smoke } from "../smoke-product/smoke-product.ts";
import { postgresSource } from "./postgres-source.ts";
import { type Expected, makeTables } from "./tables.ts";
import { trino } from "./trino.ts";
import { vectorEngines } from "./vectors.ts";

const program = (name: string) => join(import.meta.dir, `../engine-programs/run_${name}.py`);

interface Engine {
  about: string;
  packages: Python["packages"];
  /** Jars that it needs, by a pom, and the Java that it runs on. */
  java?: { pom: string; least: number };
  /** What it can say of datasets; all of it is compared. */
  says: readonly (keyof Expected)[];
  /** What it does with an open table: after each it must read what SQL here reads. */
  steps: readonly string[];
}

const reads: readonly (keyof Expected)[] = ["rows", "filtered", "travel", "types", "without_ids", "evolved"];

const all: Record<string, Engine> = {
  pyiceberg: {
    about: "PyIceberg 0.12.0: reads datasets; makes and changes open tables",
    packages: ["pyiceberg==0.12.0", "pyarrow==26.0.1"],
    says: [...reads, "tables", "planned"],
    steps: [
      ...["make", "append", "ours", "evolve", "delete", "overwrite", "merge", "travel", "tag"],
      ...["transaction", "expire_snapshots", "expired here", "rename"],
    ],
  },
  duckdb: {
    about: "DuckDB 1.5.5 with its iceberg extension: reads datasets; makes and changes open tables",
    packages: [
      "duckdb==1.5.5",
      "duckdb-extension-avro==1.5.5",
      "duckdb-extension-httpfs==1.5.5",
      "duckdb-extension-iceberg==1.5.5",
    ],
    says: [...reads, "tables"],
    steps: ["make", "append", "ours", "delete", "update", "evolve", "merge", "travel"],
  },
  polars: {
    about: "Polars 2.1.0 over PyIceberg: reads, travels in time; appends to open tables",
    packages: ["polars==2.1.0", "pyiceberg==0.12.0", "pyarrow==26.0.1"],
    says: ["rows", "filtered", "travel", "without_ids", "evolved"],
    steps: ["append", "ours", "marked", "travel", "overwrite"],
  },
  daft: {
    about: "Daft 0.7.26 over PyIceberg: reads, travels in time; appends to open tables",
    packages: ["daft==0.7.26", "pyiceberg==0.11.1", "pyarrow==25.0.1"],
    says: ["rows", "filtered", "travel", "evolved"],
    steps: ["append", "ours", "marked", "travel", "overwrite"],
  },
  chdb: {
    about: "ClickHouse (chdb 4.4.0): lists and reads through its DataLakeCatalog",
    packages: ["chdb==4.4.0"],
    says: ["rows", "filtered", "tables", "without_ids", "evolved"],
    steps: [],
  },
  sail: {
    about: "Sail 0.7.2, which speaks as Spark does: reads datasets; appends to open tables",
    packages: ["pysail==0.7.2", "pyspark-client==4.0.1"],
    says: [...reads, "tables"],
    steps: ["make", "append", "ours", "delete", "update", "merge", "travel", "overwrite"],
  },
  spark: {
    about:
      "Spark 4.0.1 with Iceberg's runtime 1.11.0: reads datasets; makes, changes and maintains open tables",
    packages: ["pyspark==4.0.1"],
    java: { pom: join(import.meta.dir, "spark.xml"), least: 17 },
    says: [...reads, "tables"],
    steps: [
      ...["make", "append", "ours", "evolve", "update", "merge", "delete", "mark deleted", "travel", "tag"],
      ...["rewrite_data_files", "rewrite_manifests", "rollback_to_snapshot", "expire_snapshots"],
      ...["remove_orphan_files", "rename"],
    ],
  },
};

/** Without it AWS's clients write in a form that RADOS Gateway refuses (411). */
const ofS3 = { AWS_REQUEST_CHECKSUM_CALCULATION: "when_required" };

/** The program's words and environment beyond those of all engines. */
async function javaOf(
  name: string,
  java: Engine["java"],
): Promise<{ words: string[]; env: Record<string, string> }> {
  if (!java) return { words: [], env: ofS3 };
  const path = await findJava(java.least, name);
  const jars = await fetchJars(name, java.pom);
  return { words: [jars.replaceAll(":", ",")], env: { ...ofS3, JAVA_HOME: dirname(dirname(path)) } };
}

/** Of an engine that is a program of Python, which is installed where it is missing: the interpreter, words and environment. */
export async function installed(
  name: string,
): Promise<{ python: string } & Awaited<ReturnType<typeof javaOf>>> {
  const { packages = [], java } = all[name] ?? {};
  return { python: await interpreter(name, packages), ...(await javaOf(name, java)) };
}

/** Without a bucket for them there are no open tables. */
async function hasWarehouse(gateway: string, token: string | undefined): Promise<boolean> {
  const { body } = await lakeAt(gateway, token).send("/v1/storage/buckets");
  return (body as { buckets: { name: string }[] }).buckets.some(({ name }) => name === "warehouse");
}

/** Each as a smoke: its tables are made, it is installed and run, and what it says is compared. */
const programs: Record<string, Smoke> = Object.fromEntries(
  Object.entries(all).map(([name, engine]): [string, Smoke] => [
    name,
    {
      about: engine.about,
      run: async ({ check, lake }) => {
        const { gateway } = await lake();
        const token = process.env.AUTH_TOKEN;
        const made = await makeTables({ gateway, token });
        const namespace = (await hasWarehouse(gateway, token)) ? `open_${name}_${made.suffix}` : "";
        const { words, env } = await javaOf(name, engine.java);
        const { found, failure } = await told(
          name,
          { packages: engine.packages, script: program(name), env },
          [`${gateway}/iceberg`, token ?? "", made.suffix, namespace, ...words],
        );
        const { refused } = found;
        for (const what of engine.says)
          await check(what, () => expectEqual(found[what], made.expected[what]));
        if (refused !== undefined)
          await check("a write is refused, and leaves nothing", async () => {
            expectTrue(String(refused).length > 0, "it was not refused");
            expectEqual(await made.corrupt(), []);
          });
        for (const step of namespace === "" ? [] : engine.steps)
          await check(`${step}: it reads what SQL here reads`, () => {
            const { there, here } = (found[`step ${step}`] ?? {}) as { there?: unknown; here?: unknown };
            expectTrue(there !== undefined, "it did not come to this");
            expectEqual(there, here);
          });
        await check("comes to its end", () => expectTrue(failure === undefined, failure ?? ""));
      },
    },
  ]),
);

/** Tables that PyIceberg makes, of each kind of partition: the product changes their rows, and PyIceberg finds the same ones. */
const rowChanges: Smoke = {
  about:
    "PyIceberg 0.12.0 makes tables of each kind of partition; rows are deleted, updated and upserted here",
  run: async ({ check, lake }) => {
    const { gateway } = await lake();
    const packages = ["pyiceberg==0.12.0", "pyiceberg-core==0.10.1", "pyarrow==26.0.1"];
    const namespace = `rows_${crypto.randomUUID().slice(0, 8)}`;
    const words = [`${gateway}/iceberg`, process.env.AUTH_TOKEN ?? "", namespace];
    const script = join(import.meta.dir, "../engine-programs/change_pyiceberg.py");
    const { changed } = await findings("pyiceberg-rows", { packages, script }, words);
    for (const [table, wrong] of Object.entries(changed as Record<string, string[]>))
      await check(table, () => expectEqual(wrong, []));
  },
};

/** Those that are run when they are named: minutes to install, and more memory than a small machine has. */
export const heavy: Record<string, Smoke> = {
  ...Object.fromEntries(Object.entries(programs).filter(([name]) => name in all && all[name]?.java)),
  trino,
  "pyiceberg-rows": rowChanges,
  rck,
  "pyiceberg-tests": pyicebergTests,
  "postgres-source": postgresSource,
  ...vectorEngines,
};

export const engines: Record<string, Smoke> = { ...programs, ...heavy };
