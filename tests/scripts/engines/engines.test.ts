/** PyIceberg and DuckDB's own extension, as they are on PyPI, read what the product publishes, and change open tables. */
import { describe, expect, test } from "bun:test";
import { engines } from "../../../scripts/engines/all.ts";
import { hasPython } from "../../../scripts/python/python.ts";
import { runSmoke } from "../../../scripts/smoke-product/smoke-product.ts";
import { flagsOnS3 } from "../../support/s3/lake.ts";
import { testS3 } from "../../support/s3/server.ts";

const python = await hasPython();
if (!python) process.stderr.write("engines: not run: python3 with venv is not here\n");

/** Seconds, and minutes beside others; packages may have to be installed. */
const timeoutMs = 900_000;

describe.skipIf(!python)("engines of others", () => {
  test.each(["pyiceberg", "duckdb"])("%s on a disk", (name) => reads(name), timeoutMs);
  test.each(["pyiceberg", "duckdb"])(
    "%s on S3, with keys of the catalog",
    async (name) => {
      const s3 = await testS3("rgw");
      await reads(name, flagsOnS3(s3, { warehouse: s3 }));
    },
    timeoutMs,
  );

  async function reads(name: string, flagsOf?: ReturnType<typeof flagsOnS3>): Promise<void> {
    const lines: string[] = [];
    const engine = engines[name];
    if (!engine) throw new Error(`there is no engine ${name}`);
    const print = (line: string) => lines.push(line);
    const outcome = await runSmoke(name, engine, { mode: "one", print, ...(flagsOf && { flagsOf }) });
    expect(lines.filter((line) => !line.startsWith("  ok"))).toEqual([]);
    // Datasets, and each step of an open table.
    expect(outcome.passed).toBeGreaterThanOrEqual(name === "pyiceberg" ? 23 : 18);
  }
});
