/** A rotation of the token, step by step as an operator does it, while clients go on at a fixed rate. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { topology } from "../../../runtime/topology.ts";
import { seeded } from "../campaigns/seeded.ts";
import { ownAddress } from "../product/addresses.ts";
import { type Product, startProduct } from "../product/product.ts";
import { temporaryDirectory } from "../stacks/in-process.ts";

/** The processes: all services in one, or one each, where they reach each other over HTTP with the token. */
const names = Object.keys(topology);
const groups = { one: [names], apart: names.map((name) => [name]) };
export type Mode = keyof typeof groups;

export interface Lake {
  url: string;
  /** Every service's own address too. */
  addresses: string[];
  processes: Product[];
  /** Writes the file of tokens that every process reads. */
  tokens: (primary: string, secondary?: string) => void;
  /** What all of them printed. */
  printed: () => string;
  end: () => Promise<void>;
}

/** Bounds that a loaded machine meets sooner than a mistake in a rotation; a refusal for load is none of its failures. */
const roomy = {
  LH_STORAGED_MAX_CONCURRENT_PUTS: "5000",
  LH_QUERYD_MAX_WAITING_QUERIES: "50000",
  LH_VECTORD_MAX_WAITING: "50000",
  LH_GATEWAY_MAX_CONNECTIONS: "50000",
  LH_RPC_TIMEOUT_MS: "120000",
  LH_RPC_IN_FLIGHT_MAX: "50000",
};

export async function startLake(mode: Mode, token: string): Promise<Lake> {
  const home = temporaryDirectory("rotation");
  const file = join(home.path, "auth.env");
  const tokens = (primary: string, secondary?: string) => {
    const second = secondary === undefined ? "" : `AUTH_SECONDARY_TOKEN=${secondary}\n`;
    writeFileSync(file, `# of the rotation\nAUTH_TOKEN=${primary}\n${second}`, { mode: 0o600 });
    chmodSync(file, 0o600);
  };
  tokens(token);
  const binds = Object.fromEntries(names.map((name) => [`LH_${name.toUpperCase()}_BIND`, ownAddress()]));
  const env = { ...roomy, ...binds, LH_AUTH_ENV_FILE: file, LH_DATA_DIR: join(home.path, "data") };
  mkdirSync(join(home.path, "data"));
  const processes = await Promise.all(
    groups[mode].map((only) =>
      startProduct({ dataDir: home.path, env, flags: mode === "one" ? [] : ["--only", only.join(",")] }),
    ),
  );
  const addresses = Object.assign({}, ...processes.map((each) => each.addresses)) as Record<string, string>;
  return {
    url: addresses.gateway ?? "",
    addresses: Object.values(addresses),
    processes,
    tokens,
    printed: () => processes.map(({ log }) => log()).join(""),
    end: async () => {
      await Promise.all(processes.map((each) => each.end()));
      home.remove();
    },
  };
}

const reloads = ({ log }: Product) => log().split("configuration reloaded").length - 1;

/** Sends SIGHUP and waits until the process says that the configuration is read. */
export async function reload(product: Product): Promise<void> {
  const before = reloads(product);
  process.kill(product.pid, "SIGHUP");
  while (reloads(product) === before) {
    if (product.log().includes("configuration not reloaded")) throw new Error(product.log().slice(-500));
    await Bun.sleep(2);
  }
}

interface Kind {
  name: string;
  /** Of a hundred requests. */
  share: number;
  request: (n: number) => { path: string; init?: RequestInit };
}

const json = (body: object): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});
const vector = (n: number) => [Math.sin(n), Math.cos(n), 0.5, 1];

const kinds: Kind[] = [
  {
    name: "put",
    share: 10,
    request: (n) => ({
      path: `/v1/storage/put/rotation/${n % 50}`,
      init: { method: "PUT", body: `object ${n}` },
    }),
  },
  { name: "get", share: 25, request: () => ({ path: "/v1/storage/get/rotation/first" }) },
  {
    name: "sql",
    share: 10,
    request: () => ({ path: "/v1/sql", init: json({ sql: "SELECT count(*)::INTEGER AS n FROM people" }) }),
  },
  { name: "list", share: 20, request: () => ({ path: "/v1/catalog/list" }) },
  {
    name: "search",
    share: 10,
    request: (n) => ({
      path: "/v1/vectors/index/turning/search",
      init: json({ vector: vector(n), k: 1 }),
    }),
  },
  {
    name: "add",
    share: 5,
    request: (n) => ({
      path: "/v1/vectors/index/turning/add",
      init: json({ items: [{ id: `v${n % 100}`, vector: vector(n) }] }),
    }),
  },
  { name: "health", share: 20, request: () => ({ path: "/health" }) },
];

