/**
 * Stops and restarts queryd and ingestd while queries and uploads are in flight, in one process that must never
 * abort nor keep threads or memory: `bun tests/campaigns/kills/restarts.ts [--count 100] [--seed 1]`. Prints one JSON line;
 * exits 1 when the process ended or an answer with status 200 was not whole.
 */
import { workersPieces } from "../../../scripts/sample-data/make-workers.ts";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { type Figures, startKillable } from "../../support/product/killable.ts";

const rules = campaignRules(100);
const { count, random } = rules;
const product = await startKillable();
const { url } = product;
const csv = Buffer.concat([...workersPieces({ rows: 20_000, seed: 3 })]);
const outcomes = {
  answered: 0,
  refused: 0,
  cut: 0,
  wrong: [] as string[],
  samples: [] as Figures[],
};
let over = false;

const upload = (name: string) =>
  fetch(`${url}/v1/ingest?name=${name}&format=csv`, { method: "POST", body: csv });
const query = (sql: string, accept: string) =>
  fetch(`${url}/v1/sql`, {
    method: "POST",
    body: JSON.stringify({ sql }),
    headers: { "content-type": "application/json", accept },
  });

/** Repeats a request until the end; whatever ends with 200 must be whole. */
async function load(request: () => Promise<Response>, isWhole: (text: string) => boolean): Promise<void> {
  while (!over) {
    try {
      const response = await request();
      const text = await response.text();
      const mayFail = response.status >= 500 || response.status === 499;
      if (response.ok ? !isWhole(text) : !mayFail)
        outcomes.wrong.push(`${response.status} ${text.slice(0, 300)}`);
      else outcomes[response.ok ? "answered" : "refused"] += 1;
      if (!response.ok) await Bun.sleep(20);
    } catch {
      outcomes.cut += 1;
    }
  }
}

const seeded = await upload("base");
if (!seeded.ok) throw new Error(await seeded.text());
const lines = "SELECT worker_id, name FROM base CROSS JOIN range(20)";
const loads = [
  load(
    () => query("SELECT count(*) AS n FROM base", "application/json"),
    (text) => text === '[{"n":20000}]',
  ),
  load(
    () => query("SELECT count(*) AS n FROM base a, base b WHERE a.zip < b.zip", "application/json"),
    (text) => text.startsWith('[{"n":'),
  ),
  load(
    () => query(lines, "application/x-ndjson"),
    (text) => text.split("\n").length - 1 === 400_000,
  ),
  load(
    () => query(lines, "text/csv"),
    (text) => text.split("\n").length - 1 === 400_001,
  ),
  load(
    () => upload("changing"),
    (text) => JSON.parse(text).rows_loaded === 20_000,
  ),
];

await runCampaign({
  name: "restarts",
  rules,
  outcomes,
  cycle: async (cycle) => {
    if (cycle % Math.ceil(count / 8) === 0) outcomes.samples.push(await product.figures());
    await Bun.sleep(random() * 200);
    const names = random() < 0.34 ? ["queryd"] : random() < 0.5 ? ["ingestd"] : ["queryd", "ingestd"];
    const restarts: number[] = [];
    for (const name of names) restarts.push((await product.status(name))?.restarts ?? 0);
    for (const name of names) product.kill(name);
    for (const [at, name] of names.entries()) await product.restarted(name, restarts[at] ?? 0);
    return `${outcomes.answered} answered`;
  },
  end: async () => {
    over = true;
    await Promise.all(loads);
    outcomes.samples.push(await product.figures());
    const check = await (await query("SELECT count(*) AS n FROM base", "application/json")).text();
    if (check !== '[{"n":20000}]') outcomes.wrong.push(check);
    const code = await product.stop();
    if (code !== 0) outcomes.wrong.push(`the product ended with ${code}`);
  },
});
