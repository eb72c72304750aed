/**
 * Statements and files that crash, stall or bloat a plain engine, each once, in an order by chance, while sixteen others go
 * on asking: `bun tests/campaigns/hard-inputs.ts [--count 180] [--seed 1] [--timeout 4000]`. Each must end in an answer or a
 * clear error, a statement within its timeout and a second; the others get all their answers, nothing is started anew,
 * memory stays bounded, and no process is left behind. Prints one JSON line; exits 1 when something was wrong.
 */
import { readdirSync, readFileSync } from "node:fs";
import { campaignRules, runCampaign } from "../support/campaign.ts";
import { hardFiles } from "../support/hard-files.ts";
import { askBeside, hardInputs, restarted, sendHard } from "../support/hard-inputs.ts";
import { memoryOf, startProduct } from "../support/product.ts";

const rules = campaignRules(hardInputs.length, ["timeout"]);
const timeoutMs = Number(rules.given("timeout") ?? 4000);
/** Of the process of all services: what it holds by itself, an upload's pieces, trees of statements of a megabyte. */
const memoryMax = 2 * 1024 ** 3;
const order = hardInputs
  .map((name) => ({ name, at: rules.random() }))
  .sort((a, b) => a.at - b.at)
  .map(({ name }) => name);
const product = await startProduct();
const others = askBeside(product, 16);
const outcomes = { answered: 0, slowest_ms: 0, slowest: "", peak_mb: 0, wrong: [] as string[] };

const children = (): number =>
  readdirSync("/proc").filter((pid) => {
    try {
      return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1]) === product.pid;
    } catch {
      return false;
    }
  }).length;

await runCampaign({
  name: "hard inputs",
  rules: { ...rules, count: Math.min(rules.count, order.length) },
  outcomes,
  cycle: async (at) => {
    const name = order[at] ?? "";
    const begun = performance.now();
    const wrong = await sendHard(product, name, timeoutMs).catch((cause) => `${cause}`);
    const ms = Math.round(performance.now() - begun);
    if (wrong !== undefined) outcomes.wrong.push(`${name}: ${wrong}`);
    if (!hardFiles.has(name) && ms > timeoutMs + 1000) outcomes.wrong.push(`${name}: ended after ${ms} ms`);
    if (ms > outcomes.slowest_ms) Object.assign(outcomes, { slowest_ms: ms, slowest: name });
    const { peak } = await memoryOf(product.pid);
    outcomes.peak_mb = Math.round(peak / 1e6);
    if (peak > memoryMax) outcomes.wrong.push(`${name}: the services took ${outcomes.peak_mb} MB`);
    return `${name}, ${others.answered()} other answers`;
  },
  end: async () => {
    outcomes.wrong.push(...(await others.end()));
    outcomes.answered = others.answered();
    for (const service of await restarted(product)) outcomes.wrong.push(`${service} was started anew`);
    // One is kept idle by each service that has any; others go half a minute after their work.
    for (let tries = 0; children() > 2 && tries < 45; tries++) await Bun.sleep(1000);
    if (children() > 2) outcomes.wrong.push(`${children()} child processes are left`);
    await product.end();
  },
});
