/** The table of docs/crash-list.md: what a bare DuckDB made of each hard input, and what the product answered. */
import type { Kind } from "./inputs.ts";

export interface Row {
  kind: Kind;
  plain: string;
  /** Empty until the product was asked. */
  product: string;
}

const path = new URL("../../../docs/crash-list.md", import.meta.url).pathname;
const line = /^\| (?<name>[^|]+) \| (?<kind>\w+) \| (?<plain>[^|]*) \| (?<product>[^|]*) \|$/;
const head = "| Input | Kind | A bare DuckDB | The product |\n|---|---|---|---|";
const total = /^\d+ inputs.*$/m;

/** The rows by the names of their inputs. */
export async function readTable(): Promise<Map<string, Row>> {
  const rows = (await Bun.file(path).text()).split("\n").flatMap((text): [string, Row][] => {
    const found = line.exec(text)?.groups;
    if (!found || found.name === "Input") return [];
    const { name = "", kind, plain = "", product = "" } = found;
    return [[name.trim(), { kind: kind as Kind, plain: plain.trim(), product: product.trim() }]];
  });
  return new Map(rows);
}

/** Writes the rows in the order of the inputs, with their numbers by kind above them. */
export async function writeTable(rows: ReadonlyMap<string, Row>, order: readonly string[]): Promise<void> {
  const text = await Bun.file(path).text();
  const listed = order.flatMap((name) => {
    const row = rows.get(name);
    return row ? [{ name, ...row }] : [];
  });
  const count = (of: (row: Row) => boolean) => listed.filter(of).length;
  const kinds = (["SQL", "JSON", "CSV", "Parquet"] as const).map(
    (kind) => `${count((row) => row.kind === kind)} ${kind}`,
  );
  const ends = ["killed", "hung", "bloated"].map(
    (end) => `${count(({ plain }) => plain.startsWith(end))} ${end}`,
  );
  const table = listed.map(
    ({ name, kind, plain, product }) => `| ${name} | ${kind} | ${plain} | ${product} |`,
  );
  const before = text
    .slice(0, text.indexOf(head))
    .replace(total, `${listed.length} inputs: ${kinds.join(", ")}; ${ends.join(", ")}.`);
  await Bun.write(path, `${before}${[head, ...table].join("\n")}\n`);
}
