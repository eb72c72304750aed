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

/**
 * The text-book baseline: the cosine of TF-IDF over pieces of 3 to 5 characters within words, over all documents (scikit-learn's
 * `char_wb` with `sublinear_tf`). Gives the ids of the best, best first.
 */
export function pieceBaseline(docs: readonly { id: string; text: string }[], k = 10) {
  const postings = new Map<string, { at: number; weight: number }[]>();
  for (const [at, { text }] of docs.entries())
    for (const [piece, count] of piecesOf(text)) {
      const list = postings.get(piece) ?? [];
      list.push({ at, weight: 1 + Math.log(count) });
      postings.set(piece, list);
    }
  const lengths = new Float64Array(docs.length);
  for (const list of postings.values()) {
    const rarity = 1 + Math.log((1 + docs.length) / (1 + list.length));
    for (const one of list) {
      one.weight *= rarity;
      lengths[one.at] = (lengths[one.at] ?? 0) + one.weight ** 2;
    }
  }
  return (query: string): string[] => {
    const scores = new Float64Array(docs.length);
    for (const [piece, count] of piecesOf(query)) {
      const list = postings.get(piece) ?? [];
      const rarity = 1 + Math.log((1 + docs.length) / (1 + list.length));
      for (const { at, weight } of list)
        scores[at] = (scores[at] ?? 0) + weight * (1 + Math.log(count)) * rarity;
    }
    const cosine = (at: number) => (scores[at] ?? 0) / Math.sqrt(lengths[at] || 1);
    const best = [...docs.keys()].sort((a, b) => cosine(b) - cosine(a));
    return best.slice(0, k).map((at) => docs[at]?.id ?? "");
  };
}

function piecesOf(text: string): Map<string, number> {
  const pieces = new Map<string, number>();
  for (const word of text.normalize("NFKC").toLowerCase().match(/\S+/g) ?? [])
    for (let length = 3; length <= 5; length++)
      for (let from = 0; from + length <= word.length + 2; from++) {
        const piece = ` ${word} `.slice(from, from + length);
        pieces.set(piece, (pieces.get(piece) ?? 0) + 1);
      }
  return pieces;
}
