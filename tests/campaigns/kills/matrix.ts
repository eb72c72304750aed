/**
 * Kills the product with SIGKILL at random instants while a corpus is built, refreshed and searched:
 * `bun tests/campaigns/kills/matrix.ts [--count 100] [--seed 1]`. Every search, before and after a restart, must see one
 * state of the dataset whole: that of the last job that was seen to end, or of the one that was under way. What a
 * killed job left must go, here and in vectord, and the job must be told as interrupted. Prints one JSON line; exits 1
 * when something was wrong.
 */
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(100);
const { random } = rules;
const flags = ["--only", "gateway,storaged,catalogd,ingestd,queryd,vectord,embedd,pathwayd,matrixd"];
const home = temporaryDirectory("campaign-matrix");
const outcomes = {
  kept: 0,
  replaced: 0,
  ended: 0,
  searches: 0,
  interrupted: 0,
  /** Rows that an approximate search did not find and an exact one did. */
  graph_misses: 0,
  wrong: [] as string[],
};
const wrong = (what: string) => outcomes.wrong.push(what);

/** The rows of a version: some come, some go, and a fifth of those that stay has another text. */
function rowsOf(version: number): Map<string, string> {
  const rows = new Map<string, string>();
  for (let at = (version * 13) % 60; at < 560 + ((version * 29) % 60); at++) {
    const mark = Math.floor((version + (at % 5)) / 5);
    rows.set(String(at), `worker number${at} mark${mark}`);
  }
  return rows;
}
const csvOf = (rows: Map<string, string>) =>
  `id,text,state\n${[...rows].map(([id, text]) => `${id},${text},IL\n`).join("")}`;

