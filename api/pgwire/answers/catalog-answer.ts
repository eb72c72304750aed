/** Answers of the catalog: a PostgreSQL that has the datasets' columns and no rows, asked in its own protocol. */
import { message } from "../../../runtime/postgres/postgres.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { type Answer, answerOf, RawFailure } from "./messages.ts";

export interface CatalogQuestion {
  sql: string;
  oids: readonly number[];
  /** Bind's formats and values, as the client sent them. */
  parameterFormats: readonly number[];
  values: readonly (Uint8Array | null)[];
  formats: readonly number[];
  settings: ReadonlyMap<string, string>;
  signal: AbortSignal;
}

const int16s = (...values: number[]): Uint8Array => {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, at) => void bytes.writeUInt16BE(value, 2 * at));
  return bytes;
};
const int32 = (value: number): Uint8Array => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
};

/** Columns that PostgreSQL 17 renamed: psql before it asks for the old ones at `\\l` and `\\dO`. */
const current = (sql: string): string =>
  sql
    .replaceAll(/\b(\w\.)daticulocale\b/g, "$1datlocale")
    .replaceAll(/\b(\w\.)colliculocale\b/g, "$1colllocale");

const parse = (sql: string, oids: readonly number[]) =>
  message("P", "", current(sql), int16s(oids.length), ...oids.map(int32));
const sync = message("S");

function bind({ parameterFormats, values, formats }: CatalogQuestion): Uint8Array {
  const sized = values.flatMap((value) => (value ? [int32(value.length), value] : [int32(-1)]));
  const before = int16s(parameterFormats.length, ...parameterFormats, values.length);
  return message("B", "", "", before, ...sized, int16s(formats.length, ...formats));
}

/** The answer; undefined where the statement reads rows of a dataset, which are not here. */
export async function catalogAnswer(
  catalog: Catalog,
  question: CatalogQuestion,
): Promise<Answer | undefined> {
  const messages = Buffer.concat([
    parse(question.sql, question.oids),
    bind(question),
    message("D", Buffer.from("P"), ""),
    message("E", "", int32(0)),
    sync,
  ]);
  const { bytes, readsRows } = await catalog.ask({ ...question, messages });
  return readsRows ? undefined : answerOf(one(bytes));
}

/** ParameterDescription, and RowDescription or NoData; undefined where the statement reads rows of a dataset. */
export async function catalogDescription(
  catalog: Catalog,
  question: Pick<CatalogQuestion, "sql" | "oids" | "settings" | "signal">,
): Promise<{ parameters: number[]; bytes: Uint8Array } | undefined> {
  const messages = Buffer.concat([
    parse(question.sql, question.oids),
    message("D", Buffer.from("S"), ""),
    sync,
  ]);
  const { bytes, readsRows } = await catalog.ask({ ...question, messages });
  if (readsRows) return undefined;
  const { parts, parameters } = descriptions(bytes);
  return { parameters, bytes: Buffer.concat(parts) };
}

function descriptions(bytes: Uint8Array): { parts: Uint8Array[]; parameters: number[] } {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  let parameters: number[] = [];
  for (let at = 0; at + 5 <= all.length; at += all.readInt32BE(at + 1) + 1) {
    const letter = String.fromCharCode(all[at] as number);
    const one = all.subarray(at, at + 1 + all.readInt32BE(at + 1));
    if (letter === "E") throw new RawFailure(one);
    if (letter === "t")
      parameters = Array.from({ length: one.readUInt16BE(5) }, (_, index) => one.readUInt32BE(7 + 4 * index));
    if ("tTn".includes(letter)) parts.push(one);
  }
  return { parts, parameters };
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