/** Each as often as its share says. */
const drawn = kinds.flatMap((kind) => Array.from({ length: kind.share }, () => kind));

export interface Outcome {
  sent: number;
  ok: Record<string, number>;
  failed: string[];
  /** How many were open at once, at most: more than a few tell of a machine too slow for the rate. */
  openMax: number;
}

/** What the requests need, once all services are ready: those in processes of their own wait for each other. */
export async function prepare({ url }: Lake, token: string): Promise<void> {
  const authorization = `Bearer ${token}`;
  while (!(await fetch(`${url}/readyz`, { headers: { authorization } })).ok) await Bun.sleep(50);
  const send = async (path: string, init: RequestInit) => {
    const headers = { ...(init.headers as Record<string, string>), authorization };
    const response = await fetch(url + path, { ...init, headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  };
  await send("/v1/storage/put/rotation/first", { method: "PUT", body: "the first" });
  await send("/v1/ingest?name=people&format=csv", { method: "POST", body: "id,name\n1,Ann\n2,Bo\n" });
  await send("/v1/vectors/index", json({ name: "turning", dimension: 4 }));
  await send("/v1/vectors/index/turning/add", json({ items: [{ id: "v0", vector: vector(0) }] }));
}

/** So many may be open at once: a machine that is too slow for the rate has fewer requests, not more of them at once. */
const openMost = 64;

/** Sends at a fixed rate at most, whether or not answers come; `stop` waits for those still open. */
export function startLoad(lake: Lake, options: { rate: number; seed: number; token: () => string }) {
  const random = seeded(options.seed);
  const outcome: Outcome = { sent: 0, ok: {}, failed: [], openMax: 0 };
  const open = new Set<Promise<void>>();
  let over = false;
  const one = async (number: number) => {
    const kind = drawn[Math.floor(random() * drawn.length)] as Kind;
    const { path, init = {} } = kind.request(number);
    const headers = { ...(init.headers as object), authorization: `Bearer ${options.token()}` };
    try {
      const response = await fetch(lake.url + path, { ...init, headers });
      const text = await response.text();
      if (response.ok) outcome.ok[kind.name] = (outcome.ok[kind.name] ?? 0) + 1;
      else outcome.failed.push(`${kind.name}: ${response.status} ${text.slice(0, 300)}`);
    } catch (cause) {
      outcome.failed.push(`${kind.name}: ${String(cause)}`);
    }
  };
  const pace = async () => {
    while (!over) {
      if (open.size < openMost) {
        const sent = one(outcome.sent++).finally(() => open.delete(sent));
        open.add(sent);
        outcome.openMax = Math.max(outcome.openMax, open.size);
      }
      await Bun.sleep(1000 / options.rate);
    }
  };
  const pacing = pace();
  return {
    /** Resolves when so many more have been sent. */
    sent: async (more: number) => {
      const enough = outcome.sent + more;
      while (outcome.sent < enough) await Bun.sleep(2);
    },
    /** Resolves when all that is open now has been answered. */
    answered: async () => void (await Promise.all([...open])),
    stop: async (): Promise<Outcome> => {
      over = true;
      await pacing;
      await Promise.all(open);
      return outcome;
    },
  };
}

/**
 * The whole rotation under load: both tokens everywhere, clients move, services move, the old one goes. Each process
 * is told at a time of its own, in an order that `seed` gives. Between the steps as much plain load as the rate gives in
 * `stepMs`, and until what was sent before has been answered: on a busy machine a token may be on its way for longer.
 */
export async function rotateUnderLoad(
  lake: Lake,
  tokens: { old: string; next: string },
  { rate, seed, stepMs }: { rate: number; seed: number; stepMs: number },
): Promise<Outcome> {
  const random = seeded(seed);
  let client = tokens.old;
  const load = startLoad(lake, { rate, seed, token: () => client });
  const plain = () => load.sent(Math.ceil((rate * stepMs) / 1000));
  const step = async (primary: string, secondary?: string) => {
    await plain();
    await load.answered();
    lake.tokens(primary, secondary);
    const order = lake.processes.map((each) => ({ each, at: random() })).sort((a, b) => a.at - b.at);
    for (const { each } of order) {
      await reload(each);
      await Bun.sleep(random() * 20);
    }
  };
  await step(tokens.old, tokens.next);
  client = tokens.next;
  await step(tokens.next, tokens.old);
  await step(tokens.next);
  await plain();
  return load.stop();
}

/** The status that every service's own port and the gateway give to a token. */
export const statusesOf = (lake: Lake, token: string): Promise<number[]> =>
  Promise.all(
    lake.addresses.map(async (address) => {
      const response = await fetch(`${address}/metrics`, { headers: { authorization: `Bearer ${token}` } });
      return response.status;
    }),
  );