let product: Product;
async function call(method: string, path: string, body?: object) {
  const response = await fetch(`${product.url}/v1${path}`, {
    method,
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

/** All texts that a search by words finds; undefined when it was refused for a good reason. */
async function texts(): Promise<Map<string, string> | undefined> {
  const search = { query_text: "worker", corpora: ["c"], k: 1000, mode: "lexical", include_text: true };
  const { status, body } = await call("POST", "/matrix/search", search);
  if (status !== 200) return undefined;
  outcomes.searches += 1;
  return new Map(body.hits.map(({ id, text }: { id: string; text: string }) => [id, text]));
}

const isSame = (one: Map<string, string>, other: Map<string, string>): boolean =>
  one.size === other.size && [...one].every(([id, text]) => other.get(id) === text);

/** Searches until the process is gone: each sees one of two states. */
async function searchOn(states: Map<string, string>[]): Promise<void> {
  for (;;) {
    const found = await texts();
    if (found && !states.some((state) => isSame(found, state)))
      wrong(`a search saw ${found.size} rows that are no state`);
  }
}

async function untilSwept(rows: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { body } = await call("GET", "/vectors/index");
    const [index, ...others] = body.indexes as { count: number }[];
    if (others.length === 0 && index?.count === rows) return;
    if (tries === 200) {
      wrong(
        `vectord holds ${JSON.stringify(body.indexes.map(({ name, count: n }: { name: string; count: number }) => [name, n]))} for ${rows} rows`,
      );
      return;
    }
    await Bun.sleep(25);
  }
}

/** Rows of the state are found by their vectors too: by the graph, or, where that misses one, by comparing all. */
async function nearby(state: Map<string, string>): Promise<void> {
  const { body: corpus } = await call("GET", "/matrix/corpora/c");
  for (const [id, text] of [...state].filter(() => random() < 0.01)) {
    const search = { query_text: text, corpora: ["c"], k: 1, mode: "vector" };
    const { body } = await call("POST", "/matrix/search", search);
    if (body.hits?.[0]?.id === id) continue;
    outcomes.graph_misses += 1;
    const { body: embedded } = await call("POST", "/embed", { text });
    const exact = { vector: embedded.vectors[0], k: 1, exact: true };
    const { body: nearest } = await call("POST", `/vectors/index/${corpus.index}/search`, exact);
    if (!(nearest.results?.[0]?.score > 0.9999)) wrong(`'${text}' has no vector: ${JSON.stringify(nearest)}`);
  }
}

const specOf = (more: string[]) => ({
  name: "c",
  dataset: "people",
  id_column: "id",
  text_columns: ["text"],
  metadata_columns: more,
});

let state = rowsOf(0);
let cycle = 0;
let columns: string[] = [];
/** Within which the process is killed: it grows and shrinks until about half of the jobs end before. */
let windowMs = 0;

async function load(next: Map<string, string>): Promise<{ job: string | undefined; isEnded: boolean }> {
  const taken = { job: undefined as string | undefined, isEnded: false };
  const work = async () => {
    const { status, body } = await call("POST", "/matrix/corpora", specOf(columns));
    if (status !== 202) return wrong(`build: ${status} ${JSON.stringify(body)}`);
    taken.job = body.job_id;
    for (;;) {
      const { body: job } = await call("GET", `/matrix/jobs/${body.job_id}`);
      if (job.state === "failed") return wrong(`a job failed: ${JSON.stringify(job.error)}`);
      if (job.state === "done") break;
    }
    taken.isEnded = true;
  };
  const loads = [work(), searchOn([state, next])];
  for (const one of loads) one.catch(() => undefined);
  await Bun.sleep(random() * windowMs);
  await product.end("SIGKILL");
  await Promise.allSettled(loads);
  return taken;
}

async function verify(next: Map<string, string>, taken: Awaited<ReturnType<typeof load>>): Promise<void> {
  const { body: corpus } = await call("GET", "/matrix/corpora/c");
  const found = await texts();
  if (corpus.state !== "ready" || !found) return void wrong(`cycle ${cycle}: ${JSON.stringify(corpus)}`);
  const isNew = isSame(found, next);
  if (!isNew && !isSame(found, state))
    return void wrong(`cycle ${cycle}: ${found.size} rows that are no state`);
  if (taken.isEnded && !isNew) wrong(`cycle ${cycle}: what had ended is not there`);
  if (corpus.rows !== found.size) wrong(`cycle ${cycle}: ${corpus.rows} rows told, ${found.size} found`);
  outcomes[taken.isEnded ? "ended" : isNew ? "replaced" : "kept"] += 1;
  windowMs *= isNew ? 0.8 : 1.25;
  state = isNew ? next : state;
  if (taken.job !== undefined) {
    const { body: job } = await call("GET", `/matrix/jobs/${taken.job}`);
    if (job.error?.type === "interrupted") outcomes.interrupted += 1;
    else if (job.state !== "done") wrong(`cycle ${cycle}: a killed job is told as ${JSON.stringify(job)}`);
  }
  await nearby(state);
  await untilSwept(state.size);
}

const start = () => startProduct({ dataDir: home.path, flags });
product = await start();
await ingest(product.url, "name=people", csvOf(state));
const began = performance.now();
const { body: first } = await call("POST", "/matrix/corpora", specOf(columns));
while ((await call("GET", `/matrix/jobs/${first.job_id}`)).body.state !== "done") await Bun.sleep(5);
windowMs = (performance.now() - began) * 3;
await runCampaign({
  name: "matrix",
  rules,
  outcomes,
  cycle: async (at) => {
    cycle = at;
    const next = rowsOf(cycle + 1);
    await ingest(product.url, "name=people", csvOf(next));
    // Now and then other columns, so that a whole build takes the place of the old one.
    if (random() < 0.3) columns = columns.length === 0 ? ["state"] : [];
    const taken = await load(next);
    // Now and then the start, which clears away, is killed too.
    if (random() < 0.3) {
      product = await start();
      await Bun.sleep(random() * 50);
      await product.end("SIGKILL");
    }
    product = await start();
    await verify(next, taken);
    return `${outcomes.searches} searches checked`;
  },
  end: async () => {
    await product.end();
    home.remove();
  },
});
