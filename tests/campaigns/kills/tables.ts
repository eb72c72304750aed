/**
 * Writers commit to one open table at once while the product is killed and started again, or its S3 server fails:
 * `bun tests/campaigns/kills/tables.ts [--count 3] [--writers 16] [--ours 4] [--pyiceberg 0] [--spark 0] [--commits 50]
 * [--changers 4] [--kills 3] [--s3 rgw|seaweedfs] [--faults 0] [--seed 1]`. Of the writers some ingest, some are PyIceberg or
 * Spark, as they are installed from their registries, and the others speak the protocol themselves. Each commit is made again
 * until the table has it. Changers upsert, update and delete rows of their own by the product's verbs, each once by its
 * Idempotency-Key. None may be lost or be there twice, history is one line, and whoever reads meanwhile sees whole commits
 * alone. Prints one JSON line; exits 1 when anything differs.
 */
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { ownAddress } from "../../support/product/addresses.ts";
import { sql, startProduct } from "../../support/product/product.ts";
import { type Rule, startFaultyProxy } from "../../support/s3/faulty-proxy.ts";
import { bucketFlags } from "../../support/s3/lake.ts";
import { s3Names, testS3 } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import {
  byEngine,
  byIngest,
  byProtocol,
  idOf,
  once,
  persist,
  rowsEach,
  type Written,
} from "../../support/tables/table-writers.ts";
import { nameMapping, rowsAsParquet, tablesAt } from "../../support/tables/tracked-table.ts";

// biome-ignore format: one line.
const numbers = { writers: 16, ours: 4, pyiceberg: 0, spark: 0, commits: 50, changers: 4, kills: 3, faults: 0 };
const rules = campaignRules(3, [...Object.keys(numbers), "s3"]);
const number = (name: keyof typeof numbers) => Number(rules.given(name) ?? numbers[name]);
const [writers, commits] = [number("writers"), number("commits")];
const [kills, changers] = [number("kills"), number("changers")];
const outcomes = {
  acknowledged: 0,
  conflicts: 0,
  unknown: 0,
  changes: 0,
  refused: 0,
  reads: 0,
  faults: 0,
  reasons: {},
  wrong: [] as string[],
};
const { wrong } = outcomes;
const home = temporaryDirectory("campaign-tables");
const asked = rules.given("s3");
const server = s3Names.find((name) => name === asked);
if (asked !== undefined && !server) throw new Error(`--s3: expected one of ${s3Names.join(", ")}`);
const s3 = server && (await testS3(server));
const proxy = s3 && (await startFaultyProxy(s3.endpoint));
const place = s3 && { ...s3, endpoint: proxy?.endpoint ?? s3.endpoint };
const flags = place ? await bucketFlags(home.path, { primary: place, warehouse: place }) : [];
/** Engines of others know it by one address, whenever it was started. */
const env = { LH_GATEWAY_BIND: ownAddress() };
const start = () => startProduct({ dataDir: home.path, env, flags });
let product = await start();
/** Of the product as it is now; while it is down requests fail, and are made again. */
let up = Promise.withResolvers<void>();
up.resolve();
const written: Written = { url: () => product.url, up: () => up.promise, outcomes };

/** What befalls requests to S3 of the product and of engines. Those of conditional PUTs are about the commit itself. */
const faults: readonly Rule[] = [
  { times: 3, fault: { kind: "status", status: 503 } },
  { times: 3, fault: { kind: "status", status: 500 } },
  { times: 2, fault: { kind: "drop" } },
  { method: "PUT", times: 2, fault: { kind: "lose" } },
  { method: "PUT", conditional: true, times: 1, fault: { kind: "lose" } },
  { method: "PUT", conditional: true, times: 6, fault: { kind: "status", status: 500 } },
  { method: "GET", times: 2, fault: { kind: "cut", bytes: 100 } },
];

/** Rows of changers have ids of their own: no writer has them. */
const changedFrom = 1_000_000;
const changedId = (changer: number, at: number): number => changedFrom + changer * 10_000 + at;
/** Each third row goes again. */
const isDeleted = (at: number): boolean => at % 3 === 2;

