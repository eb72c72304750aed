/** One hard input after the other: what a bare DuckDB makes of it, and what the product answers. */

import type { Product } from "../product/product.ts";
import { hardFiles } from "./files.ts";
import { type PlainOutcome, type PlainRules, runPlain } from "./plain-engine.ts";
import { hardStatements } from "./statements.ts";
import { hardSyntax } from "./syntax.ts";

export type Kind = "SQL" | "JSON" | "CSV" | "Parquet";

export interface HardInput {
  kind: Kind;
  /** Of a file. */
  type?: string;
  make: () => string | Buffer;
}

const kinds: Record<string, Kind> = {
  "application/x-ndjson": "JSON",
  "text/csv": "CSV",
  "application/vnd.apache.parquet": "Parquet",
};

/** By what they are. */
export const hardInputs: ReadonlyMap<string, HardInput> = new Map([
  ...[...hardStatements, ...hardSyntax].map(([name, sql]): [string, HardInput] => [
    name,
    { kind: "SQL", make: () => sql },
  ]),
  ...[...hardFiles].map(([name, { type, make }]): [string, HardInput] => [
    name,
    { kind: kinds[type] ?? "CSV", type, make },
  ]),
]);

export const inputOf = (name: string): HardInput => {
  const input = hardInputs.get(name);
  if (input === undefined) throw new Error(`there is no input '${name}'`);
  return input;
};

/** What a program that trusts DuckDB does with a file: a table of all of it. */
const readers: Record<Exclude<Kind, "SQL">, (path: string, compression: string) => string> = {
  JSON: (path, compression) => `read_json('${path}', format = 'newline_delimited'${compression})`,
  CSV: (path, compression) => `read_csv('${path}'${compression})`,
  Parquet: (path) => `read_parquet('${path}')`,
};

function compressionOf(bytes: Buffer): string {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return ", compression = 'gzip'";
  return bytes.subarray(1, 4).equals(Buffer.from([0xb5, 0x2f, 0xfd])) ? ", compression = 'zstd'" : "";
}

/** Gives it to a bare DuckDB. */
export function givePlain(name: string, rules: PlainRules): Promise<PlainOutcome> {
  const { kind, make } = inputOf(name);
  const content = make();
  if (kind === "SQL") return runPlain(() => String(content), rules);
  const bytes = Buffer.from(content as string);
  return runPlain(
    (path) => `CREATE TABLE t AS FROM ${readers[kind](path, compressionOf(bytes))}`,
    rules,
    bytes,
  );
}

/** Statuses of an answer, and of a clear error, with its type. */
const clear =
  /^(200|400 (sql_error|invalid_field)|403 statement_not_allowed|408 timeout|413 too_large|422 (resource_exhausted|engine_crashed|unprocessable|rejected_rows))$/;

export interface Answered {
  /** Status, and the type of an error. */
  outcome: string;
  isClear: boolean;
  message: string;
  /** From when it was sent to its last byte, in milliseconds. */
  ms: number;
}

/** Sends one to the product. */
export async function sendHard({ url }: Product, name: string, timeoutMs: number): Promise<Answered> {
  const { type, make } = inputOf(name);
  const content = make();
  const begun = performance.now();
  const response =
    type === undefined
      ? await fetch(`${url}/v1/sql`, {
          method: "POST",
          body: JSON.stringify({ sql: content, timeout_ms: timeoutMs }),
        })
      : await fetch(`${url}/v1/ingest?name=hard&timeout_ms=${timeoutMs}`, {
          method: "POST",
          headers: { "content-type": type },
          body: content as BodyInit,
        });
  // A result that ends in its middle breaks: its caller sees that, and the next one begins.
  const text = await response.text().catch(() => '{"error":{"message":"the answer broke off"}}');
  const ms = Math.round(performance.now() - begun);
  const error = response.ok ? undefined : (JSON.parse(text) as { error: Record<string, string> }).error;
  if (response.ok && type !== undefined) await fetch(`${url}/v1/catalog/manifest/hard`, { method: "DELETE" });
  const outcome = [response.status, error?.type].filter(Boolean).join(" ");
  return { outcome, isClear: clear.test(outcome), message: error?.message ?? "", ms };
}

/** Services that were started more than once. */
export async function restarted({ url }: Product): Promise<string[]> {
  const { services } = (await (await fetch(`${url}/v1/system`)).json()) as {
    services: { name: string; restarts: number }[];
  };
  return services.filter(({ restarts }) => restarts > 0).map(({ name }) => name);
}
