/** The vector requests that several smokes make. */
import type { Answer, Lake } from "./product.ts";
import { expectStatus } from "./stage.ts";

export interface Hit {
  id: string;
  distance: number;
  score: number;
  metadata?: Record<string, unknown>;
}

/** Sends JSON. */
export const postJson = ({ send }: Lake, path: string, body: object): Promise<Answer> =>
  send(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

export const createIndex = (lake: Lake, settings: object): Promise<Answer> =>
  postJson(lake, "/v1/vectors/index", settings);

export const addItems = (lake: Lake, name: string, items: object[]): Promise<Answer> =>
  postJson(lake, `/v1/vectors/index/${name}/add`, { items });

/** The hits of a search that must succeed. */
export async function searchHits(lake: Lake, name: string, search: object): Promise<Hit[]> {
  const answer = await postJson(lake, `/v1/vectors/index/${name}/search`, search);
  expectStatus(answer, 200);
  return (answer.body as { results: Hit[] }).results;
}

/** Vectors of texts by the default model. */
export async function embed(
  lake: Lake,
  texts: string[],
): Promise<{ dimension: number; vectors: number[][] }> {
  const answer = await postJson(lake, "/v1/embed", { texts });
  expectStatus(answer, 200);
  return answer.body as { dimension: number; vectors: number[][] };
}

export async function dropIndex({ send }: Lake, name: string): Promise<void> {
  expectStatus(await send(`/v1/vectors/index/${name}`, { method: "DELETE" }), 200);
}