async function change(name: string, verb: string, body: object): Promise<void> {
  await once(written, {
    path: `/v1/catalog/datasets/open.${name}/${verb}`,
    body: JSON.stringify(body),
    type: "application/json",
    onConflict: () => {
      outcomes.refused += 1;
    },
  });
  outcomes.changes += 1;
}

async function changeRows(name: string, changer: number): Promise<void> {
  for (let at = 0; at < commits; at++) {
    const id = changedId(changer, at);
    await change(name, "upsert", { key: ["id"], rows: [{ id, name: "a" }] });
    await change(name, "update", { set: { name: "name || 'b'" }, where: `id = ${id}` });
    if (isDeleted(at)) await change(name, "delete", { where: `id = ${id}` });
  }
}

/** Rows of changers: each once, with what was set once, and none that was deleted. */
async function verifyChanges(name: string): Promise<void> {
  const where = `id >= ${changedFrom}`;
  const rows = await sql(product.url, `SELECT id, name FROM open.${name} WHERE ${where} ORDER BY id`);
  const expected = Array.from({ length: changers }, (_, changer) =>
    Array.from({ length: commits }, (_, at) => at)
      .filter((at) => !isDeleted(at))
      .map((at) => ({ id: changedId(changer, at), name: "ab" })),
  ).flat();
  if (!Bun.deepEquals(rows, expected))
    wrong.push(
      `${name}: ${rows.length} of ${expected.length} changed rows: ${JSON.stringify(rows).slice(0, 500)}`,
    );
}
const changesEach = Array.from({ length: commits }, (_, at) => (isDeleted(at) ? 3 : 2)).reduce(
  (a, b) => a + b,
  0,
);

type Kind = "ours" | "pyiceberg" | "spark" | "protocol";
/** Of each writer. */
const kindOf: Kind[] = (["ours", "pyiceberg", "spark"] as const)
  .flatMap((kind) => Array.from({ length: number(kind) }, (): Kind => kind))
  .concat(Array.from({ length: writers }, () => "protocol"))
  .slice(0, writers);

/** All commits of all writers. */
async function write(name: string): Promise<void> {
  const file = await rowsAsParquet(product.url, { first: 0, rows: rowsEach });
  const engines = (["pyiceberg", "spark"] as const).map((engine) =>
    byEngine(written, name, {
      ...{ engine, commits, first: kindOf.indexOf(engine) },
      count: kindOf.filter((kind) => kind === engine).length,
    }),
  );
  const here = kindOf.map(async (kind, writer) => {
    for (let at = 0; at < commits; at++)
      if (kind === "ours") await byIngest(written, name, idOf(writer, at));
      else if (kind === "protocol") await byProtocol(written, name, { id: idOf(writer, at), file });
  });
  await Promise.all([...engines, ...here]);
}

