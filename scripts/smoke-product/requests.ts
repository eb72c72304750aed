/** The two requests most smokes make. */
import type { Answer, Lake } from "./product.ts";
import { expectStatus } from "./stage.ts";

/** Uploads as `curl -F file=@…` does; `query` begins with `name=…`. */
export function ingest(
  { send }: Lake,
  query: string,
  content: string | Blob,
  path = "/v1/ingest",
): Promise<Answer> {
  const form = new FormData();
  form.set("file", typeof content === "string" ? new Blob([content]) : content, "file.csv");
  return send(`${path}?${query}`, { method: "POST", body: form });
}

/** Sends a statement; `more` are further fields of the body, such as `params`. */
export const sql = (
  { send }: Lake,
  statement: string,
  more: object = {},
  headers: Record<string, string> = {},
): Promise<Answer> =>
  send("/v1/sql", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ sql: statement, ...more }),
  });

/** The rows of a statement that must succeed. */
export async function rows(lake: Lake, statement: string, more?: object): Promise<unknown[]> {
  const answer = await sql(lake, statement, more);
  expectStatus(answer, 200);
  return answer.body as unknown[];
}

/** A dataset name that is not in use, so that a smoke may look at a lake with data in it. */
export const freshName = (): string => `smoke_${crypto.randomUUID().replaceAll("-", "").slice(0, 12)}`;

/** Takes the dataset away again. */
export async function drop({ send }: Lake, name: string): Promise<void> {
  expectStatus(await send(`/v1/catalog/manifest/${name}`, { method: "DELETE" }), 200);
}
