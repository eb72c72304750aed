/**
 * Writers commit to one open table at once while the product is killed and started again:
 * `bun tests/campaigns/kills/tables.ts [--count 3] [--writers 16] [--commits 50] [--changers 4] [--kills 3] [--seed 1]`. Each
 * commit has a snapshot id of its own, and is tried again until the table has it. Changers upsert, update and delete rows of
 * their own by the product's verbs, each once by its Idempotency-Key. None may be lost or be there twice, history is one
 * line, and whoever reads meanwhile sees whole commits alone. Prints one JSON line; exits 1 when anything differs.
 */
import { campaignRules, runCampaign } from "../../support/campaigns/campaign.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { sql, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { nameMapping, putFile, rowsAsParquet, tablesAt } from "../../support/tables/tracked-table.ts";

const rules = campaignRules(3, ["writers", "commits", "changers", "kills"]);
const number = (name: "writers" | "commits" | "changers" | "kills", otherwise: number) =>
  Number(rules.given(name) ?? otherwise);
const [writers, commits, kills] = [number("writers", 16), number("commits", 50), number("kills", 3)];
const changers = number("changers", 4);
const rowsEach = 10;
const outcomes = {
  acknowledged: 0,
  conflicts: 0,
  unknown: 0,
  changes: 0,
  refused: 0,
  reads: 0,
  wrong: [] as string[],
};
const { wrong } = outcomes;
const home = temporaryDirectory("campaign-tables");
let product = await startProduct({ dataDir: home.path });
/** Of the product as it is now; while it is down requests fail, and are made again. */
let up = Promise.withResolvers<void>();
up.resolve();

const idOf = (writer: number, at: number): number => 1 + writer * 10_000 + at;

/** Works until it succeeds: a failure tells nothing of what was done. */
async function persist<T>(work: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    await up.promise;
    const found = await work().catch(() => undefined);
    if (found !== undefined) return found;
    await Bun.sleep(20);
  }
}

async function commit(name: string, id: number, file: Uint8Array): Promise<void> {
  let tries = 0;
  await persist(async () => {
    const tables = tablesAt(product.url);
    const loaded = await tables.ask("GET", `/namespaces/open/tables/${name}`);
    if (loaded.status !== 200) return undefined;
    const { metadata } = loaded.body;
    const has = (snapshot: { "snapshot-id": number }) => snapshot["snapshot-id"] === id;
    if (metadata.snapshots.some(has)) return true;
    const path = `${id}.parquet`;
    if (tries === 0) await putFile(product.url, `${metadata.location}/data/${path}`, file);
    tries += 1;
    const place = `${metadata.location}/metadata/${id}-${tries}`;
    const answer = await tables.append(name, metadata, [{ path, rows: rowsEach, bytes: file.length }], {
      ...{ id, manifestPath: `${place}-m.avro`, listPath: `${place}-list.avro` },
    });
    if (answer.status === 409) outcomes.conflicts += 1;
    else if (answer.status !== 200) outcomes.unknown += 1;
    return answer.status === 200 || undefined;
  });
  outcomes.acknowledged += 1;
}

/** Rows of changers have ids of their own: no writer's file holds them. */
const changedFrom = 1_000_000;
const changedId = (changer: number, at: number): number => changedFrom + changer * 10_000 + at;
/** Each third row goes again. */
const isDeleted = (at: number): boolean => at % 3 === 2;

/** One change, done once: after a refusal it is another request, after anything else the same one. */
async function change(name: string, verb: string, body: object): Promise<void> {
  let key = crypto.randomUUID();
  await persist(async () => {
    const answer = await fetch(`${product.url}/v1/catalog/datasets/open.${name}/${verb}`, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (answer.status === 409) {
      outcomes.refused += 1;
      key = crypto.randomUUID();
    } else if (answer.status >= 400 && answer.status < 500 && ![408, 429].includes(answer.status))
      wrong.push(`${name}: ${verb} ${JSON.stringify(body)}: ${answer.status} ${text.slice(0, 300)}`);
    return answer.ok || (answer.status < 500 && ![408, 409, 429].includes(answer.status)) || undefined;
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

/** What the table says in the end. */
async function verify(name: string): Promise<void> {
  const { body } = await tablesAt(product.url).ask("GET", `/namespaces/open/tables/${name}`);
  const { snapshots, "current-snapshot-id": current, "last-sequence-number": last } = body.metadata;
  const expected = Array.from({ length: writers }, (_, writer) =>
    Array.from({ length: commits }, (_, at) => idOf(writer, at)),
  ).flat();
  const byId = new Map<number, { "parent-snapshot-id"?: number; "sequence-number": number }>(
    snapshots.map((snapshot: { "snapshot-id": number }) => [snapshot["snapshot-id"], snapshot]),
  );
  const line: number[] = [];
  for (let at: number | undefined = current; at !== undefined && line.length <= snapshots.length; ) {
    line.push(at);
    at = byId.get(at)?.["parent-snapshot-id"];
  }
  const all = expected.length + changers * changesEach;
  const inLine = new Set(line);
  if (line.length !== all || inLine.size !== all || !expected.every((id) => inLine.has(id)))
    wrong.push(`${name}: its line has ${inLine.size} of ${all}`);
  if (snapshots.length !== all || last !== all)
    wrong.push(`${name}: ${snapshots.length} snapshots, the last of number ${last}`);
  const numbers = line.map((id) => byId.get(id)?.["sequence-number"] ?? 0);
  if (numbers.some((each, at) => each !== all - at)) wrong.push(`${name}: numbers have gaps`);
  const [row] = await sql<{ n: number }>(
    product.url,
    `SELECT count(*)::INTEGER AS n FROM open.${name} WHERE id < ${changedFrom}`,
  );
  await verifyChanges(name);
  if (row?.n !== expected.length * rowsEach) wrong.push(`${name}: ${row?.n} rows`);
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
    const file = await rowsAsParquet(product.url, { first: 0, rows: rowsEach });
    const before = outcomes.acknowledged;
    const all = writers * commits;
    let over = false;
    const writing = Promise.all([
      ...Array.from({ length: writers }, async (_, writer) => {
        for (let at = 0; at < commits; at++) await commit(name, idOf(writer, at), file);
      }),
      ...Array.from({ length: changers }, (_, changer) => changeRows(name, changer)),
    ]);
    const reading = (async () => {
      for (let most = 0; !over; ) {
        const [row] = await persist(() =>
          sql<{ n: number }>(
            product.url,
            `SELECT count(*)::INTEGER AS n FROM open.${name} WHERE id < ${changedFrom}`,
          ),
        );
        outcomes.reads += 1;
        const n = row?.n ?? -1;
        if (n % rowsEach !== 0 || n < most) wrong.push(`${name}: ${n} rows after ${most}`);
        most = n;
        await Bun.sleep(50);
      }
    })();
    const turns = Array.from({ length: kills }, () => Math.floor(random() * all)).sort((a, b) => a - b);
    for (const turn of turns) {
      while (outcomes.acknowledged - before < Math.min(turn, all - 1)) await Bun.sleep(2);
      await Bun.sleep(random() * 50);
      up = Promise.withResolvers<void>();
      await product.end("SIGKILL");
      product = await startProduct({ dataDir: home.path });
      up.resolve();
    }
    await writing;
    over = true;
    await reading;
    await verify(name);
    return `${writers} writers of ${commits} commits, ${changers} changers of ${commits} rows, ${kills} kills`;
  },
  end: async () => {
    await product.end();
    home.remove();
  },
});
