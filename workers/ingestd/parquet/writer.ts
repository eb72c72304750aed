/** What the writer of a Parquet file left in its key-value metadata. */
import { quoteText } from "../../../runtime/sql/sql.ts";
import type { Session } from "../engine/engine.ts";
import { durationsOf } from "./arrow-schema.ts";
import type { Writer } from "./exactness.ts";

const arrowKey = "ARROW:schema";
/** Spark's timestamps have microseconds, whatever they are written as. */
const sparkKeys = /^org\.apache\.spark\./;

/** Asks DuckDB for the metadata. A schema of Arrow that cannot be read is a warning: durations would pass for numbers. */
export async function writerOf(session: Session, path: string): Promise<Writer & { warnings: string[] }> {
  const rows = await session.run(
    `SELECT CASE WHEN octet_length(key) < 256 THEN key::VARCHAR END AS key,
      CASE WHEN key = ${quoteText(arrowKey)}::BLOB THEN value::VARCHAR END AS value FROM parquet_kv_metadata(${quoteText(path)})`,
  );
  const microseconds = rows.some(({ key }) => sparkKeys.test(String(key)));
  const arrow = rows.find(({ key }) => key === arrowKey)?.value;
  if (typeof arrow !== "string") return { microseconds, durations: [], warnings: [] };
  const durations = durationsIn(arrow);
  const warning = `the ${arrowKey} in the file cannot be read: durations in it would pass for whole numbers`;
  return { microseconds, durations: durations ?? [], warnings: durations ? [] : [warning] };
}

function durationsIn(base64: string): string[] | undefined {
  try {
    return durationsOf(Buffer.from(base64, "base64"));
  } catch {
    return undefined;
  }
}
