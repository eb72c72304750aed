/**
 * Kills the product with SIGKILL at random instants while traces are added, updated, revised, retired and replayed, and
 * the log is compacted by itself and on demand: `bun tests/campaigns/kills/pathway.ts [--count 100] [--seed 1]`. After each
 * restart every acknowledged change must be there, in order; one whose answer was not seen must be there whole or not at
 * all; no retired or superseded trace may be found. Prints one JSON line; exits 1 when something was wrong.
 */
import { campaignRules, killDuring, runCampaign } from "../../support/campaigns/campaign.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(100);
const { random } = rules;
const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

const writers = 4;
/** Longest life after a start, in milliseconds. */
const lifeMs = 250;
/** Small, so that compactions are always near. */
const flags = [
  "--only",
  "pathwayd",
  "--pathwayd.compact_min_bytes=2000",
  "--pathwayd.compact_replay_percent=10",
];

interface Known {
  content: string;
  replays: number;
  retired: boolean;
  successor?: string | undefined;
}
type State = Map<string, Known>;
interface Change {
  verb: "add" | "update" | "revise" | "retire" | "replay";
  body: { uid: string; content?: string; new_uid?: string };
}
interface Writer {
  number: number;
  state: State;
  made: number;
  /** Sent, and not answered yet. */
  open: Change | undefined;
}
interface Trace extends Omit<Known, "replays"> {
  uid: string;
  replay_count: number;
}

const outcomes = { acknowledged: 0, unanswered: 0, kept: 0, lost: 0, compactions: 0, wrong: [] as string[] };
const home = temporaryDirectory("campaign-pathway");

const post = (address: string, path: string, body: object): Promise<Response> =>
  fetch(`${address}/pathway/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

const isLive = ({ retired, successor }: Known): boolean => !retired && successor === undefined;

function planned(writer: Writer): Change {
  const live = [...writer.state].filter(([, known]) => isLive(known)).map(([uid]) => uid);
  const content = `word ${writer.number} ${random()} ${"x".repeat(random() * 200)}`;
  const uid = `w${writer.number}-${writer.made}`;
  const dice = random();
  if (live.length === 0 || dice < 0.2) return { verb: "add", body: { uid, content } };
  if (dice < 0.35) return { verb: "update", body: { uid: pick(live), content } };
  if (dice < 0.5) return { verb: "revise", body: { uid: pick(live), new_uid: uid, content } };
  if (dice < 0.6) return { verb: "retire", body: { uid: pick(live) } };
  return { verb: "replay", body: { uid: pick(live) } };
}

/** What the writer's traces are after the change. */
function after(state: State, { verb, body }: Change): State {
  const next = new Map(state);
  const { uid, content = "", new_uid } = body;
  const known = next.get(uid);
  const fresh = { content, replays: 0, retired: false };
  if (verb === "add") next.set(uid, fresh);
  else if (!known) throw new Error(`the campaign forgot ${uid}`);
  else if (verb === "update") next.set(uid, { ...known, content });
  else if (verb === "retire") next.set(uid, { ...known, retired: true });
  else if (verb === "replay") next.set(uid, { ...known, replays: known.replays + 1 });
  else if (new_uid) next.set(uid, { ...known, successor: new_uid }).set(new_uid, fresh);
  return next;
}

async function write(address: string, writer: Writer): Promise<never> {
  for (;;) {
    const change = planned(writer);
    writer.open = change;
    writer.made += 1;
    const response = await post(address, change.verb, change.body);
    const text = await response.text();
    if (!response.ok) outcomes.wrong.push(`${change.verb} ${change.body.uid}: ${response.status} ${text}`);
    writer.open = undefined;
    writer.state = after(writer.state, change);
    outcomes.acknowledged += 1;
  }
}

async function compact(address: string): Promise<never> {
  for (;;) {
    await Bun.sleep(random() * 60);
    await (await post(address, "compact", {})).text();
    outcomes.compactions += 1;
  }
}

async function found(address: string, conditions: object): Promise<State> {
  const state: State = new Map();
  let page_token: string | undefined;
  do {
    const page = { ...conditions, page_size: 500, ...(page_token !== undefined && { page_token }) };
    const response = await post(address, "search", page);
    const text = await response.text();
    if (!response.ok) throw new Error(`search: ${response.status} ${text}`);
    const answer: { results: Trace[]; next_page_token?: string } = JSON.parse(text);
    for (const { uid, content, replay_count: replays, retired, successor } of answer.results) {
      if (state.has(uid)) outcomes.wrong.push(`${uid} is found twice`);
      state.set(uid, { content, replays, retired, ...(successor !== undefined && { successor }) });
    }
    page_token = answer.next_page_token;
  } while (page_token !== undefined);
  return state;
}

const isState = (there: State, state: State): boolean =>
  there.size === state.size && [...state].every(([uid, known]) => Bun.deepEquals(there.get(uid), known));

async function verify(address: string, all: Writer[], cycle: number): Promise<void> {
  const there = await found(address, { include_retired: true, include_superseded: true });
  for (const writer of all) {
    const own = new Map([...there].filter(([uid]) => uid.startsWith(`w${writer.number}-`)));
    const { open } = writer;
    writer.open = undefined;
    if (open) outcomes.unanswered += 1;
    if (isState(own, writer.state)) {
      if (open) outcomes.lost += 1;
    } else if (open && isState(own, after(writer.state, open))) {
      outcomes.kept += 1;
      writer.state = after(writer.state, open);
    } else outcomes.wrong.push(`cycle ${cycle}: what writer ${writer.number} stored is not what is there`);
  }
  const live = [...there].filter(([, known]) => isLive(known)).map(([uid]) => uid);
  for (const conditions of [{}, { text: "word" }]) {
    const shown = [...(await found(address, conditions)).keys()];
    if (!Bun.deepEquals(shown.sort(), live.sort()))
      outcomes.wrong.push(
        `cycle ${cycle}: a search of ${JSON.stringify(conditions)} shows other traces than those alive`,
      );
  }
  const ready = await fetch(`${address}/readyz`);
  if (!ready.ok) outcomes.wrong.push(`cycle ${cycle}: ${await ready.text()}`);
}

const all: Writer[] = Array.from({ length: writers }, (_, number) => ({
  number,
  state: new Map(),
  made: 0,
  open: undefined,
}));
let product: Product = await startProduct({ dataDir: home.path, flags });
const address = () => product.addresses.pathwayd ?? "";
await runCampaign({
  name: "pathway",
  rules,
  outcomes,
  cycle: async (cycle) => {
    const loads = [...all.map((writer) => write(address(), writer)), compact(address())];
    await killDuring(product, loads, {
      acknowledged: () => outcomes.acknowledged,
      moreMs: random() * lifeMs,
    });
    product = await startProduct({ dataDir: home.path, flags });
    await verify(address(), all, cycle);
    return `${outcomes.acknowledged} acknowledged`;
  },
  end: async () => {
    await product.end();
    home.remove();
  },
});
