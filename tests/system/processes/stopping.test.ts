/** A stop of the whole product while queries, streams and long polls are open: each has a clear end, at every door. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startOllama } from "../../support/model-servers/ollama.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { type ModelServer, startModelServer } from "../../support/stacks/chatd.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("stopping");
let models: ModelServer;
let homes = 0;
beforeAll(async () => {
  models = await startModelServer();
});
afterAll(async () => {
  await models.stop();
  home.remove();
});

/** A product with the model server, whose drain takes `drainMs`. */
function start(drainMs: number, env: Record<string, string> = {}): Promise<Product> {
  const dataDir = join(home.path, String(++homes));
  mkdirSync(dataDir);
  const ollama = `[providers.ollama]\nkind = "ollama"\nbase_url = "${models.url}"\n`;
  writeFileSync(join(dataDir, "lakehouse.toml"), ollama);
  return startProduct({ dataDir, env: { ...env, LH_SUPERVISOR_STOP_TIMEOUT_MS: String(drainMs) } });
}

const post = (url: string, body: object) =>
  fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    keepalive: false,
  });

/** The error of an answer, with its status. */
const errorOf = async (response: Response) => {
  const { error } = (await response.json()) as { error: { type: string; code: unknown } };
  return [response.status, error.type];
};

/** Longer than any drain. */
const endless =
  "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range % 7 = b.range % 11";

test("what is open when the time to drain is over is answered, and streams end as they say", async () => {
  const product = await start(100);
  const { url, addresses } = product;
  const queries = [
    post(`${url}/v1/sql`, { sql: endless }),
    post(`${addresses.queryd}/sql`, { sql: endless }),
  ];
  const running = async () => {
    const { queries } = (await (await fetch(`${url}/v1/sql/queries`)).json()) as {
      queries: { state: string }[];
    };
    return queries.filter(({ state }) => state === "running").length;
  };
  while ((await running()) < queries.length) await Bun.sleep(5);
  const messages = [{ role: "user", content: "hello" }];
  const chats = await Promise.all(
    [`${url}/v1/chat`, `${url}/v1/chat/completions`, `${addresses.chatd}/chat/completions`].map((door) =>
      post(door, { model: "held@2", stream: true, messages }),
    ),
  );
  const plain = post(`${url}/v1/chat`, { model: "held", messages });
  await models.until({ held: 4 });
  const ended = product.end();
  for (const query of queries) expect(await errorOf(await query)).toEqual([503, "unavailable"]);
  expect(await errorOf(await plain)).toEqual([503, "unavailable"]);
  for (const chat of chats) {
    const text = await chat.text();
    expect(text).toMatch(
      /\nevent: error\ndata: [^\n]*the service stopped before the answer was complete[^\n]*\n\n$/,
    );
    expect(text).not.toContain("[DONE]");
  }
  expect(await ended).toBe(0);
  await models.release();
});

test("a stop does not wait for those who follow a job, through the gateway or not", async () => {
  const ollama = await startOllama();
  const product = await start(600_000, { LH_EMBEDD_OLLAMA_URL: ollama.url });
  const { url, addresses } = product;
  expect((await ingest(url, "name=people", "id,text\n1,Ann\n")).status).toBe(200);
  await ollama.hold();
  const corpus = { name: "people", dataset: "people", id_column: "id", text_columns: ["text"] };
  const built = await post(`${url}/v1/matrix/corpora`, { ...corpus, model: "ollama/nomic-embed-text" });
  const { job_id } = (await built.json()) as { job_id: string };
  const followers = await Promise.all(
    [`${url}/v1`, addresses.matrixd].map((door) => fetch(`${door}/matrix/jobs/${job_id}/events`)),
  );
  await ollama.arrived(1);
  const ended = product.end();
  for (const follower of followers) expect(await follower.text()).not.toMatch(/event: (done|failed)/);
  expect(await ended).toBe(0);
  await ollama.stop();
});
