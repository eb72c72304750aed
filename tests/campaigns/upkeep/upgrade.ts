/**
 * A store that an earlier version wrote is started over by this one: `bun tests/campaigns/upkeep/upgrade.ts [--datasets 1000]
 * [--from COMMIT] [--count 1] [--seed 1]`. The earlier version, by default the last one before datasets were Iceberg tables,
 * comes from this repository. Every value of every dataset must be the same, each
 * version must be readable, and engines must find the tables. Prints one JSON line with the seconds; exits 1 when anything differs.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import pMap from "p-map";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(1, ["datasets", "from"]);
const datasets = Number(rules.given("datasets") ?? 1000);
const from = rules.given("from") ?? "b8fbe77a";
const root = join(import.meta.dir, "../../..");
/** Requests at once. */
const concurrency = 4;
const outcomes = {
  ...{ datasets, from, objects: 0, rows: 0, seconds: {} as Record<string, number>, wrong: [] as string[] },
};
const home = temporaryDirectory("upgrade");

/** The earlier version's tree, with its packages. */
async function earlier(): Promise<string> {
  const tree = join(home.path, "tree");
  for (const command of [
    ["git", "clone", "-q", "--shared", "--no-checkout", root, tree],
    ["git", "-C", tree, "checkout", "-q", from],
    // Not the packages that are here: its child processes may read below its tree alone.
    [process.execPath, "install", "--frozen-lockfile", "--production", "--cwd", tree],
  ]) {
    const { exitCode, stderr } = Bun.spawnSync(command);
    if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  }
  return tree;
}

const nameOf = (at: number): string => `d${String(at).padStart(5, "0")}`;
/** Files that a dataset gets, one after the other: some grow, some are replaced. */
const filesOf = (at: number): string[] =>
  at % 10 === 1 ? ["replace", "append", "append"] : at % 10 === 2 ? ["replace", "replace"] : ["replace"];

function csvOf(at: number, part: number): string {
  const random = seeded(rules.seed * 1_000_003 + at * 10 + part);
  const rows = Array.from({ length: 3 + Math.floor(random() * 20) }, (_, row) => {
    const whole = BigInt(Math.floor(random() * 2 ** 50)) * 4096n - BigInt(row);
    const day = new Date(Date.UTC(1950, 0, 1 + Math.floor(random() * 40_000))).toISOString().slice(0, 10);
    const cells = [row, whole, random() * 10 ** (row - 8), (random() * 1000).toFixed(2), day];
    const text = random() < 0.1 ? "" : `"né ${row}, ""${Math.floor(random() * 1e6)}"" 🚀"`;
    return [...cells, random() < 0.5, text].join(",");
  });
  return `id,whole,real,money,day,flag,text\n${rows.join("\n")}\n`;
}

async function load(product: Product): Promise<void> {
  await pMap(
    Array.from({ length: datasets }, (_, at) => at),
    async (at) => {
      for (const [part, mode] of filesOf(at).entries()) {
        const answer = await ingest(product.url, `name=${nameOf(at)}&mode=${mode}`, csvOf(at, part));
        if (!answer.ok) throw new Error(`${nameOf(at)}: ${answer.status} ${await answer.text()}`);
        outcomes.objects += 1;
      }
    },
    { concurrency },
  );
}

/** All rows of each dataset, in the words of the answer. */
async function valuesOf({ url }: Product): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  await pMap(
    Array.from({ length: datasets }, (_, at) => nameOf(at)),
    async (name) => {
      const answer = await fetch(`${url}/v1/sql`, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "text/csv" },
        body: JSON.stringify({ sql: `FROM ${name} ORDER BY ALL` }),
      });
      found.set(name, `${answer.status} ${await answer.text()}`);
    },
    { concurrency },
  );
  return found;
}

/** Starts it and has it answer: the seconds until then. */
async function timed(what: string, start: () => Promise<Product>): Promise<Product> {
  const begun = performance.now();
  const product = await start();
  while (!(await fetch(`${product.url}/readyz`)).ok) await Bun.sleep(10);
  outcomes.seconds[what] = Math.round((performance.now() - begun) / 10) / 100;
  return product;
}

function compare(
  what: string,
  wanted: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): void {
  for (const [name, text] of wanted)
    if (found.get(name) !== text)
      outcomes.wrong.push(`${what}: ${name}: ${found.get(name)?.slice(0, 300)} for ${text.slice(0, 300)}`);
}

/** The versions that a dataset has, and that engines are given its table. */
async function checkTables({ url }: Product): Promise<void> {
  await pMap(
    Array.from({ length: datasets }, (_, at) => at),
    async (at) => {
      const name = nameOf(at);
      const versions = (await (await fetch(`${url}/v1/catalog/versions/${name}`)).json()) as {
        versions: unknown[];
      };
      const loaded = await fetch(`${url}/iceberg/v1/main/namespaces/main/tables/${name}`);
      const table = (await loaded.json()) as { metadata?: { snapshots: unknown[] } };
      const wanted = filesOf(at).length;
      const [made, shown] = [versions.versions?.length, table.metadata?.snapshots.length];
      if (made !== wanted || shown !== wanted)
        outcomes.wrong.push(
          `${name}: ${made} versions and ${shown} snapshots of ${wanted}: ${loaded.status}`,
        );
    },
    { concurrency },
  );
}

await runCampaign({
  name: "upgrade",
  rules,
  outcomes,
  cycle: async (cycle) => {
    const tree = await earlier();
    const dataDir = join(home.path, `store-${cycle}`);
    mkdirSync(dataDir, { recursive: true });
    const before = await timed("old, empty", () => startProduct({ dataDir, tree }));
    await load(before);
    const wanted = await valuesOf(before);
    await before.end();
    const again = await timed("old, full", () => startProduct({ dataDir, tree }));
    await again.end();
    for (const text of wanted.values()) outcomes.rows += text.split("\n").length - 2;
    const first = await timed("upgrade", () => startProduct({ dataDir }));
    compare("upgraded", wanted, await valuesOf(first));
    await checkTables(first);
    await ingest(first.url, `name=${nameOf(0)}&mode=append`, csvOf(0, 0));
    await first.end();
    const second = await timed("new, full", () => startProduct({ dataDir }));
    wanted.delete(nameOf(0));
    compare("restarted", wanted, await valuesOf(second));
    await second.end();
    return `${datasets} datasets, ${outcomes.seconds.upgrade} s`;
  },
  end: async () => home.remove(),
});
