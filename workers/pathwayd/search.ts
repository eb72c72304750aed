/** Which traces match, in which order, as of a time. */
import type { InputOf, ReplyOf } from "../../runtime/contract.ts";
import { fail } from "../../runtime/errors.ts";
import { type Book, type Entry, headAt } from "./book.ts";
import { checkVector } from "./content.ts";
import type { Pathwayd } from "./contract.ts";
import { type Head, isLive, normOf, traceOf } from "./head.ts";
import { parseTime, type Times } from "./instant.ts";
import { takePage } from "./page.ts";
import { type Place, readToken, writeToken } from "./page-token.ts";
import { wordsOf } from "./text-index.ts";
import type { Texts } from "./texts.ts";

export type SearchInput = InputOf<Pathwayd["endpoints"]["search"]>;
export type SearchReply = ReplyOf<Pathwayd["endpoints"]["search"]>;

export interface SearchDeps {
  book: Book;
  texts: Texts;
  times: Times;
  /** Resolves when what is being stored has been applied. */
  settled: () => Promise<void>;
}

const pageSizeDefault = 20;

interface Found {
  head: Head;
  score?: number;
}

/** The time of `as_of` in microseconds, once everything up to it is there to see. Throws `invalid_field` for the future. */
export async function settledTime(
  as_of: string,
  { times, settled }: Pick<SearchDeps, "times" | "settled">,
): Promise<number> {
  const at = parseTime(as_of, "as_of");
  refuseFuture(at, "as_of", times);
  await settled();
  return at;
}

function refuseFuture(at: number, field: string, times: Times): void {
  if (at > times.now())
    throw fail("invalid_field", `${field}: lies in the future; expected a time that has passed`, {
      details: { field },
    });
}

export async function search(
  input: SearchInput,
  deps: SearchDeps,
  signal: AbortSignal,
): Promise<SearchReply> {
  const { page_size = pageSizeDefault, page_token, ...conditions } = input;
  const matches = matcherOf(conditions);
  const { at, skip } = await placeOf(page_token, conditions, deps);
  const ranked = await rank(conditions, at, deps, signal);
  const { page, more } = takePage(matching(ranked, { at, matches }), {
    skip,
    size: page_size,
    bytesOf: ({ head }) => bytesOf(head),
  });
  const isRanked = input.text !== undefined || input.vector !== undefined;
  return {
    results: page.map(({ head }) => traceOf(head)),
    ...(isRanked && { scores: page.map(({ score = 0 }) => score) }),
    ...(more && { next_page_token: writeToken({ at, skip: skip + page.length }, conditions) }),
  };
}

/** About the JSON of the trace, in bytes. */
export const bytesOf = ({ content, tags, embedding = [] }: Head): number =>
  JSON.stringify(content).length + tags.join().length + embedding.length * 20 + 300;

async function placeOf(token: string | undefined, conditions: SearchInput, deps: SearchDeps): Promise<Place> {
  const { as_of } = conditions;
  const asked = as_of === undefined ? undefined : await settledTime(as_of, deps);
  const present = () => asked ?? deps.book.lastAt();
  if (token === undefined) return { at: present(), skip: 0 };
  const place = readToken(token, conditions);
  refuseFuture(place.at, "page_token", deps.times);
  return place;
}

/** Whether a trace fulfils every condition but the ranking ones. Throws `invalid_field` for conditions that make no sense. */
function matcherOf(input: SearchInput): (head: Head) => boolean {
  const { tags = [], match = "all", include_retired = false, include_superseded = false } = input;
  const since = input.since === undefined ? Number.NEGATIVE_INFINITY : parseTime(input.since, "since");
  const until = input.until === undefined ? Number.POSITIVE_INFINITY : parseTime(input.until, "until");
  if (since > until)
    throw fail("invalid_field", "since: lies after until, so that nothing could match", {
      details: { field: "since" },
    });
  if (input.text !== undefined && input.vector !== undefined)
    throw fail("invalid_field", "vector: a search is ranked by text or by vector, not by both", {
      details: { field: "vector" },
    });
  const isTagged = (head: Head) =>
    match === "all"
      ? tags.every((tag) => head.tags.includes(tag))
      : tags.some((tag) => head.tags.includes(tag));
  return (head) =>
    (isLive(head) ||
      ((include_retired || head.retired === undefined) &&
        (include_superseded || head.successor === undefined))) &&
    head.created >= since &&
    head.created <= until &&
    (tags.length === 0 || isTagged(head));
}

interface Candidate {
  entry: Entry;
  score?: number;
}

/** The best first; equal ones and those without a score the newest first. */
async function rank(
  { text, vector }: SearchInput,
  at: number,
  { book, texts }: SearchDeps,
  signal: AbortSignal,
): Promise<Iterable<Candidate>> {
  if (vector) {
    checkVector("vector", vector);
    return byScore(nearest(book, vector, at));
  }
  if (text === undefined) return newest(book);
  const hits = await texts.search(wordsOf(text), at, signal);
  return byScore(
    hits.flatMap(({ id, score }) => {
      const entry = book.entries[id];
      return entry ? [{ entry, score }] : [];
    }),
  );
}

const byScore = (candidates: Required<Candidate>[]): Candidate[] =>
  candidates.sort((a, b) => b.score - a.score || b.entry.ordinal - a.entry.ordinal);

function* newest({ entries }: Book): Generator<Candidate> {
  for (let at = entries.length - 1; at >= 0; at--) {
    const entry = entries[at];
    if (entry) yield { entry };
  }
}

/** Cosine with every trace whose embedding has the same length. */
function nearest({ entries }: Book, vector: readonly number[], at: number): Required<Candidate>[] {
  const length = normOf(vector);
  const found: Required<Candidate>[] = [];
  for (const entry of entries) {
    const { embedding, norm } = headAt(entry, at) ?? {};
    if (!embedding || norm === undefined || embedding.length !== vector.length) continue;
    let dot = 0;
    for (let i = 0; i < vector.length; i++) dot += (vector[i] as number) * (embedding[i] as number);
    // Rounding may carry it a hair beyond 1.
    found.push({ entry, score: Math.max(-1, Math.min(1, dot / length / norm)) });
  }
  return found;
}

function* matching(
  candidates: Iterable<Candidate>,
  { at, matches }: { at: number; matches: (head: Head) => boolean },
): Generator<Found> {
  for (const { entry, score } of candidates) {
    const head = headAt(entry, at);
    if (head && matches(head)) yield { head, ...(score !== undefined && { score }) };
  }
}
