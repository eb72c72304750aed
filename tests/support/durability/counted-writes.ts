/** Writes that can be counted afterwards: how often the n-th of a kind was carried out. */

import { ingest, sql } from "../product/product.ts";
import { json, noise } from "./tracked-writes.ts";

export interface CountedWrite {
  name: string;
  /** Whose end may take it along. */
  services: readonly string[];
  /** Needed before the first one. */
  prepare?: (url: string) => Promise<unknown>;
  /** Needed before the n-th. */
  ready?: (url: string, n: number) => Promise<unknown>;
  act: (url: string, n: number, headers: Record<string, string>) => Promise<Response>;
  times: (url: string, n: number) => Promise<number>;
}

async function read<T>(url: string, path: string): Promise<T> {
  const answer = await fetch(url + path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

async function whole(answer: Promise<Response>): Promise<Record<string, unknown>> {
  const { ok, status, text } = await answer.then(async (response) => ({
    ok: response.ok,
    status: response.status,
    text: await response.text(),
  }));
  if (!ok) throw new Error(`${status} ${text}`);
  return text === "" ? {} : JSON.parse(text);
}

const isThere = async (url: string, path: string): Promise<number> => {
  const { status } = await fetch(url + path);
  if (status === 200) return 1;
  if (status === 404) return 0;
  throw new Error(`${path}: ${status}`);
};

const post = (url: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
  json(url, path, body, { headers });
const remove = (url: string, path: string, headers: Record<string, string>) =>
  fetch(url + path, { method: "DELETE", headers });
const tagged = async (url: string, tag: string): Promise<number> => {
  const found = await whole(post(url, "/v1/pathway/search", { tags: [tag] }));
  return (found.results as unknown[]).length;
};
const playbooks = new Map<number, string>();
const objects = new Map<number, { key: string; bytes: number; etag: string }>();

export const countedWrites: readonly CountedWrite[] = [
  {
    name: "trace",
    services: ["pathwayd"],
    act: (url, n, headers) =>
      post(url, "/v1/pathway/add", { content: { text: noise(n, 300) }, tags: [`a${n}`] }, headers),
    times: (url, n) => tagged(url, `a${n}`),
  },
  {
    name: "replay",
    services: ["pathwayd"],
    ready: (url, n) => whole(post(url, "/v1/pathway/add", { uid: `r${n}`, content: n })),
    act: (url, n, headers) => post(url, "/v1/pathway/replay", { uid: `r${n}` }, headers),
    times: async (url, n) =>
      (await read<{ replay_count: number }>(url, `/v1/pathway/get/r${n}`)).replay_count,
  },
  {
    name: "revision",
    services: ["pathwayd"],
    ready: (url, n) => whole(post(url, "/v1/pathway/add", { uid: `v${n}`, content: n })),
    act: (url, n, headers) =>
      post(url, "/v1/pathway/revise", { uid: `v${n}`, content: { n }, tags: [`v${n}`] }, headers),
    times: (url, n) => tagged(url, `v${n}`),
  },
  {
    name: "event",
    services: ["observerd"],
    act: (url, n, headers) =>
      post(
        url,
        "/v1/observer/event",
        { endpoint: "/v1/sql", source: "mcp", success: true, duration_ms: 5, run_id: `counted-${n}` },
        headers,
      ),
    times: async (url, n) =>
      (await read<{ events: unknown[] }>(url, `/v1/observer/events?run_id=counted-${n}`)).events.length,
  },
  {
    name: "append",
    services: ["ingestd", "catalogd", "storaged"],
    prepare: async (url) => whole(ingest(url, "name=counted", "id,word\n-1,none\n")),
    act: (url, n, headers) =>
      ingest(url, "name=counted&mode=append", `id,word\n${n},${noise(n, 50)}\n`, headers),
    times: async (url, n) => {
      const [row] = await sql<{ n: number }>(
        url,
        `SELECT count(*)::INTEGER AS n FROM counted WHERE id = ${n}`,
      );
      return row?.n ?? 0;
    },
  },
  {
    name: "registration",
    services: ["catalogd", "storaged"],
    ready: async (url, n) => {
      const answer = await whole(
        fetch(`${url}/v1/storage/put/counted/registered-${n}`, { method: "PUT", body: noise(n, 100) }),
      );
      objects.set(n, {
        key: answer.key as string,
        bytes: answer.bytes as number,
        etag: answer.etag as string,
      });
    },
    act: (url, n, headers) =>
      post(
        url,
        "/v1/catalog/register",
        {
          name: `registered_${n}`,
          columns: [{ name: "id", type: "BIGINT", nullable: true }],
          objects: [{ ...objects.get(n), row_count: 1, statistics: [] }],
        },
        headers,
      ),
    times: async (url, n) => {
      const answer = await fetch(`${url}/v1/catalog/manifest/registered_${n}`);
      if (answer.status === 404) return 0;
      return (await whole(Promise.resolve(answer))).version as number;
    },
  },
  {
    name: "drop",
    services: ["catalogd", "storaged"],
    ready: (url, n) => whole(ingest(url, `name=dropped_${n}`, `id\n${n}\n`)),
    act: (url, n, headers) => remove(url, `/v1/catalog/manifest/dropped_${n}`, headers),
    times: async (url, n) => 1 - (await isThere(url, `/v1/catalog/manifest/dropped_${n}`)),
  },
  {
    name: "object",
    services: ["storaged"],
    act: (url, n, headers) =>
      fetch(`${url}/v1/storage/put/counted/${n}`, { method: "PUT", body: noise(n, 5000), headers }),
    times: (url, n) => isThere(url, `/v1/storage/get/counted/${n}`),
  },
  {
    name: "deletion",
    services: ["storaged"],
    ready: (url, n) =>
      whole(fetch(`${url}/v1/storage/put/counted/deleted-${n}`, { method: "PUT", body: noise(n, 50) })),
    act: (url, n, headers) => remove(url, `/v1/storage/delete/counted/deleted-${n}`, headers),
    times: async (url, n) => 1 - (await isThere(url, `/v1/storage/get/counted/deleted-${n}`)),
  },
  {
    name: "vectors",
    services: ["vectord", "storaged"],
    prepare: (url) => whole(post(url, "/v1/vectors/index", { name: "counted", dimension: 3 })),
    act: (url, n, headers) =>
      post(url, "/v1/vectors/index/counted/add", { items: [{ id: `i${n}`, vector: [n, 1, 2] }] }, headers),
    times: (url, n) => isThere(url, `/v1/vectors/index/counted/items/i${n}`),
  },
  {
    name: "vectors taken out",
    services: ["vectord", "storaged"],
    ready: (url, n) =>
      whole(post(url, "/v1/vectors/index/counted/add", { items: [{ id: `o${n}`, vector: [n, 3, 2] }] })),
    act: (url, n, headers) => post(url, "/v1/vectors/index/counted/delete", { ids: [`o${n}`] }, headers),
    times: async (url, n) => 1 - (await isThere(url, `/v1/vectors/index/counted/items/o${n}`)),
  },
  {
    name: "index",
    services: ["vectord", "storaged"],
    act: (url, n, headers) => post(url, "/v1/vectors/index", { name: `counted-${n}`, dimension: 2 }, headers),
    times: (url, n) => isThere(url, `/v1/vectors/index/counted-${n}`),
  },
  {
    name: "playbook",
    services: ["matrixd"],
    prepare: async (url) => {
      await whole(ingest(url, "name=jobs", 'id,what\na,"forklift operators on nights"\nb,"nurses"\n'));
      const spec = { name: "jobs", dataset: "jobs", id_column: "id", text_columns: ["what"] };
      const { job_id } = await whole(post(url, "/v1/matrix/corpora", spec));
      await (await fetch(`${url}/v1/matrix/jobs/${job_id}/events`)).text();
    },
    act: (url, n, headers) => post(url, "/v1/matrix/playbooks/record", playbookOf(n, "p"), headers),
    times: async (url, n) =>
      (await read<{ playbooks: unknown[] }>(url, `/v1/matrix/playbooks?tag=p${n}`)).playbooks.length,
  },
  {
    name: "helpful",
    services: ["matrixd"],
    ready: async (url, n) => {
      const { playbook } = await whole(post(url, "/v1/matrix/playbooks/record", playbookOf(n, "h")));
      playbooks.set(n, (playbook as { playbook_id: string }).playbook_id);
    },
    act: (url, n, headers) =>
      post(url, `/v1/matrix/playbooks/${playbooks.get(n)}/helpful`, undefined, headers),
    times: async (url, n) =>
      (await read<{ helpful: number }>(url, `/v1/matrix/playbooks/${playbooks.get(n)}`)).helpful,
  },
  {
    name: "profile",
    services: ["matrixd"],
    act: (url, n, headers) =>
      json(
        url,
        `/v1/matrix/profiles/counted-${n}`,
        { corpora: ["jobs"], k: (n % 50) + 1 },
        { method: "PUT", headers },
      ),
    times: async (url, n) =>
      (await read<{ profiles: { name: string }[] }>(url, "/v1/matrix/profiles")).profiles.filter(
        ({ name }) => name === `counted-${n}`,
      ).length,
  },
];

const playbookOf = (n: number, tag: string) => ({
  query_text: `who has ${noise(n, 40)}`,
  answer_id: "a",
  corpus: "jobs",
  tags: [`${tag}${n}`],
});
