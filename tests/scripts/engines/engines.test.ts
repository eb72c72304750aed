/** PyIceberg and DuckDB's own extension, as they are on PyPI, read what the product publishes. */
import { describe, expect, test } from "bun:test";
import { engines } from "../../../scripts/engines/all.ts";
import { hasPython } from "../../../scripts/engines/python.ts";
import { runSmoke } from "../../../scripts/smoke-product/smoke-product.ts";

const python = await hasPython();
if (!python) process.stderr.write("engines: not run: python3 with venv is not here\n");

describe.skipIf(!python)("engines of others", () => {
  test.each(["pyiceberg", "duckdb"])("%s", async (name) => {
    const lines: string[] = [];
    const engine = engines[name];
    if (!engine) throw new Error(`there is no engine ${name}`);
    const outcome = await runSmoke(name, engine, { mode: "one", print: (line) => lines.push(line) });
    expect(lines.filter((line) => !line.startsWith("  ok"))).toEqual([]);
    expect(outcome.passed).toBeGreaterThanOrEqual(8);
  });
});
