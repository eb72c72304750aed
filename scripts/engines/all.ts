/** The engines that are run, and what each is expected to find. */
import { expectEqual, expectTrue, type Smoke } from "../smoke-product/smoke-product.ts";
import { findings, type Python } from "./python.ts";
import { type Expected, makeTables } from "./tables.ts";
import { trino } from "./trino.ts";

interface Engine extends Python {
  about: string;
  /** What it can say; all of it is compared. */
  says: readonly (keyof Expected)[];
}

const reads: readonly (keyof Expected)[] = ["rows", "filtered", "travel", "types", "without_ids", "evolved"];

const all: Record<string, Engine> = {
  pyiceberg: {
    about: "PyIceberg 0.12.0: lists, reads, prunes, travels in time, is refused when it writes",
    packages: ["pyiceberg==0.12.0", "pyarrow==26.0.1"],
    script: "read_pyiceberg.py",
    says: [...reads, "tables", "planned"],
  },
  duckdb: {
    about: "DuckDB 1.5.5 with its iceberg extension: reads, travels in time, is refused when it writes",
    packages: [
      "duckdb==1.5.5",
      "duckdb-extension-avro==1.5.5",
      "duckdb-extension-httpfs==1.5.5",
      "duckdb-extension-iceberg==1.5.5",
    ],
    script: "read_duckdb.py",
    says: [...reads, "tables"],
  },
  polars: {
    about: "Polars over PyIceberg: reads, travels in time",
    packages: ["polars==2.1.0", "pyiceberg==0.12.0", "pyarrow==26.0.1"],
    script: "read_polars.py",
    says: ["rows", "filtered", "travel", "without_ids", "evolved"],
  },
  chdb: {
    about: "ClickHouse (chdb): lists and reads through its DataLakeCatalog",
    packages: ["chdb==4.4.0"],
    script: "read_chdb.py",
    says: ["rows", "filtered", "tables", "without_ids", "evolved"],
  },
};

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
      },
    },
  ]),
);

/** Those that are run when they are named: minutes to install, and more memory than a small machine has. */
export const heavy: Record<string, Smoke> = { trino };

export const engines: Record<string, Smoke> = { ...light, ...heavy };
