/**
 * Statements put together by chance that read a file somewhere within, by every way to write its path:
 * `bun tests/campaigns/inputs/escapes.ts [--count 100] [--seed 1]`. A cycle is 100 of them. Each must be refused, without a byte of
 * the file and without a path that was not in the statement. Prints one JSON line; exits 1 when something was wrong.
 */
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { fileStatementByChance, waysToWrite } from "../../support/hard-inputs/file-statements.ts";
import { startQuerydStack } from "../../support/stacks/queryd.ts";

const rules = campaignRules(100);
const canary = "canary-7f3a91";
const stack = await startQuerydStack();
await stack.dataset("workers", "SELECT range AS id, 'n' || range AS name FROM range(10)");
const { objects } = await stack.dataset("gone", `SELECT '${canary}' AS id`);
const found = await stack.storaged.peer.verbs.locate({ key: objects[0]?.key ?? "" });
await stack.catalogd.peer.verbs.drop({ name: "gone" });
const dropped = found.kind === "local" ? found.path : "";
const names = [dropped, `${stack.directory}/buckets/primary/_catalog/**/*.parquet`].flatMap(waysToWrite);
const outcomes = { statements: 0, wrong: [] as string[] };

await runCampaign({
  name: "escapes",
  rules,
  outcomes,
  cycle: async () => {
    for (let round = 0; round < 100; round++) {
      const { sql, name } = fileStatementByChance(rules.random, names);
      const response = await stack.sql(sql);
      const text = await response.text();
      const rest = text.replaceAll(JSON.stringify(name).slice(1, -1), "");
      outcomes.statements += 1;
      if (!/^40[03]$/.test(`${response.status}`) || text.includes(canary) || rest.includes(stack.directory))
        outcomes.wrong.push(`${sql}: ${response.status} ${text.slice(0, 300)}`);
    }
    return `${outcomes.statements} statements`;
  },
  end: () => stack.stop(),
});
