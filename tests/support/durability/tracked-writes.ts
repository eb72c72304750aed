/**
 * Everything that the product keeps, as writes that are tracked: each is one numbered request, whose effect can be looked for
 * afterwards. What was acknowledged must be there whatever happened since; what was refused must be refused clearly.
 */
import { ingest, sql } from "../product/product.ts";

export interface TrackedWrite {
  name: string;
  /** Needed before the first one, while nothing is wrong. */
  prepare?: (url: string) => Promise<unknown>;
  /** The n-th. Resolves with the answer. */
  act: (url: string, n: number) => Promise<Response>;
  /** What of the n-th is there, to be compared with `expected`; `absent` when nothing is. */
  find: (url: string, n: number) => Promise<unknown>;
  expected: (n: number) => unknown;
  /** Looking for it does it when it was not done. */
  findActs?: boolean;
}

export const absent = "absent";
const orAbsent = (found: string[] | undefined) => (found?.length === 0 ? absent : found);

export const json = (
  url: string,
  path: string,
  body?: unknown,
  { method = "POST", headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<Response> =>
  fetch(url + path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

const read = async (url: string, path: string): Promise<Record<string, unknown>> =>
  (await (await fetch(url + path)).json()) as Record<string, unknown>;

/** A body of about so many bytes, another one for each number, that does not shrink when it is compressed. */
export function noise(n: number, bytes: number): string {
  let state = (n + 1) * 2_654_435_761;
  let text = "";
  while (text.length < bytes) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(36);
  }
  return text;
}

const vectorOf = (n: number): number[] => Array.from({ length: 64 }, (_, at) => Math.sin((n + 1) * (at + 1)));

const rowsOf = (n: number): string =>
  `id,word\n${Array.from({ length: 50 }, (_, at) => `${n * 1000 + at},${noise(n * 1000 + at, 60)}`).join("\n")}\n`;

/** A whole upload with a dataset of its own each. */
const dataset: TrackedWrite = {
  name: "dataset",
  act: (url, n) => ingest(url, `name=drill_${n}`, rowsOf(n)),
  find: (url, n) =>
    sql(
      url,
      `SELECT count(*)::INTEGER AS n, (sum(id) - 50 * ${n}::BIGINT * 1000)::INTEGER AS s FROM drill_${n}`,
    ).catch((cause) => (/there is no dataset/.test(cause.message) ? absent : cause.message)),
  expected: () => [{ n: 50, s: 1225 }],
};

/** Versions of one dataset, one after the other. */
const version: TrackedWrite = {
  name: "version",
  prepare: (url) => ingest(url, "name=versions", rowsOf(999_999)),
  act: (url, n) => ingest(url, "name=versions&mode=append", rowsOf(n)),
  find: async (url, n) => {
    const range = `id BETWEEN ${n * 1000} AND ${n * 1000 + 999}`;
    const [row] = await sql<{ n: number }>(url, `SELECT count(*)::INTEGER AS n FROM versions WHERE ${range}`);
    return row?.n === 0 ? absent : row;
  },
  expected: () => ({ n: 50 }),
};

const object: TrackedWrite = {
  name: "object",
  act: (url, n) => fetch(`${url}/v1/storage/put/drill/${n}.txt`, { method: "PUT", body: noise(n, 20_000) }),
  find: async (url, n) => {
    const answer = await fetch(`${url}/v1/storage/get/drill/${n}.txt`);
    const text = await answer.text();
    return answer.status === 404 ? absent : text;
  },
  expected: (n) => noise(n, 20_000),
};

const vectors: TrackedWrite = {
  name: "vectors",
  prepare: (url) => json(url, "/v1/vectors/index", { name: "drill", dimension: 64 }),
  act: (url, n) =>
    json(url, "/v1/vectors/index/drill/add", {
      items: Array.from({ length: 10 }, (_, at) => ({
        id: `v${n}-${at}`,
        vector: vectorOf(n * 10 + at),
        metadata: { n, text: noise(n, 200) },
      })),
    }),
  find: async (url, n) =>
    ((await read(url, `/v1/vectors/index/drill/items/v${n}-9`)).metadata as { n: number } | undefined)?.n ??
    absent,
  expected: (n) => n,
};

const trace: TrackedWrite = {
  name: "trace",
  act: (url, n) => json(url, "/v1/pathway/add", { uid: `t${n}`, content: { text: noise(n, 2000) } }),
  find: async (url, n) => (await read(url, `/v1/pathway/get/t${n}`)).content ?? absent,
  expected: (n) => ({ text: noise(n, 2000) }),
};

/** The same request and key again must give the first answer, whatever happened since. */
const keyed: TrackedWrite = {
  name: "keyed",
  findActs: true,
  act: (url, n) => addKeyed(url, n),
  find: async (url, n) => {
    const again = await addKeyed(url, n);
    return [again.status, ((await again.json()) as { uid?: string }).uid];
  },
  expected: (n) => [201, `k${n}`],
};
const addKeyed = (url: string, n: number) =>
  json(
    url,
    "/v1/pathway/add",
    { uid: `k${n}`, content: { text: noise(n, 1000) } },
    { headers: { "idempotency-key": `key-${n}` } },
  );

const corpusRows = `id,what\na,"forklift operators on nights"\nb,"nurses for intensive care"\n${Array.from({ length: 20 }, (_, at) => `a${at},${noise(at, 20)}`).join("\n")}\n`;

/** A job: it is acknowledged when it has ended well, and its failure is told as an answer would tell it. */
async function buildCorpus(url: string, name: string): Promise<Response> {
  const spec = { name, dataset: "places", id_column: "id", text_columns: ["what"] };
  const accepted = await json(url, "/v1/matrix/corpora", spec);
  if (!accepted.ok) return accepted;
  const { job_id } = (await accepted.json()) as { job_id: string };
  const events = await (await fetch(`${url}/v1/matrix/jobs/${job_id}/events`)).text();
  const last = JSON.parse(/data: (.*)\n+$/.exec(events)?.[1] ?? "{}") as {
    state?: string;
    error?: { type: string; message: string };
  };
  if (last.state === "done") return Response.json(last);
  return Response.json({ error: last.error }, { status: last.error?.type === "storage_full" ? 507 : 500 });
}

const corpora: TrackedWrite = {
  name: "corpus",
  prepare: async (url) => {
    const loaded = await ingest(url, "name=places", corpusRows);
    return loaded.ok ? buildCorpus(url, "places") : loaded;
  },
  act: (url, n) => buildCorpus(url, `corpus-${n}`),
  find: async (url, n) => {
    const answer = await json(url, "/v1/matrix/search", {
      query_text: "forklift",
      corpora: [`corpus-${n}`],
      mode: "lexical",
      k: 1,
    });
    return ((await answer.json()) as { hits?: { id: string }[] }).hits?.map(({ id }) => id) ?? absent;
  },
  expected: () => ["a"],
};

const playbook: TrackedWrite = {
  name: "playbook",
  act: (url, n) =>
    json(url, "/v1/matrix/playbooks/record", {
      query_text: `who has ${noise(n, 30)}`,
      answer_id: `a${n % 20}`,
      corpus: "places",
      note: noise(n, 1000),
      tags: [`p${n}`],
    }),
  find: async (url, n) => {
    const { playbooks } = await read(url, `/v1/matrix/playbooks?tag=p${n}&include_retired=true`);
    return orAbsent((playbooks as { note: string }[] | undefined)?.map(({ note }) => note));
  },
  expected: (n) => [noise(n, 1000)],
};

/** There may be a thousand: long runs write some of them again. */
const profileName = (n: number): string => `profile-${n % 500}`;

const profile: TrackedWrite = {
  name: "profile",
  act: (url, n) =>
    json(
      url,
      `/v1/matrix/profiles/${profileName(n)}`,
      { corpora: ["places"], k: (n % 50) + 1 },
      { method: "PUT" },
    ),
  find: async (url, n) =>
    ((await read(url, "/v1/matrix/profiles")).profiles as { name: string }[] | undefined)?.find(
      ({ name }) => name === profileName(n),
    )?.name ?? absent,
  expected: profileName,
};

const query: TrackedWrite = {
  name: "query",
  act: (url, n) => json(url, `/v1/queries/query_${n}`, { sql: `SELECT ${n} AS n` }, { method: "PUT" }),
  find: async (url, n) => (await read(url, `/v1/queries/query_${n}`)).sql ?? absent,
  expected: (n) => `SELECT ${n} AS n`,
};

const event: TrackedWrite = {
  name: "event",
  act: (url, n) =>
    json(url, "/v1/observer/event", {
      endpoint: "/v1/sql",
      source: "mcp",
      success: true,
      duration_ms: 5,
      run_id: `run-${n}`,
      input_summary: noise(n, 400),
    }),
  find: async (url, n) => {
    const { events } = await read(url, `/v1/observer/events?run_id=run-${n}`);
    return orAbsent((events as { run_id: string }[] | undefined)?.map(({ run_id }) => run_id));
  },
  expected: (n) => [`run-${n}`],
};

/** All of them. */
export const trackedWrites: readonly TrackedWrite[] = [
  object,
  dataset,
  version,
  vectors,
  trace,
  keyed,
  corpora,
  playbook,
  profile,
  query,
  event,
];

/** Questions that write nothing: they must be answered on a full disk as well. */
export const questions: readonly { name: string; ask: (url: string) => Promise<Response>; status: number }[] =
  [
    { name: "an object", ask: (url) => fetch(`${url}/v1/storage/get/drill/0.txt`), status: 200 },
    // A failure, which storaged notes in its journal.
    { name: "a missing object", ask: (url) => fetch(`${url}/v1/storage/get/drill/none`), status: 404 },
    { name: "objects", ask: (url) => fetch(`${url}/v1/storage/list`), status: 200 },
    { name: "datasets", ask: (url) => fetch(`${url}/v1/catalog/list`), status: 200 },
    {
      name: "SQL",
      ask: (url) =>
        json(url, "/v1/sql", { sql: "SELECT count(*), min(word) FROM drill_0 JOIN versions USING (word)" }),
      status: 200,
    },
    {
      name: "a search of vectors",
      ask: (url) => json(url, "/v1/vectors/index/drill/search", { vector: vectorOf(3), k: 5 }),
      status: 200,
    },
    { name: "vectors of texts", ask: (url) => json(url, "/v1/embed", { texts: ["a welder"] }), status: 200 },
    { name: "a trace", ask: (url) => fetch(`${url}/v1/pathway/get/t0`), status: 200 },
    {
      name: "a search of traces",
      ask: (url) => json(url, "/v1/pathway/search", { tags: ["none"] }),
      status: 200,
    },
    {
      name: "a search of a corpus",
      ask: (url) => json(url, "/v1/matrix/search", { query_text: "a nurse", corpora: ["corpus-0"] }),
      status: 200,
    },
    { name: "playbooks", ask: (url) => fetch(`${url}/v1/matrix/playbooks`), status: 200 },
    { name: "operations", ask: (url) => fetch(`${url}/v1/observer/stats`), status: 200 },
    { name: "providers", ask: (url) => fetch(`${url}/v1/chat/providers`), status: 200 },
    { name: "readiness", ask: (url) => fetch(`${url}/readyz`), status: 200 },
    { name: "the system", ask: (url) => fetch(`${url}/v1/system`), status: 200 },
  ];

/** Does the n-th of one kind. A 507 must say why and what to do; any other refusal is a fault, and thrown. */
export async function done(tracked: TrackedWrite, url: string, n: number, why: RegExp): Promise<boolean> {
  const answer = await tracked.act(url, n);
  const text = await answer.text();
  if (answer.ok) return true;
  const { type, message } = (JSON.parse(text) as { error: { type: string; message: string } }).error;
  if (answer.status !== 507 || type !== "storage_full" || !why.test(message))
    throw new Error(`${tracked.name} ${n}: ${answer.status} ${text}`);
  return false;
}

/** What was acknowledged and what was refused, by kind. */
export class Ledger {
  readonly acknowledged = new Map<string, number[]>();
  readonly refused = new Map<string, number[]>();

  note(tracked: TrackedWrite, n: number, acknowledged: boolean): void {
    const book = acknowledged ? this.acknowledged : this.refused;
    book.set(tracked.name, [...(book.get(tracked.name) ?? []), n]);
  }

  /** All that is wrong: acknowledged and not there, or refused and there in part. */
  async faults(url: string): Promise<string[]> {
    const faults: string[] = [];
    const say = (tracked: TrackedWrite, n: number, what: string, found: unknown) =>
      faults.push(`${tracked.name} ${n} ${what}: ${JSON.stringify(found)?.slice(0, 300)}`);
    for (const tracked of trackedWrites) {
      for (const n of this.acknowledged.get(tracked.name) ?? []) {
        const found = await tracked.find(url, n);
        if (!Bun.deepEquals(found, tracked.expected(n)))
          say(tracked, n, "was acknowledged and is lost", found);
      }
      if (tracked.findActs) continue;
      for (const n of this.refused.get(tracked.name) ?? []) {
        const found = await tracked.find(url, n);
        if (found !== absent && !Bun.deepEquals(found, tracked.expected(n)))
          say(tracked, n, "was refused and is there in part", found);
      }
    }
    return faults;
  }
}

/** The questions that are not answered as they must be. */
export async function unanswered(url: string): Promise<string[]> {
  const faults: string[] = [];
  for (const { name, ask, status } of questions) {
    const answer = await ask(url);
    const text = await answer.text();
    if (answer.status !== status) faults.push(`${name}: ${answer.status} ${text.slice(0, 300)}`);
  }
  return faults;
}

/** Damage that the services find in what they keep. */
export async function damageOf(url: string, services: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const service of services) {
    const answer = await fetch(`${url}/v1/durable/${service}/inspect`);
    const lines = (await answer.text())
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    if (answer.status !== 200 || lines.at(-1)?.end === undefined)
      found.push(`${service}: ${JSON.stringify(lines.at(-1))}`);
    for (const { finding } of lines) if (finding?.severity === "damage") found.push(JSON.stringify(finding));
  }
  return found;
}
