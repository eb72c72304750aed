/** Answers that worked for queries like this one: those among the candidates are lifted, others are brought in. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Matrixd } from "../contract.ts";
import type { PlaybookMatch } from "../playbooks/playbooks.ts";
import type { MatrixHit } from "../schemas/schemas.ts";
import type { Candidate, CorpusAnswer, SearchParts } from "./corpus.ts";
import type { SearchPlan } from "./plan.ts";
import { rowSet } from "./row-set.ts";
import { scoresOf } from "./vectors.ts";

export type Reasons = NonNullable<MatrixHit["playbooks"]>;

/** What the playbooks say of one search. */
export interface Said {
  reasons: Map<Candidate, Reasons>;
  /** Of playbooks without an answer, the strongest first. */
  notes: Note[];
}
type Note = NonNullable<ReplyOf<Matrixd["endpoints"]["search"]>["notes"]>[number];

/** Answers brought into one search. */
const matchesMax = 200;
/** Notes of one answer: a model's context is what they cost. */
const notesMax = 20;

export const strongestNotes = (notes: readonly Note[]): Note[] =>
  notes.toSorted((a, b) => b.boost - a.boost || (a.playbook_id < b.playbook_id ? -1 : 1)).slice(0, notesMax);

/**
 * Why each candidate is lifted. Adds to the corpora's candidates the answers that no list had: those that are live
 * and let through by filter and sql_filter. All the corpora use one model.
 */
export async function applyPlaybooks(
  { playbooks, peers }: Pick<SearchParts, "playbooks" | "peers">,
  corpora: readonly (CorpusAnswer & { vector: Float32Array })[],
  plan: Pick<SearchPlan, "text" | "filter">,
  signal: AbortSignal,
): Promise<Said> {
  const reasons = new Map<Candidate, Reasons>();
  const [first] = corpora;
  if (!first) return { reasons, notes: [] };
  const query = { text: plan.text, vector: first.vector, model: first.live.model };
  const names = corpora.map(({ name }) => name);
  const all = await playbooks.match(query, names, signal);
  const matches = all.filter(isAnswer).slice(0, matchesMax);
  await Promise.all(
    corpora.map(async (asked) => {
      const own = matches.filter(({ corpus, boost }) => corpus === asked.name && boost > 0);
      const answers = await locate(asked, own);
      const injected = await bringIn(peers.vectord, asked, { answers, filter: plan.filter, signal });
      for (const { match, number } of answers) {
        const candidate = asked.candidates.get(number);
        if (!candidate) continue;
        const reason = reasonOf(match, injected.has(number));
        reasons.set(candidate, [...(reasons.get(candidate) ?? []), reason]);
      }
    }),
  );
  return { reasons, notes: all.flatMap(noteOf) };
}

type AnswerMatch = PlaybookMatch & { answer_id: string };
const isAnswer = (match: PlaybookMatch): match is AnswerMatch => match.answer_id !== undefined;

const noteOf = ({ answer_id, note, ...match }: PlaybookMatch): Note[] =>
  answer_id === undefined && note !== undefined ? [{ ...match, note }] : [];

/** Several playbooks may name one answer: the strongest counts, so that repeating oneself is no argument. */
export const boostOfAll = (reasons: Reasons | undefined): number =>
  (reasons ?? []).reduce((most, { boost }) => Math.max(most, boost), 0);

const reasonOf = (
  { playbook_id, similarity, boost, because }: PlaybookMatch,
  injected: boolean,
): Reasons[number] => ({ playbook_id, similarity, boost, injected, because });

interface Answer {
  match: AnswerMatch;
  number: number;
}

/** The answers that are live rows. */
async function locate({ live }: CorpusAnswer, matches: readonly AnswerMatch[]): Promise<Answer[]> {
  if (matches.length === 0) return [];
  const numbers = await live.numbersOf(matches.map(({ answer_id }) => answer_id));
  return matches.flatMap((match, at) => {
    const number = numbers[at];
    return number === undefined ? [] : [{ match, number }];
  });
}

/** Adds the answers that are not yet candidates and may be; gives their numbers. */
async function bringIn(
  vectord: SearchParts["peers"]["vectord"],
  { name, live, candidates, among, vector }: CorpusAnswer & { vector: Float32Array },
  {
    answers,
    filter,
    signal,
  }: { answers: readonly Answer[]; filter: SearchPlan["filter"]; signal: AbortSignal },
): Promise<Set<number>> {
  const missing = rowSet(
    answers
      .map(({ number }) => number)
      .filter((number) => !candidates.has(number) && (among?.has(number) ?? true)),
  );
  // vectord judges the filter, as for every other row.
  const scores = await scoresOf(vectord, live, { vector, among: missing, filter, signal });
  for (const row of await live.read([...scores.keys()])) candidates.set(row.number, { corpus: name, row });
  return new Set(scores.keys());
}
