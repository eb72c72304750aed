/** What a search answers: its questions as vectors, and the hits that it asks for. */
import type { Static } from "@sinclair/typebox";
import { fail } from "../../../runtime/errors/errors.ts";
import { type Condition, idPath, type Scalar, visitPath } from "../../../runtime/filter/filter.ts";
import { hitOf, type Named, type NameOf, type Question, type SearchRequest } from "../bodies/bodies.ts";
import type { Hit } from "../contract.ts";
import { norm, scoreOf } from "../engine/engine.ts";
import type { LiveIndex } from "../indexes/indexes.ts";
import type { Rows } from "../rows/rows.ts";
import { diverse, type Neighbour } from "../search/search.ts";
import type { Texts } from "./texts.ts";

type Hits = Static<typeof Hit>[];

/** The vectors that a question asks by, and the items that it is not about. */
export interface Asked {
  vectors: Float32Array;
  /** Items that served as examples. */
  except: readonly string[];
}

export async function vectorsOf(
  question: Question,
  live: LiveIndex,
  texts: Texts,
  signal: AbortSignal,
): Promise<Asked> {
  if (question.kind === "vectors") return { vectors: question.vectors, except: [] };
  if (question.kind === "like") return likeness(question, live);
  const nameOf: NameOf = (at) => (question.isBatch ? `texts[${at}]` : "text");
  return { vectors: await texts.vectorsOf(question.texts, live.config, { nameOf, signal }), except: [] };
}

/** Twice the mean of the examples less the mean of those to lead away from; directions alone, where only they count. */
function likeness({ like, unlike }: Question & { kind: "like" }, live: LiveIndex): Asked {
  const { name, dimension, metric } = live.config;
  const rows = live.rows();
  const meanOf = (ids: readonly string[], field: string): Float64Array => {
    const mean = new Float64Array(dimension);
    for (const [at, id] of ids.entries()) {
      const row = rows.find(id);
      if (row === undefined)
        throw fail("not_found", `${field}[${at}]: index '${name}' has no item '${id.slice(0, 100)}'`);
      const vector = rows.blocks.row(row);
      const share = ids.length * (metric === "cosine" ? norm(vector, 0, dimension) : 1);
      for (const [place, value] of vector.entries()) mean[place] = (mean[place] ?? 0) + value / share;
    }
    return mean;
  };
  const towards = meanOf(like, "like");
  const from = unlike.length > 0 ? meanOf(unlike, "unlike") : undefined;
  const vectors = Float32Array.from(towards, (value, at) => (from ? 2 * value - (from[at] ?? 0) : value));
  return { vectors, except: [...like, ...unlike] };
}

/** One list of hits a query. */
export async function answersOf(live: LiveIndex, asked: SearchRequest, signal: AbortSignal): Promise<Hits[]> {
  if (asked.groups) return [await groupsOf(live, { ...asked, groups: asked.groups }, signal)];
  const { rows, found } = await live.search({ ...asked, k: asked.depth, signal });
  const answers: Hits[] = [];
  for (const near of found) {
    const chosen = await chosenOf(near.filter(within(live, asked)), rows, live, asked, signal);
    answers.push(chosen.map((one) => hitOf(one, rows, live.config, asked.include)));
  }
  return answers;
}

/** The hits of a search by several vectors, or by one of them that is not the main one. */
export async function fusedAnswer(
  live: LiveIndex,
  { named, vectors, k, offset, ...asked }: SearchRequest & { named: Named },
  signal: AbortSignal,
): Promise<Hits> {
  const { scoreMin = Number.NEGATIVE_INFINITY } = asked;
  const { rows, found } = await live.fused({
    ...asked,
    ...{ named: named.vectors, weights: named.weights, metric: live.config.metric, signal, k: k + offset },
    main: vectors.length > 0 ? vectors : undefined,
  });
  return found
    .filter(({ score }) => score >= scoreMin)
    .slice(offset)
    .map(({ row, score, distance, parts }) => ({
      ...hitOf({ row, distance }, rows, live.config, asked.include),
      score,
      ...(parts && { parts }),
    }));
}

const within =
  ({ config: { metric } }: LiveIndex, { scoreMin, distanceMax }: SearchRequest) =>
  ({ distance }: Neighbour): boolean =>
    (scoreMin === undefined || scoreOf(metric, distance) >= scoreMin) &&
    (distanceMax === undefined || distance <= distanceMax);

async function chosenOf(
  near: Neighbour[],
  rows: Rows,
  live: LiveIndex,
  { mmr, k, offset }: SearchRequest,
  signal: AbortSignal,
): Promise<Neighbour[]> {
  if (!mmr) return near.slice(offset, offset + k);
  const choice = { metric: live.config.metric, count: k + offset, lambda: mmr.lambda, signal };
  return (await diverse(near, rows, choice)).slice(offset);
}

/** Rows that are looked at first for groups, for each that is wanted, and at most: then the groups are those among them. */
const groupRows = { perGroup: 4, least: 100, most: 10_000, growth: 8 };

/** The nearest values of a field, each with its nearest items; an item that has several values stands for each. */
async function groupsOf(
  live: LiveIndex,
  asked: SearchRequest & { groups: { by: string; size: number } },
  signal: AbortSignal,
): Promise<Hits> {
  const { by, size } = asked.groups;
  const wanted = asked.k + asked.offset;
  const isNear = within(live, asked);
  const search = async (k: number, condition: Condition) => {
    const filter = asked.filter ? both(asked.filter, condition) : condition;
    const { rows, found } = await live.search({ ...asked, k, ef: Math.max(asked.ef, k), filter, signal });
    return { rows, near: found[0] ?? [] };
  };
  let depth = Math.min(groupRows.most, Math.max(groupRows.least, wanted * size * groupRows.perGroup));
  for (;;) {
    const { rows, near } = await search(depth, { kind: "exists", path: by });
    const groups = new Map<Scalar, Hits>();
    for (const one of near.filter(isNear))
      for (const value of valuesOf(rows, one.row, by)) {
        const hits = groups.get(value) ?? [];
        if (hits.length < size) hits.push({ ...hitOf(one, rows, live.config, asked.include), group: value });
        groups.set(value, hits);
      }
    const isAll = near.length < depth;
    if (groups.size >= wanted || isAll || depth === groupRows.most) {
      const chosen = [...groups].slice(asked.offset, wanted);
      const answers: Hits = [];
      for (const [value, hits] of chosen)
        answers.push(...(isAll || hits.length === size ? hits : await membersOf(value)));
      return answers;
    }
    depth = Math.min(groupRows.most, depth * groupRows.growth);
  }

  /** What was not seen of a group among the nearest rows. */
  async function membersOf(value: Scalar): Promise<Hits> {
    const { rows, near } = await search(size, { kind: "in", path: by, values: [value] });
    return near
      .filter(isNear)
      .map((one) => ({ ...hitOf(one, rows, live.config, asked.include), group: value }));
  }
}

function valuesOf(rows: Rows, row: number, path: string): ReadonlySet<Scalar> {
  const values = new Set<Scalar>();
  visitPath(rows.metadata(row) ?? {}, path, { scalar: (value) => void values.add(value) });
  return values;
}

const both = (...of: Condition[]): Condition => ({ kind: "and", of });

/** The filter of a search, without the items that it is not about. */
export const without = (filter: Condition | undefined, ids: readonly string[]): Condition | undefined => {
  if (ids.length === 0) return filter;
  const others: Condition = { kind: "not", of: { kind: "in", path: idPath, values: [...ids] } };
  return filter ? both(filter, others) : others;
};
