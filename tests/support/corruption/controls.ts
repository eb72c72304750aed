/** A product full of every kind of file, and questions with known answers about all that it was asked to keep. */
import { absent, json, type TrackedWrite, trackedWrites } from "../durability/tracked-writes.ts";
import { ingest, sql } from "../product/product.ts";
import { appendRows, documentAndTableControls, loadPaper } from "./documents-and-tables.ts";

export interface Control {
  /** `trace#2`: the deed and its number. */
  name: string;
  ask: (url: string) => Promise<unknown>;
  expected: unknown;
}

const numbers = [0, 1, 2, 3];
const largeBytes = 9 * 1024 * 1024;
const large = (): Uint8Array => new Uint8Array(largeBytes).map((_, at) => (at * 31 + (at >> 8)) & 255);

const ofTracked = (tracked: TrackedWrite): Control[] =>
  numbers.map((n) => ({
    name: `${tracked.name}#${n}`,
    ask: (url) => tracked.find(url, n),
    expected: tracked.expected(n),
  }));

const jsonOf = async (answer: Response): Promise<Record<string, unknown>> =>
  (await answer.json()) as Record<string, unknown>;

/** What was changed or taken away after the older copy was made: it must not come back. */
const later: Control[] = [
  {
    name: "alias",
    ask: async (url) => {
      const vector = Array.from({ length: 64 }, (_, at) => Math.sin(at + 1));
      const answer = await jsonOf(await json(url, "/v1/vectors/index/drilled/search", { vector, k: 1 }));
      return (answer.results as { id: string }[] | undefined)?.[0]?.id ?? absent;
    },
    expected: "v0-0",
  },
  {
    name: "vectors (deleted)",
    ask: async (url) => (await fetch(`${url}/v1/vectors/index/drill/items/v1-1`)).status,
    expected: 404,
  },
  {
    name: "dropped",
    ask: (url) =>
      sql(url, "SELECT count(*) FROM gone").catch((cause: Error) =>
        /there is no dataset/.test(cause.message) ? absent : cause.message,
      ),
    expected: absent,
  },
  {
    name: "trace (retired)",
    ask: async (url) => (await jsonOf(await fetch(`${url}/v1/pathway/get/retired`))).retired_at !== undefined,
    expected: true,
  },
  {
    name: "large",
    ask: async (url) => {
      const answer = await fetch(`${url}/v1/storage/get/large.bin`);
      const hash = new Bun.CryptoHasher("sha256").update(await answer.bytes()).digest("hex");
      return answer.ok ? hash : answer.status;
    },
    expected: new Bun.CryptoHasher("sha256").update(large()).digest("hex"),
  },
];

const erased = [1, 2].map((n): Control => {
  const why = `case ${n}`;
  return {
    name: `erased#${n}`,
    ask: async (url) => {
      const { erasures, ...refusal } = await jsonOf(await fetch(`${url}/v1/erasures`));
      if (erasures === undefined) return refusal;
      return (erasures as { why: string }[]).some((each) => each.why === why) ? why : absent;
    },
    expected: why,
  };
});

export const controls: readonly Control[] = [
  ...erased,
  ...trackedWrites.flatMap(ofTracked),
  ...documentAndTableControls,
  ...later,
];

async function done(answer: Promise<Response>): Promise<void> {
  const response = await answer;
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url}: ${response.status} ${text}`);
}

/** What is erased is not there: that it was asked for is kept. */
const eraseNobody = (url: string, n: number): Promise<void> =>
  done(json(url, "/v1/erase", { subject: `nobody-${n}@example.org`, who: "us", why: `case ${n}` }));

/** The first half of everything. What is there then is the older copy of each file. */
export async function fillFirst(url: string): Promise<void> {
  await eraseNobody(url, 1);
  for (const tracked of trackedWrites) {
    await tracked.prepare?.(url);
    for (const n of [0, 1]) await done(tracked.act(url, n));
  }
  for (const n of [0, 1]) {
    await loadPaper(url, n);
    await appendRows(url, n);
  }
  // The history begins later than with its first version from then on.
  const oldest = { keep_versions: 2, older_than_days: 0 };
  await done(json(url, "/v1/catalog/expire/versions", oldest));
  await done(ingest(url, "name=gone", "a\n1\n"));
  await done(json(url, "/v1/pathway/add", { uid: "retired", content: { text: "it is over" } }));
  await done(json(url, "/v1/vectors/index", { name: "other", dimension: 64 }));
  await done(json(url, "/v1/vectors/alias/drilled", { index: "other" }, { method: "PUT" }));
  await done(json(url, "/v1/vectors/index/drill/compact"));
  await done(json(url, "/v1/vectors/index/drill/snapshots"));
  await done(fetch(`${url}/v1/storage/put/large.bin`, { method: "PUT", body: "small at first" }));
}

/** The second half, with what takes back some of the first. */
export async function fillSecond(url: string): Promise<void> {
  await eraseNobody(url, 2);
  for (const n of [2, 3]) {
    for (const tracked of trackedWrites) await done(tracked.act(url, n));
    await loadPaper(url, n);
    await appendRows(url, n);
  }
  await done(fetch(`${url}/v1/catalog/manifest/gone`, { method: "DELETE" }));
  await done(json(url, "/v1/pathway/retire", { uid: "retired", reason: "it is over" }));
  await done(json(url, "/v1/vectors/index/drill/delete", { ids: ["v1-1"] }));
  await done(json(url, "/v1/vectors/alias/drilled", { index: "drill" }, { method: "PUT" }));
  await done(
    fetch(`${url}/v1/storage/put/large.bin`, { method: "PUT", body: large() as Uint8Array<ArrayBuffer> }),
  );
  // A failure, for the journal.
  await fetch(`${url}/v1/storage/get/nothing`);
}

export type Outcome = "right" | "refused" | { wrong: unknown };

/** The outcome of each control. `refused`: the service said that it cannot answer, and gave nothing in its place. */
export async function askAll(url: string, asked: readonly Control[]): Promise<Map<string, Outcome>> {
  const recorder = record(url);
  const outcomes = new Map<string, Outcome>();
  try {
    for (const { name, ask, expected } of asked) {
      recorder.refusals.length = 0;
      const found = await ask(recorder.url).catch((cause: Error) => `failed: ${cause.message}`);
      const isRefused = recorder.refusals.length > 0;
      if (Bun.deepEquals(found, expected)) outcomes.set(name, "right");
      else outcomes.set(name, isRefused ? "refused" : { wrong: found });
    }
  } finally {
    await recorder.stop();
  }
  return outcomes;
}

/** A door to the product that notes the answers by which a service says that it cannot give what was asked for. */
function record(target: string): { url: string; refusals: number[]; stop: () => Promise<void> } {
  const refusals: number[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      const { pathname, search } = new URL(request.url);
      const { method, headers } = request;
      const body = method === "GET" ? undefined : await request.bytes();
      try {
        const answer = await fetch(target + pathname + search, { method, headers, ...(body && { body }) });
        const bytes = await answer.bytes();
        if (answer.status >= 500) refusals.push(answer.status);
        return new Response(bytes, {
          status: answer.status,
          headers: { "content-type": answer.headers.get("content-type") ?? "" },
        });
      } catch {
        // A body that breaks off is how a stream says it.
        refusals.push(0);
        return new Response("broken off", { status: 502 });
      }
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, refusals, stop: () => server.stop(true) };
}
