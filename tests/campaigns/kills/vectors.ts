/**
 * Kills the product with SIGKILL at random instants while items are added, replaced and deleted, searches run,
 * checkpoints and compactions follow each other, and memory and quantization change, on disk or with the primary bucket on a real S3 server:
 * `bun tests/campaigns/kills/vectors.ts [--count 200] [--seed 1] [--s3 rgw|seaweedfs]`. After each restart every
 * acknowledged add must be there with its vector, every acknowledged delete must not, and a batch whose answer was not
 * seen must be there whole or not at all. Prints one JSON line; exits 1 when something was wrong.
 */
import { campaignRules, killDuring, runCampaign } from "../../support/campaigns/campaign.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { bucketFlags } from "../../support/s3/lake.ts";
import { s3Names, testS3 } from "../../support/s3/server.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(200, ["s3"]);
const { random } = rules;
const pick = (below: number) => Math.floor(random() * below);

const dimension = 8;
const index = "campaign";
const writers = 3;
const idsOfWriter = 60;
const home = temporaryDirectory("campaign-vectors");
const asked = rules.given("s3");
const server = s3Names.find((name) => name === asked);
if (asked !== undefined && !server) throw new Error(`--s3: expected one of ${s3Names.join(", ")}`);
const s3 = server && (await testS3(server));
/** Small, so that checkpoints and compactions are always near. */
const flags = [
  "--only",
  "storaged,vectord",
  "--vectord.checkpoint_segments=6",
  "--vectord.compact_deleted_percent=20",
  ...(s3 ? await bucketFlags(home.path, { primary: s3 }) : []),
];

/** id to the version of its vector; what a writer knows is stored. */
type State = Map<string, number>;
interface Change {
  upserts: [id: string, version: number][];
  deletes: string[];
}
interface Writer {
  number: number;
  stored: State;
  /** Sent, and not answered yet. */
  open: Change | undefined;
  version: number;
}

const vectorOf = (id: string, version: number): number[] => {
  const next = seeded(Bun.hash.crc32(`${id} ${version}`));
  return Array.from({ length: dimension }, () => Math.fround(next() - 0.5));
};

const after = (state: State, { upserts, deletes }: Change): State => {
  const next = new Map(state);
  for (const id of deletes) next.delete(id);
  for (const [id, version] of upserts) next.set(id, version);
  return next;
};

const settings = [
  { memory: "codes" },
  { memory: "graph", quantization: "i8" },
  { quantization: "bf16" },
  { memory: "all", quantization: "f32" },
];

const outcomes = {
  acknowledged: 0,
  refused: 0,
  changed: 0,
  unanswered: 0,
  kept: 0,
  lost: 0,
  searches: 0,
  wrong: [] as string[],
};

