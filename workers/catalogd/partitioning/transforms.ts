/** Iceberg's transforms (§"Partition Transforms") as SQL over a column, and the types of what they give. Pure. */
import { bucketSql } from "./bucket.ts";

export interface Transformed {
  /** Of the value. */
  sql: string;
  /** Iceberg's type of it. */
  type: string;
}

const dated = new Set(["date", "timestamp", "timestamptz"]);
const numbered = /^([a-z]+)\[(\d{1,9})\]$/;

/** Undefined for a transform that values of this type have none of here. */
export function transformed(transform: string, type: string, column: string): Transformed | undefined {
  if (transform === "identity") return { sql: column, type };
  if (transform === "void") return { sql: "NULL", type };
  const [, name, parameter] = numbered.exec(transform) ?? [];
  const width = Number(parameter);
  if (name !== undefined && width > 0) {
    if (name === "truncate") return truncated(type, column, width);
    const sql = name === "bucket" ? bucketSql(type, column, width) : undefined;
    return sql === undefined ? undefined : { sql, type: "int" };
  }
  if (!dated.has(type)) return undefined;
  // Times with a zone are looked at in UTC.
  const at = type === "timestamptz" ? `(${column} AT TIME ZONE 'UTC')` : column;
  const whole = (sql: string) => ({ sql: `CAST(${sql} AS INTEGER)`, type: "int" });
  if (transform === "year") return whole(`year(${at}) - 1970`);
  if (transform === "month") return whole(`(year(${at}) - 1970) * 12 + month(${at}) - 1`);
  if (transform === "day") return { sql: `CAST(${at} AS DATE)`, type: "date" };
  if (transform !== "hour" || type === "date") return undefined;
  return whole(`epoch_us(date_trunc('hour', ${at})) // 3600000000`);
}

function truncated(type: string, column: string, width: number): Transformed | undefined {
  const down = (value: string) => `${value} - ((${value} % ${width}) + ${width}) % ${width}`;
  if (type === "int") return { sql: `CAST(${down(`${column}::BIGINT`)} AS INTEGER)`, type };
  if (type === "long") return { sql: `CAST(${down(`${column}::HUGEINT`)} AS BIGINT)`, type };
  if (type === "string") return { sql: `left(${column}, ${width})`, type };
  if (type === "binary") return { sql: `unhex(left(hex(${column}), ${width * 2}))`, type };
  const [, precision, scale] = /^decimal\((\d+),\s*(\d+)\)$/.exec(type) ?? [];
  if (precision === undefined) return undefined;
  const unscaled = down(`replace(${column}::VARCHAR, '.', '')::HUGEINT`);
  const plain = `abs(${unscaled})::VARCHAR`;
  // A longer text would be cut.
  const digits = `lpad(${plain}, greatest(length(${plain}), ${Number(scale) + 1})::INTEGER, '0')`;
  const sign = `CASE WHEN ${unscaled} < 0 THEN '-' ELSE '' END`;
  const text =
    Number(scale) === 0
      ? `${sign} || ${digits}`
      : `${sign} || left(${digits}, -${scale}) || '.' || right(${digits}, ${scale})`;
  return { sql: `CAST(${text} AS DECIMAL(${precision},${scale}))`, type };
}

/** The value as a text that says it exactly: `valueOf` in partition-values.ts reads it. */
export function textSql({ sql, type }: Transformed): string {
  if (type === "timestamptz") return `CAST((${sql} AT TIME ZONE 'UTC') AS VARCHAR) || '+00'`;
  if (type === "boolean") return `CAST(CAST(${sql} AS INTEGER) AS VARCHAR)`;
  if (type === "binary" || type.startsWith("fixed")) return `hex(${sql})`;
  return `CAST(${sql} AS VARCHAR)`;
}
