/** A process with DuckDB alone, as a program would use it: one statement, read to its end, and interrupted when asked. */
import { DuckDBInstance } from "@duckdb/node-api";

const [file = "", memoryLimit = "", spill = ""] = process.argv.slice(2);
const sql = await Bun.file(file).text();
const instance = await DuckDBInstance.create(":memory:", {
  memory_limit: memoryLimit,
  temp_directory: spill,
  max_temp_directory_size: "4GiB",
});
const connection = await instance.connect();
process.stdin.on("data", () => {
  connection.interrupt();
  process.stdout.write("interrupted\n");
});
process.stdout.write("begun\n");
try {
  const result = await connection.stream(sql);
  let rows = 0;
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk())
    rows += chunk.rowCount;
  process.stdout.write(`${JSON.stringify({ rows })}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: String(error).slice(0, 200) })}\n`);
}
process.exit(0);
