/** How good a retrieval is: measures, and a labelled set put into a corpus. */
import { quoteText } from "../../../runtime/sql/sql.ts";
import type { LabelledSet } from "../../../scripts/sample-data/make-queries.ts";
import type { MatrixdStack } from "../stacks/matrixd.ts";

export interface Quality {
  recall: number;
  ndcg: number;
}

/** Of the first ten: the share of what could be found, and nDCG with gains of 1 (Järvelin and Kekäläinen 2002). */
export function qualityOf(found: readonly string[], relevant: readonly string[]): Quality {
  const wanted = new Set(relevant);
  const top = found.slice(0, 10);
  const gain = (at: number) => 1 / Math.log2(at + 2);
  const ideal = Array.from({ length: Math.min(10, wanted.size) }, (_, at) => gain(at));
  const sum = (numbers: readonly number[]) => numbers.reduce((all, number) => all + number, 0);
  return {
    recall: top.filter((id) => wanted.has(id)).length / ideal.length,
    ndcg: sum(top.map((id, at) => (wanted.has(id) ? gain(at) : 0))) / sum(ideal),
  };
}

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((all, number) => all + number, 0) / numbers.length;

/** The mean quality of searches, one a query, by its first or second wording. */
export async function measure(
  { verbs }: MatrixdStack,
  { queries }: LabelledSet,
  ask: object,
  wording: 0 | 1 = 0,
): Promise<Quality> {
  const all: Quality[] = [];
  for (const { wordings, relevant } of queries) {
    const { hits } = await verbs.search({ query_text: wordings[wording], corpora: ["labelled"], ...ask });
    all.push(
      qualityOf(
        hits.map(({ id }) => id),
        relevant,
      ),
    );
  }
  return { recall: mean(all.map(({ recall }) => recall)), ndcg: mean(all.map(({ ndcg }) => ndcg)) };
}

/** Makes the corpus `labelled` of a set's documents. */
export async function buildLabelled(stack: MatrixdStack, { documents }: LabelledSet): Promise<void> {
  const values = documents.map(
    ({ id, text: what, role, city, shift }) => `(${[id, what, role, city, shift].map(quoteText).join(", ")})`,
  );
  await stack.dataset(
    "labelled",
    `SELECT * FROM (VALUES ${values.join(",")}) AS d(id, what, role, city, shift)`,
  );
  await stack.build({
    name: "labelled",
    dataset: "labelled",
    id_column: "id",
    text_columns: ["what"],
    metadata_columns: ["role", "city", "shift"],
  });
}

/** Remembers for every query's first wording that one of its relevant documents answered it. */
export async function recordAnswers({ verbs }: MatrixdStack, { queries }: LabelledSet): Promise<void> {
  for (const { wordings, relevant } of queries) {
    const answer_id = relevant[0];
    if (answer_id === undefined) throw new Error("a query without an answer");
    await verbs.record({ query_text: wordings[0], answer_id, corpus: "labelled", score: 1 });
  }
}
