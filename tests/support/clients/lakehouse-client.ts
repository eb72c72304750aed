/**
 * What the client does in a runtime of its own: `RUNTIME BUNDLE URL TOKEN` asks the product and prints what it was answered,
 * as JSON. Bundled before, for Node takes no TypeScript.
 */
import { createClient, LakehouseError, type Row } from "../../../api/client/lakehouse/lakehouse.ts";

const [url = "", token = ""] = process.argv.slice(2);
const lake = createClient({ url, token });

const errorOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (cause) => (cause instanceof LakehouseError ? `${cause.type} ${cause.status}` : cause.name),
  );

async function firstRows(): Promise<unknown[]> {
  const found: Row[] = [];
  for await (const row of lake.rows("SELECT range AS n FROM range(1000000)")) {
    found.push(row);
    if (found.length === 2) break;
  }
  return found;
}

async function answer(): Promise<string> {
  let text = "";
  const messages = [{ role: "user", content: "?" }];
  for await (const { choices } of lake.chat({ model: "ollama/good", messages }))
    text += choices[0]?.delta.content ?? "";
  return text;
}

async function arrowBytes(): Promise<number> {
  let count = 0;
  const response = await lake.result("SELECT 1 AS one", "arrow");
  for await (const chunk of lake.bytes(response)) count += chunk.length;
  return count;
}

async function jobEvents(id: string): Promise<string | undefined> {
  let last: string | undefined;
  for await (const { event } of lake.events(await lake.ingestd.events({ id }))) last = event;
  return last;
}

function stopped(): Promise<string> {
  const stopping = new AbortController();
  const slow = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b";
  const asked = errorOf(lake.sql(slow, { signal: stopping.signal }));
  setTimeout(() => stopping.abort(), 1);
  return asked;
}

async function isDoneOnce(): Promise<boolean> {
  const idempotencyKey = crypto.randomUUID();
  const add = () => lake.pathwayd.add({ content: { text: "a note" }, tags: ["client"] }, { idempotencyKey });
  const [first, second] = [await add(), await add()];
  return first.uid === second.uid;
}

const loaded = await lake.load({ name: "from_client" }, "id,name\n1,Ann\n2,Łukasz\n");
const sql = "SELECT id, name FROM from_client WHERE id > $1";
const found = {
  loaded: loaded.rows_loaded,
  job: await jobEvents(loaded.job_id),
  rows: await lake.sql(sql, { params: [1] }),
  firstRows: await firstRows(),
  hasArrow: (await arrowBytes()) > 100,
  answer: await answer(),
  isListed: (await lake.catalogd.list()).datasets.some(({ name }) => name === "from_client"),
  isReady: (await lake.gateway.system()).ready,
  isDoneOnce: await isDoneOnce(),
  errors: {
    statement: await errorOf(lake.sql("SELECT * FROM nothing_here")),
    token: await errorOf(createClient({ url, token: "wrong" }).catalogd.list()),
    nobody: await errorOf(createClient({ url: "http://127.0.0.1:1", retries: 0 }).catalogd.list()),
    stopped: await stopped(),
  },
};
process.stdout.write(JSON.stringify(found));
