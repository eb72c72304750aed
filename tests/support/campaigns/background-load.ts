/** Callers of four kinds who ask the same again and again, while something else goes on beside them. */
import { json } from "../durability/tracked-writes.ts";
import { ingest, type Product } from "../product/product.ts";

export interface Others {
  answered: () => number;
  /** The longest wait for an answer since this was asked last, in milliseconds. */
  slowest: () => number;
  /** Ends their asking; what they were given instead of answers. */
  end: () => Promise<string[]>;
}

/** What one caller asks; the answer is right when it contains this. */
type Question = (
  url: string,
  caller: number,
  round: number,
) => Promise<{ response: Response; right: string }>;

const statement: Question = async (url) => ({
  response: await json(url, "/v1/sql", { sql: "SELECT count(*) AS n FROM range(1000)" }),
  right: '[{"n":1000}]',
});
const file: Question = async (url, caller, round) => ({
  response: await ingest(url, `name=beside_${caller}`, `a,b\n${round},x\n${round},y\n`),
  right: '"rows_loaded":2,"rows_rejected":0',
});
const object: Question = async (url, caller, round) => {
  const path = `raw/beside/${caller}`;
  const put = await fetch(`${url}/v1/storage/put/${path}`, { method: "PUT", body: `round ${round}` });
  if (!put.ok) return { response: put, right: "an object that was stored" };
  await put.text();
  return { response: await fetch(`${url}/v1/storage/get/${path}`), right: `round ${round}` };
};
const vector: Question = async (url, _, round) => ({
  response: await json(url, "/v1/vectors/index/beside/search", {
    vector: [round % 2, 1 - (round % 2)],
    k: 1,
  }),
  right: `"id":"${round % 2 === 1 ? "x" : "y"}"`,
});
const questions = [statement, file, object, vector];

/** A pause between two questions of one caller: so many callers alone would be all that a small machine can do. */
const pauseMs = 50;

/** Starts so many callers, a fourth of each kind. */
export async function startBackgroundLoad({ url }: Product, callers: number): Promise<Others> {
  const made = await json(url, "/v1/vectors/index", { name: "beside", dimension: 2, metric: "cosine" });
  const added = await json(url, "/v1/vectors/index/beside/add", {
    items: [
      { id: "x", vector: [1, 0] },
      { id: "y", vector: [0, 1] },
    ],
  });
  if (!made.ok || !added.ok) throw new Error(`${await made.text()} ${await added.text()}`);
  let going = true;
  let answered = 0;
  let slowest = 0;
  const wrong: string[] = [];
  const ask = async (question: Question, caller: number) => {
    for (let round = 0; going; round++) {
      const begun = performance.now();
      const { response, right } = await question(url, caller, round);
      const text = await response.text();
      slowest = Math.max(slowest, performance.now() - begun);
      if (!response.ok || !text.includes(right)) wrong.push(`${response.status} ${text.slice(0, 200)}`);
      answered += 1;
      await Bun.sleep(pauseMs);
    }
  };
  const all = Array.from({ length: callers }, (_, at) =>
    ask(questions[at % questions.length] ?? statement, at).catch((cause) => {
      wrong.push(`a caller was given ${cause}`);
    }),
  );
  return {
    answered: () => answered,
    slowest: () => {
      const since = slowest;
      slowest = 0;
      return since;
    },
    end: async () => {
      going = false;
      await Promise.all(all);
      return wrong;
    },
  };
}
