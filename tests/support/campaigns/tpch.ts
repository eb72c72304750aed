/** The tables of TPC-H, made by a generator from PyPI that a first run installs. */
import { pythonTool } from "./python-tool.ts";

/** The largest last. */
export const tpchTables = [
  "nation",
  "region",
  "supplier",
  "customer",
  "part",
  "partsupp",
  "orders",
  "lineitem",
];

/** Writes `<table>.csv` of each into the folder; scale 1 is 1 GB in all. */
export async function makeTpch(folder: string, scale: string): Promise<void> {
  const generate = await pythonTool("tpchgen-cli", "4.0.0", "tpchgen-cli");
  const made = Bun.spawn([generate, "csv", "-s", scale, `--output-dir=${folder}`], { stderr: "inherit" });
  if ((await made.exited) !== 0) throw new Error(`tpchgen-cli ended with ${made.exitCode} (see above)`);
}
