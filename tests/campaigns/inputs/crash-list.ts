/**
 * Statements and files that end, stall or bloat a bare DuckDB, each once, in an order by chance:
 * `bun tests/campaigns/inputs/crash-list.ts [--plain] [--listed] [--only PATTERN] [--count N] [--seed 1] [--timeout 4000]`.
 * With `--plain` each is given to DuckDB alone, and docs/crash-list.md lists those that it does not survive. Without, to the
 * product, beside sixteen callers: each must end in an answer or a clear error within its timeout and a second, the others
 * get all their answers, nothing is started anew, memory stays bounded, and no process is left behind; `--listed` takes
 * those of the list alone. Prints one JSON line; exits 1 when something was wrong.
 */
import { readdirSync, readFileSync } from "node:fs";
import { ownMemory } from "../../../runtime/child/child.ts";
import { startBackgroundLoad } from "../../support/campaigns/background-load.ts";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { readTable, writeTable } from "../../support/hard-inputs/crash-table.ts";
import { givePlain, hardInputs, inputOf, restarted, sendHard } from "../../support/hard-inputs/inputs.ts";
import { startProduct } from "../../support/product/product.ts";

const names = [...hardInputs.keys()];
const rules = campaignRules(names.length, ["timeout", "only"], ["plain", "listed"]);
const timeoutMs = Number(rules.given("timeout") ?? 4000);
const memoryBytes = 1e9;
/** For queries and for ingests half as much again as DuckDB's, and for all else what the services hold by themselves. */
const treeBytesMax = 2 * 1.5 * memoryBytes + 2e9;
const rows = await readTable();
/** Of names. */
const only = new RegExp(rules.given("only") ?? "");
const order = names
  .filter((name) => only.test(name) && (!rules.given("listed") || rows.has(name)))
  .map((name) => ({ name, at: rules.random() }))
  .sort((a, b) => a.at - b.at)
  .map(({ name }) => name);
const count = Math.min(rules.count, order.length);
const each = { rules: { ...rules, count }, goesOn: true } as const;

if (rules.given("plain")) {
  const outcomes = { survived: 0, listed: 0, wrong: [] as string[] };
  await runCampaign({
    ...each,
    name: "a bare DuckDB",
    outcomes,
    cycle: async (at) => {
      const name = order[at] ?? "";
      const outcome = await givePlain(name, { timeoutMs, memoryBytes });
      outcomes[outcome === "ended" ? "survived" : "listed"] += 1;
      const product = rows.get(name)?.product ?? "";
      if (outcome === "ended") rows.delete(name);
      else rows.set(name, { kind: inputOf(name).kind, plain: outcome, product });
      await writeTable(rows, names);
      return `${name}: ${outcome}`;
    },
    end: async () => undefined,
  });
}

const limit = `${memoryBytes / 1e6}MB`;
const product = await startProduct({
  env: { LH_QUERYD_MEMORY_LIMIT: limit, LH_INGESTD_MEMORY_LIMIT: limit },
});
const others = await startBackgroundLoad(product, 16);
const outcomes = { answered: 0, slowest_ms: 0, slowest: "", tree_mb: 0, wrong: [] as string[] };

const children = (): number[] =>
  readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        const stat = pid > 0 ? readFileSync(`/proc/${pid}/stat`, "latin1") : "";
        return Number(/\) \S (\d+)/.exec(stat)?.[1]) === product.pid;
      } catch {
        return false; // It ended meanwhile.
      }
    });
/** What each was answered. */
const answers = new Map<string, string>();
const measure = () => {
  const bytes = [product.pid, ...children()].reduce((sum, pid) => sum + ownMemory(pid), 0);
  outcomes.tree_mb = Math.max(outcomes.tree_mb, Math.round(bytes / 1e6));
};
const measuring = setInterval(measure, 250);

/** Of a statement that ends its process: when it has done so twice it is refused, for ten minutes. */
const killer = "50,000 fields of fields";
const refusedMs = 10 * 60_000;
let refusedSince = 0;
const askKiller = async (): Promise<string> => (await sendHard(product, killer, timeoutMs)).message;
/** On a busy machine its deadline may come first. */
const killTwice = async () => {
  for (let kills = 0, tries = 0; kills < 2 && tries < 20; tries++)
    if ((await askKiller()).includes("ended by SIG")) kills += 1;
};

await runCampaign({
  ...each,
  name: "the crash list",
  outcomes,
  cycle: async (at) => {
    if (at === 0) {
      await killTwice();
      const third = await askKiller();
      refusedSince = performance.now();
      if (!third.includes("it is refused for")) outcomes.wrong.push(`a killer was not refused: ${third}`);
    }
    const name = order[at] ?? "";
    others.slowest();
    const { outcome, isClear, message, ms } = await sendHard(product, name, timeoutMs).catch((cause) => ({
      outcome: "no answer",
      isClear: false,
      message: `${cause}`,
      ms: 0,
    }));
    // Others ask for little: what they wait for longest is how busy the machine is.
    const late = ms > timeoutMs + 1000 + others.slowest();
    if (!isClear) outcomes.wrong.push(`${name}: ${outcome} ${message}`);
    if (late) outcomes.wrong.push(`${name}: ended after ${ms} ms`);
    if (ms > outcomes.slowest_ms) Object.assign(outcomes, { slowest_ms: ms, slowest: name });
    answers.set(name, outcome.startsWith("200") ? "an answer" : outcome);
    return `${name}: ${outcome}, ${others.answered()} other answers`;
  },
  end: async () => {
    clearInterval(measuring);
    outcomes.wrong.push(...(await others.end()));
    outcomes.answered = others.answered();
    if (outcomes.tree_mb * 1e6 > treeBytesMax) outcomes.wrong.push(`all took ${outcomes.tree_mb} MB`);
    for (const service of await restarted(product)) outcomes.wrong.push(`${service} was started anew`);
    if (performance.now() - refusedSince > refusedMs && (await askKiller()).includes("it is refused for"))
      outcomes.wrong.push("a killer is refused for longer than it was told");
    // One is kept idle by each service that has any; others go half a minute after their work.
    for (let tries = 0; children().length > 2 && tries < 45; tries++) await Bun.sleep(1000);
    if (children().length > 2) outcomes.wrong.push(`${children().length} child processes are left`);
    await product.end();
    const listed = await readTable();
    for (const [name, row] of listed) row.product = answers.get(name) ?? row.product;
    await writeTable(listed, names);
  },
});