async function post(address: string, path: string, body: object, method = "POST"): Promise<Response> {
  return fetch(`${address}/vectors${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

function planned(writer: Writer): Change {
  const ids = Array.from({ length: 1 + pick(12) }, () => `w${writer.number}-${pick(idsOfWriter)}`);
  const unique = [...new Set(ids)];
  if (random() < 0.3) return { upserts: [], deletes: unique };
  return { upserts: unique.map((id) => [id, ++writer.version]), deletes: [] };
}

async function write(address: string, writer: Writer): Promise<void> {
  for (;;) {
    const change = planned(writer);
    writer.open = change;
    const { upserts, deletes } = change;
    const items = upserts.map(([id, version]) => ({
      id,
      vector: vectorOf(id, version),
      metadata: { version },
    }));
    const [path, body] = items.length > 0 ? ["add", { items }] : ["delete", { ids: deletes }];
    const response = await post(address, `/index/${index}/${path}`, body);
    const text = await response.text();
    if (response.status === 503 && JSON.parse(text).error.type === "unavailable") {
      // Nothing of it was done: the index is being opened with other settings.
      writer.open = undefined;
      outcomes.refused += 1;
      await Bun.sleep(5);
      continue;
    }
    if (!response.ok) {
      // Whether it was done is seen after the kill.
      if (response.status < 429) outcomes.wrong.push(`${path}: ${response.status} ${text.slice(0, 300)}`);
      return;
    }
    writer.stored = after(writer.stored, change);
    outcomes.acknowledged += 1;
    writer.open = undefined;
  }
}

async function searchAndCompact(address: string): Promise<void> {
  for (let turn = 0; ; turn++) {
    const path = turn % 10 === 9 ? "compact" : "search";
    const body = path === "search" ? { vector: vectorOf("any", turn), k: 5 } : {};
    const response = await post(address, `/index/${index}/${path}`, body);
    const text = await response.text();
    if (response.ok) outcomes.searches += 1;
    else if (response.status < 429) outcomes.wrong.push(`${path}: ${response.status} ${text.slice(0, 300)}`);
    if (turn % 10 !== 4) continue;
    const changed = await post(address, `/index/${index}`, settings[pick(4)] ?? {}, "PATCH");
    if (changed.ok) outcomes.changed += 1;
    else if (changed.status < 429) outcomes.wrong.push(`change: ${changed.status} ${await changed.text()}`);
  }
}

/** Everything that is there, by scrolling; and each item where a search looks for it. */
async function found(address: string): Promise<Map<string, number[]>> {
  const items = new Map<string, number[]>();
  for (let token: string | undefined; ; ) {
    const page = { include: ["vector"], page_size: 100, ...(token !== undefined && { page_token: token }) };
    const response = await post(address, `/index/${index}/items/scroll`, page);
    const text = await response.text();
    if (!response.ok) throw new Error(`scroll: ${response.status} ${text}`);
    const { items: some, next_page_token } = JSON.parse(text);
    for (const { id, vector } of some) {
      if (items.has(id)) outcomes.wrong.push(`${id} is there twice`);
      items.set(id, vector);
    }
    if (next_page_token === undefined) return items;
    token = next_page_token;
  }
}

const isState = (there: ReadonlyMap<string, number[]>, state: State): boolean =>
  there.size === state.size &&
  [...state].every(([id, version]) => {
    const vector = there.get(id);
    return vector !== undefined && vectorOf(id, version).every((value, at) => value === vector[at]);
  });

async function searchable(address: string, state: State): Promise<void> {
  for (const [id, version] of [...state].slice(0, 4)) {
    for (const exact of [false, true]) {
      const body = { vector: vectorOf(id, version), k: 1, exact };
      const { results } = (await (await post(address, `/index/${index}/search`, body)).json()) as {
        results: { id: string; distance: number }[];
      };
      if (results[0]?.id !== id) outcomes.wrong.push(`${id} is stored, and a search finds ${results[0]?.id}`);
    }
  }
}

async function verify(address: string, all: Writer[], cycle: number): Promise<void> {
  const there = await found(address);
  for (const writer of all) {
    const own = new Map([...there].filter(([id]) => id.startsWith(`w${writer.number}-`)));
    const { open } = writer;
    writer.open = undefined;
    const isAsBefore = isState(own, writer.stored);
    if (open) outcomes.unanswered += 1;
    if (isAsBefore) {
      if (open) outcomes.lost += 1;
    } else if (open && isState(own, after(writer.stored, open))) {
      outcomes.kept += 1;
      writer.stored = after(writer.stored, open);
    } else {
      outcomes.wrong.push(`cycle ${cycle}: what writer ${writer.number} stored is not what is there`);
      return;
    }
    await searchable(address, writer.stored);
  }
}

const all: Writer[] = Array.from({ length: writers }, (_, number) => ({
  number,
  stored: new Map(),
  open: undefined,
  version: 0,
}));
let product: Product = await startProduct({ dataDir: home.path, flags });
const address = () => product.addresses.vectord ?? "";
await (await post(address(), "/index", { name: index, dimension })).text();
await runCampaign({
  name: "vectors",
  rules,
  outcomes,
  cycle: async (cycle) => {
    const loads = [...all.map((writer) => write(address(), writer)), searchAndCompact(address())];
    await killDuring(product, loads, {
      acknowledged: () => outcomes.acknowledged,
      moreMs: random() * (s3 ? 3000 : 300),
    });
    product = await startProduct({ dataDir: home.path, flags });
    await verify(address(), all, cycle);
    return `${outcomes.acknowledged} acknowledged`;
  },
  end: async () => {
    await product.end();
    home.remove();
    await s3?.stop();
  },
});
