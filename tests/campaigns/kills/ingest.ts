/**
 * Sends staffing files to the running product by curl, kills it with SIGKILL as soon as the answer is there, starts it
 * again, and reads everything back: `bun tests/campaigns/kills/ingest.ts [--count 3] [--rows 500000] [--seed 1]`. Rows are
 * counted, groups compared with a count made from the file's own rows, and every value as text with the file's text,
 * in the order of the file. Prints one JSON line; exits 1 when anything differs.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { workerColumns, workerRow, workersPieces } from "../../../scripts/sample-data/make-workers.ts";
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { type Product, sql, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(3, ["rows"]);
const rows = Number(rules.given("rows") ?? 500_000);
const flags = [`--ingestd.max_ingest_bytes=${2 ** 40}`];
const groupedBy = ["state", "role", "shift", "active"] as const;
const outcomes = { rows, wrong: [] as string[] };
const { wrong } = outcomes;
const home = temporaryDirectory("campaign-ingest");
const file = join(home.path, "workers.csv");

async function writeFile(seed: number): Promise<void> {
  // A writer does not shorten a file that is there.
  rmSync(file, { force: true });
  const sink = Bun.file(file).writer();
  for (const piece of workersPieces({ rows, seed })) {
    sink.write(piece);
    await sink.flush();
  }
  await sink.end();
}

/** What the product reads of the dataset must be what the generator wrote. */
async function verify({ url }: Product, name: string, seed: number): Promise<void> {
  const counted = await post(url, `SELECT count(*) FROM ${name}`);
  const expected = `[{"count_star()":${rows}}]`;
  if ((await counted.text()) !== expected) wrong.push(`${name}: count(*) is not ${expected}`);
  const groups = groupedBy.map(() => new Map<string, number>());
  const fields = workerColumns.map((column) => `CAST("${column}" AS VARCHAR) AS "${column}"`).join(", ");
  const answer = await post(
    url,
    `SELECT ${fields} FROM ${name} ORDER BY ${name}.worker_id`,
    "application/x-ndjson",
  );
  let row = 0;
  for await (const line of linesOf(answer)) {
    const read: Record<string, string | null> = JSON.parse(line);
    const written = workerRow(seed, row);
    for (const [at, column] of workerColumns.entries()) {
      if (read[column] !== (written[at] === "" ? null : written[at]))
        wrong.push(`${name}: row ${row}, ${column}: ${read[column]} is not ${written[at]}`);
    }
    for (const [at, column] of groupedBy.entries()) {
      const value = written[workerColumns.indexOf(column)] ?? "";
      groups[at]?.set(value, (groups[at]?.get(value) ?? 0) + 1);
    }
    row += 1;
  }
  if (row !== rows) wrong.push(`${name}: ${row} rows of ${rows} were read`);
  for (const [at, column] of groupedBy.entries()) {
    const found = await sql<{ value: string; n: number }>(
      url,
      `SELECT CAST(${column} AS VARCHAR) AS value, count(*) AS n FROM ${name} GROUP BY ALL`,
    );
    const same =
      found.length === groups[at]?.size && found.every(({ value, n }) => groups[at]?.get(value) === n);
    if (!same) wrong.push(`${name}: the counts by ${column} differ`);
  }
}

const post = (url: string, statement: string, accept = "application/json"): Promise<Response> =>
  fetch(`${url}/v1/sql`, {
    method: "POST",
    headers: { "content-type": "application/json", accept },
    body: JSON.stringify({ sql: statement }),
  });

async function* linesOf(answer: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of answer.body as ReadableStream<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") wrong.push(`the answer ended within a line: ${rest.slice(0, 200)}`);
}

let product = await startProduct({ dataDir: home.path, flags });
await runCampaign({
  name: "ingest",
  rules,
  outcomes,
  cycle: async (cycle) => {
    const [seed, name] = [rules.seed + cycle, `workers_${cycle}`];
    await writeFile(seed);
    const url = `${product.url}/v1/ingest?name=${name}`;
    const curl = Bun.spawn(["curl", "--silent", "--form", `file=@${file}`, url], { stdout: "pipe" });
    const answer = await new Response(curl.stdout).text();
    await product.end("SIGKILL");
    product = await startProduct({ dataDir: home.path, flags });
    if (answer.includes(`"rows_loaded":${rows},`)) await verify(product, name, seed);
    else wrong.push(`${name}: the answer was '${answer.slice(0, 500)}'`);
    return `${rows} rows each`;
  },
  end: async () => {
    await product.end();
    home.remove();
  },
});
