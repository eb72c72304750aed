/** Which traces match, in which order, as of a time. */
import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import type { Pathwayd } from "../contract.ts";
import {
  checkVector,
  type Entry,
  type Head,
  headAt,
  isLive,
  normOf,
  parseTime,
  type Times,
  type TraceTable,
  traceOf,
} from "../traces/traces.ts";
import { bytesOf, type Place, readToken, takePage, writeToken } from "./page.ts";
import { wordsOf } from "./text-index.ts";
import type { Texts } from "./texts.ts";

export { history } from "./history.ts";
export { createTexts, type Texts } from "./texts.ts";

type SearchInput = InputOf<Pathwayd["endpoints"]["search"]>;
type SearchReply = ReplyOf<Pathwayd["endpoints"]["search"]>;

export interface SearchDeps {
  table: TraceTable;
  texts: Texts;
  times: Times;
  /** Resolves when what is being stored has been applied. */
  settled: () => Promise<void>;
}

const pageSizeDefault = 20;

interface Found {
  head: Head;
  ordinal: number;
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
  if (at > times.now()) throw invalidField(field, `lies in the future; expected a time that has passed`);
}

export async function search(
  input: SearchInput,
  deps: SearchDeps,
  signal: AbortSignal,
): Promise<SearchReply> {
  const { page_size = pageSizeDefault, page_token, ...conditions } = input;
  const matches = matcherOf(conditions);
  const { at, skip } = await placeOf(page_token, conditions, deps);
  const found = await rank(conditions, { at, matches, most: skip + page_size + 1 }, deps, signal);
  const { page, more } = takePage(found, { skip, size: page_size, bytesOf: ({ head }) => bytesOf(head) });
  const isRanked = input.text !== undefined || input.vector !== undefined;
  return {
    results: page.map(({ head }) => traceOf(head)),
    ...(isRanked && { scores: page.map(({ score = 0 }) => score) }),
    ...(more && { next_page_token: writeToken({ at, skip: skip + page.length }, conditions) }),
  };
}

async function placeOf(token: string | undefined, conditions: SearchInput, deps: SearchDeps): Promise<Place> {
  const { as_of } = conditions;
  const asked = as_of === undefined ? undefined : await settledTime(as_of, deps);
  const present = () => asked ?? deps.table.lastAt();
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
  if (since > until) throw invalidField("since", "lies after until, so that nothing could match");
  if (input.text !== undefined && input.vector !== undefined)
    throw invalidField("vector", "a search is ranked by text or by vector, not by both");
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

interface View {
  at: number;
  matches: (head: Head) => boolean;
}

/** What matches, the best first; without a ranking condition, and among equals, the newest first. */
async function rank(
  { text, vector }: SearchInput,
  view: View & { most: number },
  { table, texts }: SearchDeps,
  signal: AbortSignal,
): Promise<Iterable<Found>> {
  if (vector) {
    checkVector("vector", vector);
    return best(nearestNeighbours(table, vector, view), view.most);
  }
  if (text === undefined) return newest(table, view);
  const hits = await texts.search(wordsOf(text), view.at, signal);
  const found = hits.flatMap(({ id, score }): Required<Found>[] => {
    const head = headOf(table.entries[id], table, view);
    return head ? [{ head, score, ordinal: id }] : [];
  });
  return best(found, view.most);
}

/** The trace as of the time, when it matches. */
function headOf(entry: Entry | undefined, table: TraceTable, { at, matches }: View): Head | undefined {
  const head = at >= table.lastAt() ? entry?.head : entry && headAt(entry, at);
  return head && matches(head) ? head : undefined;
}

/** The first `most` in order, and those that are equal to the last: numbers alone are sorted far faster than all of it. */
function best(found: readonly Required<Found>[], most: number): Found[] {
  const scores = Float64Array.from(found, ({ score }) => score).sort();
  const least = scores[scores.length - most] ?? Number.NEGATIVE_INFINITY;
  return found
    .filter(({ score }) => score >= least)
    .sort((a, b) => b.score - a.score || b.ordinal - a.ordinal);
}

function* newest(table: TraceTable, view: View): Generator<Found> {
  for (let ordinal = table.entries.length - 1; ordinal >= 0; ordinal--) {
    const head = headOf(table.entries[ordinal], table, view);
    if (head) yield { head, ordinal };
  }
}

/** Cosine with every trace whose embedding has the same length. */
function nearestNeighbours(table: TraceTable, vector: readonly number[], view: View): Required<Found>[] {
  const length = normOf(vector);
  const found: Required<Found>[] = [];
  for (let ordinal = 0; ordinal < table.entries.length; ordinal++) {
    const head = headOf(table.entries[ordinal], table, view);
    if (head?.embedding?.length !== vector.length) continue;
    // Rounding may carry it a hair beyond 1.
    const cosine = dot(vector, head.embedding) / length / head.norm;
    found.push({ head, ordinal, score: Math.max(-1, Math.min(1, cosine)) });
  }
  return found;
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}