/** What the table says in the end. */
async function verify(name: string): Promise<void> {
  const { body } = await tablesAt(product.url).ask("GET", `/namespaces/open/tables/${name}`);
  const { snapshots, "current-snapshot-id": current, "last-sequence-number": last } = body.metadata;
  const idsOf = (kinds: readonly Kind[]) =>
    kindOf.flatMap((kind, writer) =>
      kinds.includes(kind) ? Array.from({ length: commits }, (_, at) => idOf(writer, at)) : [],
    );
  const expected = idsOf(["protocol"]);
  const byId = new Map<number, { "parent-snapshot-id"?: number; "sequence-number": number }>(
    snapshots.map((snapshot: { "snapshot-id": number }) => [snapshot["snapshot-id"], snapshot]),
  );
  const line: number[] = [];
  for (let at: number | undefined = current; at !== undefined && line.length <= snapshots.length; ) {
    line.push(at);
    at = byId.get(at)?.["parent-snapshot-id"];
  }
  const all = writers * commits + changers * changesEach;
  const inLine = new Set(line);
  if (line.length !== all || inLine.size !== all || !expected.every((id) => inLine.has(id)))
    wrong.push(`${name}: its line has ${inLine.size} of ${all}`);
  if (snapshots.length !== all || last !== all)
    wrong.push(`${name}: ${snapshots.length} snapshots, the last of number ${last}`);
  const numbers = line.map((id) => byId.get(id)?.["sequence-number"] ?? 0);
  if (numbers.some((each, at) => each !== all - at)) wrong.push(`${name}: numbers have gaps`);
  const named = snapshots.flatMap(
    ({ summary }: { summary: { campaign?: string } }) => summary.campaign ?? [],
  );
  const ofEngines = idsOf(["pyiceberg", "spark"]).map(String).sort();
  if (!Bun.deepEquals(named.sort(), ofEngines))
    wrong.push(`${name}: ${named.length} of ${ofEngines.length} snapshots of engines`);
  const counts = await sql<{ id: number; n: number }>(
    product.url,
    `SELECT id, count(*)::INTEGER AS n FROM open.${name} WHERE id < ${changedFrom} GROUP BY id ORDER BY id`,
  );
  const rowsOf = [
    ...(expected.length === 0
      ? []
      : Array.from({ length: rowsEach }, (_, id) => ({ id, n: expected.length }))),
    ...idsOf(["ours", "pyiceberg", "spark"]).map((id) => ({ id, n: rowsEach })),
  ];
  if (!Bun.deepEquals(counts, rowsOf)) {
    const known = new Set(rowsOf.map(({ id, n }) => `${id}: ${n}`));
    const odd = counts.map(({ id, n }) => `${id}: ${n}`).filter((each) => !known.has(each));
    wrong.push(`${name}: ${counts.length} of ${rowsOf.length} ids, not as written: ${odd.slice(0, 20)}`);
  }
  await verifyChanges(name);
  const list = await fetch(`${product.url}/v1/catalog/versions/open.${name}?page_size=1`);
  const { versions } = (await list.json()) as { versions: { version: number }[] };
  // The one that made it, and one for each.
  if (versions[0]?.version !== all + 1) wrong.push(`${name}: version ${versions[0]?.version}`);
}

await runCampaign({
  name: "tables",
  rules,
  outcomes,
  cycle: async (cycle) => {
    const name = `t${cycle}`;
    const random = seeded(rules.seed + cycle);
    await tablesAt(product.url).make(name, { "schema.name-mapping.default": nameMapping });
    const before = outcomes.acknowledged;
    const all = writers * commits;
    let over = false;
    const writing = Promise.all([
      write(name),
      ...Array.from({ length: changers }, (_, changer) => changeRows(name, changer)),
    ]);
    const reading = (async () => {
      for (let most = 0; !over; ) {
        const [row] = await persist(written, () =>
          sql<{ n: number }>(
            product.url,
            `SELECT count(*)::INTEGER AS n FROM open.${name} WHERE id < ${changedFrom}`,
          ),
        );
        outcomes.reads += 1;
        const n = row?.n ?? -1;
        if (n % rowsEach !== 0 || n < most) wrong.push(`${name}: ${n} rows after ${most}`);
        most = n;
        await Bun.sleep(500);
      }
    })();
    const turns = (count: number) =>
      Array.from({ length: count }, () => Math.floor(random() * all)).sort((a, b) => a - b);
    const reached = async (turn: number) => {
      while (outcomes.acknowledged - before < Math.min(turn, all - 1)) await Bun.sleep(2);
    };
    const failing = (async () => {
      for (const turn of turns(number("faults"))) {
        await reached(turn);
        proxy?.add(faults[Math.floor(random() * faults.length)] as Rule);
        outcomes.faults += 1;
      }
    })();
    for (const turn of turns(kills)) {
      await reached(turn);
      await Bun.sleep(random() * 50);
      up = Promise.withResolvers<void>();
      await product.end("SIGKILL");
      product = await start();
      up.resolve();
    }
    await Promise.all([failing, writing]);
    over = true;
    await reading;
    proxy?.clear();
    await verify(name);
    return `${writers} writers of ${commits} commits, ${changers} changers of ${commits} rows, ${kills} kills`;
  },
  end: async () => {
    await product.end();
    home.remove();
    await proxy?.stop();
    await s3?.stop();
  },
});
