/** Which traces match, in which order, as of a time. */
import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import { matches, parseFilter } from "../../../runtime/filter/filter.ts";
import { isObject } from "../../../runtime/json/json.ts";
import { scoreOf, spelledAlike, weightsOf } from "../../../runtime/ranking/ranking.ts";
import type { Pathwayd } from "../contract.ts";
import {
  checkVector,
  type Entry,
  type Head,
  headAt,
  normOf,
  parseTime,
  type Times,
  type TraceTable,
  traceOf,
} from "../traces/traces.ts";
import { type Meanings, meaningText } from "./meanings.ts";
import { bytesOf, type Place, readToken, takePage, writeToken } from "./page.ts";
import { wordsOf } from "./text-index.ts";
import type { Texts } from "./texts.ts";

export { history } from "./history.ts";
export { createMeanings, type Meanings } from "./meanings.ts";
export { createTexts, type Texts } from "./texts.ts";

type SearchInput = InputOf<Pathwayd["endpoints"]["search"]>;
type SearchReply = ReplyOf<Pathwayd["endpoints"]["search"]>;

export interface SearchDeps {
  table: TraceTable;
  texts: Texts;
  meanings: Meanings;
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
  const matcher = matcherOf(conditions, deps.table);
  const { at, skip, valid = at } = await placeOf(page_token, conditions, deps);
  const view = { at, matches: matcher({ at, valid }), most: skip + page_size + 1 };
  const { found, incomplete } = await rank(conditions, view, deps, signal);
  const { page, more } = takePage(found, { skip, size: page_size, bytesOf: ({ head }) => bytesOf(head) });
  const isRanked = input.text !== undefined || input.vector !== undefined;
  return {
    results: page.map(({ head }) => traceOf(head)),
    ...(isRanked && { scores: page.map(({ score = 0 }) => score) }),
    ...(incomplete !== undefined && { incomplete }),
    ...(more && { next_page_token: writeToken({ at, skip: skip + page.length, valid }, conditions) }),
  };
}

async function placeOf(token: string | undefined, conditions: SearchInput, deps: SearchDeps): Promise<Place> {
  const { as_of, valid_at } = conditions;
  const asked = as_of === undefined ? undefined : await settledTime(as_of, deps);
  if (token === undefined) {
    const valid = valid_at === undefined ? (asked ?? deps.times.now()) : parseTime(valid_at, "valid_at");
    return { at: asked ?? deps.table.lastAt(), skip: 0, valid };
  }
  const place = readToken(token, conditions);
  refuseFuture(place.at, "page_token", deps.times);
  return place;
}

/** The moments that a search is about: what was recorded by then, and what is true at that time. */
interface Moments {
  at: number;
  valid: number;
}

/** Whether a trace fulfils every condition but the ranking ones. Throws `invalid_field` for conditions that make no sense. */
function matcherOf(input: SearchInput, table: TraceTable): (moments: Moments) => (head: Head) => boolean {
  const { tags = [], match = "all", include_retired = false, include_superseded = false } = input;
  const since = input.since === undefined ? Number.NEGATIVE_INFINITY : parseTime(input.since, "since");
  const until = input.until === undefined ? Number.POSITIVE_INFINITY : parseTime(input.until, "until");
  if (since > until) throw invalidField("since", "lies after until, so that nothing could match");
  const condition = input.filter === undefined ? undefined : parseFilter(input.filter);
  const scope = Object.entries(input.scope ?? {});
  const isTagged = (head: Head) =>
    match === "all"
      ? tags.every((tag) => head.tags.includes(tag))
      : tags.some((tag) => head.tags.includes(tag));
  const isMeant = (head: Head) =>
    scope.every(([name, value]) => head.scope?.[name as keyof typeof head.scope] === value) &&
    (!condition || matches(condition, isObject(head.content) ? head.content : {}));
  return (moments) => (head) =>
    (include_retired || head.retired === undefined) &&
    (include_superseded || isPresent(head, moments, table)) &&
    (input.include_invalid === true || isTrue(head, moments)) &&
    head.created >= since &&
    head.created <= until &&
    (tags.length === 0 || isTagged(head)) &&
    isMeant(head);
}

