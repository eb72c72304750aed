/**
 * Kills the product with SIGKILL at random instants while playbooks are recorded, merged, judged and forgotten, profiles
 * are activated and taken back, and consolidation runs: `bun tests/campaigns/kills/playbooks.ts [--count 100] [--seed 1]`.
 * After each restart every acknowledged change must be there, and one whose answer was not seen whole or not at all.
 * Prints one JSON line; exits 1 when something was wrong.
 */
import { campaignRules, killDuring, runCampaign } from "../../support/campaigns/campaign.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const rules = campaignRules(100);
const { random } = rules;
const pick = (below: number) => Math.floor(random() * below);
const flags = ["--only", "gateway,storaged,catalogd,ingestd,queryd,vectord,embedd,pathwayd,matrixd"];
const home = temporaryDirectory("campaign-playbooks");
const outcomes = { acknowledged: 0, unanswered: 0, kept: 0, lost: 0, searches: 0, wrong: [] as string[] };
const wrong = (what: string) => outcomes.wrong.push(what);

const writers = 4;
const answersOfWriter = 25;
const profiles = ["p0", "p1", "p2"];

let product: Product;
async function call(method: string, path: string, body?: object) {
  const response = await fetch(`${product.url}/v1/matrix${path}`, {
    method,
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

/** What is known of one answer's playbook. */
interface Known {
  helpful: number;
  harmful: number;
}
/** Answers and their playbooks, as a writer was told. */
type State = ReadonlyMap<string, Known>;
interface Writer {
  number: number;
  stored: State;
  ids: Map<string, string>;
  /** Sent, and not answered yet. */
  open: State | undefined;
}

const changed = (state: State, answer: string, known: Known | undefined): State => {
  const next = new Map(state);
  if (known) next.set(answer, known);
  else next.delete(answer);
  return next;
};

/** The next change of a writer: the request, and the state after it. */
function planned({ stored, ids, number }: Writer): {
  send: ReturnType<typeof request>;
  after: State;
  answer: string;
} {
  const answer = `w${number}-${pick(answersOfWriter)}`;
  const known = stored.get(answer);
  const record = { query_text: `question of ${answer}`, answer_id: answer, corpus: "c" };
  if (!known)
    return {
      answer,
      send: request("POST", "/playbooks/record", record),
      after: changed(stored, answer, { helpful: 0, harmful: 0 }),
    };
  const at = `/playbooks/${ids.get(answer)}`;
  const dice = random();
  if (dice < 0.15) return { answer, send: request("DELETE", at), after: changed(stored, answer, undefined) };
  // Two harmful voices at most: consolidation, which runs beside, would drop a playbook that misleads.
  if (dice < 0.4 && known.harmful < 2)
    return {
      answer,
      send: request("POST", `${at}/harmful`),
      after: changed(stored, answer, { ...known, harmful: known.harmful + 1 }),
    };
  const after = changed(stored, answer, { ...known, helpful: known.helpful + 1 });
  // Recording the same in other letters is one more helpful voice.
  const again = { ...record, query_text: record.query_text.toUpperCase() };
  return {
    answer,
    send: dice < 0.6 ? request("POST", "/playbooks/record", again) : request("POST", `${at}/helpful`),
    after,
  };
}
const request = (method: string, path: string, body?: object) => ({ method, path, body });

async function write(writer: Writer): Promise<void> {
  for (;;) {
    const { send, after, answer } = planned(writer);
    writer.open = after;
    const { status, body } = await call(send.method, send.path, send.body);
    if (status >= 400) {
      // Whether it was done is seen after the kill.
      if (status < 429) wrong(`${send.method} ${send.path}: ${status} ${JSON.stringify(body)}`);
      return;
    }
    const id = body.playbook?.playbook_id;
    if (id !== undefined) writer.ids.set(answer, id);
    writer.stored = after;
    writer.open = undefined;
    outcomes.acknowledged += 1;
  }
}

/** The active profile, and those that a rollback goes back to. */
const steps: { stored: (string | undefined)[]; open: (string | undefined)[] | undefined } = {
  stored: [undefined],
  open: undefined,
};

async function activate(): Promise<void> {
  for (;;) {
    const { stored } = steps;
    const back = stored.length > 1 && random() < 0.4;
    const name = profiles[pick(profiles.length)] as string;
    const isActive = stored.at(-1) === name;
    steps.open = back ? stored.slice(0, -1) : isActive ? stored : [...stored, name].slice(-101);
    const { status } = await call("POST", back ? "/profiles/rollback" : `/profiles/${name}/activate`, {});
    if (status >= 400) {
      if (status < 429) wrong(`profiles: ${status}`);
      return;
    }
    steps.stored = steps.open;
    steps.open = undefined;
    outcomes.acknowledged += 1;
  }
}

async function searchAndConsolidate(): Promise<void> {
  for (let turn = 0; ; turn++) {
    const search = { query_text: `question of w0-${turn % 9}`, corpora: ["c"], use_playbook: true };
    const { status } =
      turn % 20 === 19
        ? await call("POST", "/playbooks/consolidate", {})
        : await call("POST", "/search", search);
    if (status === 200) outcomes.searches += 1;
    else if (status < 429) wrong(`search: ${status}`);
  }
}

async function found(): Promise<Map<string, Known & { id: string }>> {
  const all = new Map<string, Known & { id: string }>();
  for (let token: string | undefined; ; ) {
    const page = token === undefined ? "" : `&page_token=${token}`;
    const { status, body } = await call("GET", `/playbooks?page_size=50${page}`);
    if (status !== 200) throw new Error(`playbooks: ${status} ${JSON.stringify(body)}`);
    for (const { playbook_id: id, answer_id, helpful, harmful } of body.playbooks) {
      if (all.has(answer_id)) wrong(`${answer_id} has two playbooks`);
      all.set(answer_id, { id, helpful, harmful });
    }
    token = body.next_page_token;
    if (token === undefined) return all;
  }
}

const isState = (there: ReadonlyMap<string, Known>, state: State): boolean =>
  there.size === state.size &&
  [...state].every(([answer, { helpful, harmful }]) => {
    const known = there.get(answer);
    return known?.helpful === helpful && known.harmful === harmful;
  });

async function verify(all: Writer[], cycle: number): Promise<void> {
  const there = await found();
  for (const writer of all) {
    const own = new Map([...there].filter(([answer]) => answer.startsWith(`w${writer.number}-`)));
    const { open } = writer;
    writer.open = undefined;
    if (open) outcomes.unanswered += 1;
    if (isState(own, writer.stored)) outcomes.lost += open ? 1 : 0;
    else if (open && isState(own, open)) {
      outcomes.kept += 1;
      writer.stored = open;
    } else wrong(`cycle ${cycle}: what writer ${writer.number} stored is not what is there`);
    writer.ids = new Map([...own].map(([answer, { id }]) => [answer, id]));
  }
  const { active } = (await call("GET", "/profiles")).body;
  if (steps.open && active !== steps.stored.at(-1)) steps.stored = steps.open;
  steps.open = undefined;
  if (active !== steps.stored.at(-1))
    wrong(`cycle ${cycle}: ${active} is active, not ${steps.stored.at(-1)}`);
}

async function prepare(): Promise<void> {
  const ids = Array.from(
    { length: writers * answersOfWriter },
    (_, at) => `w${at % writers}-${Math.floor(at / writers)}`,
  );
  await (
    await ingest(product.url, "name=c", `id,text\n${ids.map((id) => `${id},text of ${id}\n`).join("")}`)
  ).text();
  const { body } = await call("POST", "/corpora", {
    name: "c",
    dataset: "c",
    id_column: "id",
    text_columns: ["text"],
  });
  for (let state = "queued"; state !== "done"; await Bun.sleep(20)) {
    state = (await call("GET", `/jobs/${body.job_id}`)).body.state;
    if (state === "failed") throw new Error("the corpus could not be built");
  }
  for (const name of profiles) await call("PUT", `/profiles/${name}`, { corpora: ["c"] });
}

const all: Writer[] = Array.from({ length: writers }, (_, number) => ({
  number,
  stored: new Map(),
  ids: new Map(),
  open: undefined,
}));
product = await startProduct({ dataDir: home.path, flags });
await prepare();
await runCampaign({
  name: "playbooks",
  rules,
  outcomes,
  cycle: async (cycle) => {
    const loads = [...all.map(write), activate(), searchAndConsolidate()];
    await killDuring(product, loads, {
      acknowledged: () => outcomes.acknowledged,
      moreMs: random() * 400,
    });
    product = await startProduct({ dataDir: home.path, flags });
    await verify(all, cycle);
    return `${outcomes.acknowledged} acknowledged`;
  },
  end: async () => {
    await product.end();
    home.remove();
  },
});
