/** Documents with their originals, and an open table with a writer's files, in a product that is about to be damaged. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { absent, json, noise } from "../durability/tracked-writes.ts";
import { sql } from "../product/product.ts";
import { temporaryDirectory } from "../stacks/in-process.ts";
import { tablesOf } from "../tables/open-tables.ts";
import type { Control } from "./controls.ts";

const textOf = (n: number): string => `Paper ${n} of welders.\n\n${noise(n, 300)}\n`;
const nameOf = (n: number): string => `paper-${n}.txt`;

/** Resolves when what is searched has the document as well. */
export async function loadPaper(url: string, n: number): Promise<void> {
  const answer = await fetch(`${url}/v1/documents?corpus=papers&file=${nameOf(n)}`, {
    method: "POST",
    body: textOf(n),
    headers: { "content-type": "text/plain" },
  });
  const { version } = (await answer.json()) as { version: number };
  if (!answer.ok) throw new Error(`document ${n}: ${answer.status}`);
  for (;;) {
    const corpus = await fetch(`${url}/v1/matrix/corpora/papers`);
    const found = (await corpus.json()) as { job_id?: string; dataset_version?: number };
    if (found.job_id === undefined && (found.dataset_version ?? 0) >= version) return;
    await Bun.sleep(20);
  }
}

const place = (url: string, address: string): string => {
  const [, key = ""] = /\/buckets\/warehouse\/(.*)$/.exec(address) ?? [];
  return `${url}/v1/storage/put/${key}?bucket=warehouse`;
};

async function put(at: string, bytes: Uint8Array): Promise<void> {
  const answer = await fetch(at, { method: "PUT", body: bytes as Uint8Array<ArrayBuffer> });
  if (!answer.ok) throw new Error(`${at}: ${answer.status} ${await answer.text()}`);
}

/** Ten rows more in the open table, as an engine brings them. */
export async function appendRows(url: string, n: number): Promise<void> {
  const storage = {
    write: async ({ key, bytes }: { key: string; bytes: Uint8Array }) =>
      put(`${url}/v1/storage/put/${key}?bucket=warehouse`, bytes),
    read: async ({ key }: { key: string }) => {
      const answer = await fetch(`${url}/v1/storage/get/${key}?bucket=warehouse`);
      return { bytes: await answer.bytes() };
    },
  };
  const send = (request: Request) => {
    const { pathname, search } = new URL(request.url);
    return fetch(new Request(url + pathname + search, request));
  };
  const tables = tablesOf(send, storage as unknown as Parameters<typeof tablesOf>[1]);
  if (n === 0) await tables.make("drilled");
  const { body } = await tables.ask("GET", "/namespaces/open/tables/drilled");
  const { metadata } = body;
  const bytes = await parquetOf(n);
  await put(place(url, `${metadata.location}/data/part-${n}.parquet`), bytes);
  const file = { path: `part-${n}.parquet`, rows: 10, bytes: bytes.length };
  const answer = await tables.append("drilled", metadata, [file], {
    id: 1000 + n,
    manifestPath: `${metadata.location}/metadata/manifest-${n}.avro`,
    listPath: `${metadata.location}/metadata/snap-${n}.avro`,
  });
  if (answer.status !== 200) throw new Error(`open table: ${JSON.stringify(answer)}`);
}

async function parquetOf(n: number): Promise<Uint8Array> {
  const home = temporaryDirectory("open-table");
  const instance = await DuckDBInstance.create(":memory:");
  const db = await instance.connect();
  const path = join(home.path, "part.parquet");
  const select = `SELECT i::BIGINT AS id, 'name ' || md5(i::VARCHAR) AS name FROM range(${n * 10}, ${n * 10 + 10}) r(i)`;
  await db.run(`COPY (${select}) TO '${path}' (FORMAT parquet, FIELD_IDS {id: 1, name: 2})`);
  db.closeSync();
  instance.closeSync();
  const bytes = readFileSync(path);
  rmSync(home.path, { recursive: true });
  return bytes;
}

const numbers = [0, 1, 2, 3];

export const documentAndTableControls: readonly Control[] = [
  ...numbers.map((n) => ({
    name: `original#${n}`,
    ask: async (url: string) => {
      const answer = await fetch(`${url}/v1/documents/${nameOf(n)}?corpus=papers`);
      const text = await answer.text();
      return answer.status === 404 ? absent : text;
    },
    expected: textOf(n),
  })),
  {
    name: "papers#rows",
    ask: (url) => sql(url, "SELECT document FROM papers GROUP BY 1 ORDER BY 1"),
    expected: numbers.map((n) => ({ document: nameOf(n) })),
  },
  {
    name: "papers#search",
    ask: async (url) => {
      const query = { query_text: "welders", corpora: ["papers"], mode: "lexical", k: 9 };
      const { hits } = (await (await json(url, "/v1/matrix/search", query)).json()) as { hits?: unknown[] };
      return hits?.length ?? absent;
    },
    expected: numbers.length,
  },
  {
    name: "open",
    ask: (url) =>
      sql(
        url,
        "SELECT count(*)::INT AS n, sum(id)::INT AS s, count(DISTINCT name)::INT AS d, bool_and(name = 'name ' || md5(id::VARCHAR)) AS t FROM open.drilled",
      ),
    expected: [{ n: 40, s: 780, d: 40, t: true }],
  },
];