const isTrue = ({ valid_from, valid_to }: Head, { valid }: Moments): boolean =>
  (valid_from ?? Number.NEGATIVE_INFINITY) <= valid && valid < (valid_to ?? Number.POSITIVE_INFINITY);

/** What superseded it may only be true later: until then it stands. */
function isPresent({ successor }: Head, { at, valid }: Moments, table: TraceTable): boolean {
  if (successor === undefined) return true;
  const entry = table.find(successor);
  const next = entry && headAt(entry, at);
  return next?.valid_from !== undefined && valid < next.valid_from;
}

interface View {
  at: number;
  matches: (head: Head) => boolean;
}

interface Ranked {
  found: Iterable<Found>;
  incomplete?: string | undefined;
}

/** What matches, the best first; without a ranking condition, and among equals, the newest first. */
async function rank(
  { text, vector, min_score: least = Number.NEGATIVE_INFINITY }: SearchInput,
  view: View & { most: number },
  deps: SearchDeps,
  signal: AbortSignal,
): Promise<Ranked> {
  const { table } = deps;
  if (vector) checkVector("vector", vector);
  if (text === undefined && !vector) return { found: newest(table, view) };
  const near = vector ? nearestNeighbours(table, vector, view) : [];
  const { found, incomplete } =
    text === undefined ? { found: near } : await byText({ text, near }, view, deps, signal);
  const enough = found.filter(({ score }) => score >= least);
  return { found: best(enough, view.most), incomplete };
}

/** Memories whose spelling is compared: those that stand best by meaning and words. */
const spelledMax = 200;
/** A memory without one of the words is found from this score on (ADR 0248). */
const scoreLeast = 0.15;

/** Meaning, spelling and words, each on a scale of its own; with a vector, the mean of that and its cosine. */
async function byText(
  { text, near }: { text: string; near: readonly Required<Found>[] },
  view: View,
  { table, texts, meanings }: SearchDeps,
  signal: AbortSignal,
): Promise<{ found: Required<Found>[]; incomplete?: string | undefined }> {
  const hits = await texts.search(wordsOf(text), view.at, signal);
  const all = [...newest(table, view)];
  const words = new Map(hits.map(({ id, score }) => [id, score]));
  const cosines = new Map(near.map(({ ordinal, score }) => [ordinal, score]));
  const { cosines: meant, model, incomplete } = await meanings.compare(text, all, signal);
  const weights = model === undefined ? { vector: 0, lexical: 1 } : weightsOf(model, undefined);
  const rows = all.map((one, at) => ({
    ...one,
    parts: { vector: meant[at] ?? 0, spelling: 0, words: words.get(one.ordinal) ?? 0 },
  }));
  const first = rows
    .map((row) => ({ row, score: scoreOf(row.parts, weights) }))
    .sort((a, b) => b.score - a.score || b.row.ordinal - a.row.ordinal)
    .slice(0, spelledMax)
    .map(({ row }) => row);
  const spelled = spelledAlike(
    text,
    first.map(({ head }) => meaningText(head)),
  );
  for (const [at, { parts }] of first.entries()) parts.spelling = spelled[at] ?? 0;
  const found = rows.flatMap(({ head, ordinal, parts }): Required<Found>[] => {
    const score = scoreOf(parts, weights);
    const cosine = cosines.get(ordinal);
    const isFound = parts.words > 0 || score >= scoreLeast || cosine !== undefined;
    if (!isFound) return [];
    return [{ head, ordinal, score: near.length > 0 ? (score + Math.max(0, cosine ?? 0)) / 2 : score }];
  });
  return { found, incomplete };
}

/** The trace as of the time, when it matches. */
function headOf(entry: Entry | undefined, table: TraceTable, { at, matches }: View): Head | undefined {
  const head = at >= table.lastAt() ? entry?.head : entry && headAt(entry, at);
  return head && !head.erased && matches(head) ? head : undefined;
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
