/** Commits to an open table as tracked writes: each adds one file, over HTTP alone, as an engine does. */
import { absent, type TrackedWrite } from "../durability/tracked-writes.ts";
import { sql } from "../product/product.ts";
import { inWarehouse, type Tables, tablesOf } from "./open-tables.ts";

const table = "tracked";
const rowsEach = 10;
/** Results of SQL have no field ids. */
export const nameMapping = JSON.stringify([
  { "field-id": 1, names: ["id"] },
  { "field-id": 2, names: ["name"] },
]);
const attemptsMax = 50;

/** The product's tables, by requests to its gateway; the warehouse's files by storaged's. */
export function tablesAt(url: string, ns = "open"): Tables {
  const at = ({ bucket, key }: { bucket?: string; key: string }, verb: "put" | "get") =>
    `${url}/v1/storage/${verb}/${key}?bucket=${bucket}`;
  const storage = {
    write: async (object: { bucket?: string; key: string; bytes: Uint8Array }) => {
      const answer = await fetch(at(object, "put"), { method: "PUT", body: object.bytes as BodyInit });
      if (!answer.ok) throw new Error(await answer.text());
    },
    read: async (object: { bucket?: string; key: string }) => {
      const answer = await fetch(at(object, "get"));
      if (!answer.ok) throw new Error(await answer.text());
      return { bytes: new Uint8Array(await answer.arrayBuffer()) };
    },
  };
  const send = (request: Request) =>
    fetch(new Request(request.url.replace("http://localhost", url), request));
  return tablesOf(send, storage as unknown as Parameters<typeof tablesOf>[1], ns);
}

export async function rowsAsParquet(
  url: string,
  { first, rows }: { first: number; rows: number },
): Promise<Uint8Array> {
  const select = `SELECT (${first} + i)::BIGINT AS id, 'n' || i AS name FROM range(${rows}) r(i)`;
  const answer = await fetch(`${url}/v1/sql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/vnd.apache.parquet" },
    body: JSON.stringify({ sql: select }),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return new Uint8Array(await answer.arrayBuffer());
}

/** Puts a file at its address in the warehouse. */
export async function putFile(url: string, address: string, bytes: Uint8Array): Promise<void> {
  const put = await fetch(`${url}/v1/storage/put/${inWarehouse(address)}?bucket=warehouse`, {
    method: "PUT",
    body: bytes as BodyInit,
  });
  if (!put.ok) throw new Error(await put.text());
}

/** Adds the rows n * 1000 and on, again where another writer was first. Resolves with the commit's answer. */
export async function appendRows(
  url: string,
  tables: Tables,
  { name, n, rows = rowsEach }: { name: string; n: number; rows?: number },
): Promise<Response> {
  const bytes = await rowsAsParquet(url, { first: n * 1000, rows });
  let answer = await tables.ask("GET", `/namespaces/open/tables/${name}`);
  if (answer.status !== 200) return Response.json(answer.body, { status: answer.status });
  const { location } = answer.body.metadata;
  const path = `${n}-${crypto.randomUUID()}.parquet`;
  await putFile(url, `${location}/data/${path}`, bytes);
  for (let attempt = 1; ; attempt++) {
    const { metadata } = answer.body;
    const id = 1 + Math.floor(Math.random() * 2 ** 52);
    const file = { path, rows, bytes: bytes.length };
    const place = `${location}/metadata/${id}`;
    const made = await tables.append(name, metadata, [file], {
      ...{ id, manifestPath: `${place}-m.avro`, listPath: `${place}-list.avro` },
    });
    if (made.status !== 409 || attempt === attemptsMax)
      return Response.json(made.body, { status: made.status });
    answer = await tables.ask("GET", `/namespaces/open/tables/${name}`);
  }
}

export const openTable: TrackedWrite = {
  name: "table",
  prepare: (url) => tablesAt(url).make(table, { "schema.name-mapping.default": nameMapping }),
  act: (url, n) => appendRows(url, tablesAt(url), { name: table, n }),
  find: async (url, n) => {
    const range = `id BETWEEN ${n * 1000} AND ${n * 1000 + 999}`;
    const [row] = await sql<{ n: number }>(
      url,
      `SELECT count(*)::INTEGER AS n FROM open.${table} WHERE ${range}`,
    );
    return row?.n === 0 ? absent : row;
  },
  expected: () => ({ n: rowsEach }),
};
