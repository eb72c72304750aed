/** The body of `search`: JSON, or 32-bit floats with the rest in the query. */

import type { Static } from "@sinclair/typebox";
import { readBytes, readJson } from "../../../runtime/bodies/bodies.ts";
import type { Config } from "../../../runtime/config/config.ts";
import { check, type HttpRequest, type InputOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { type Condition, parseFilter } from "../../../runtime/filter/filter.ts";
import type { Hit, Vectord } from "../contract.ts";
import { scoreOf } from "../engine/engine.ts";
import { type Metadata, type Rows, textField, vectorsField } from "../rows/rows.ts";
import { type IndexConfig, type Item, SearchBody, Weights } from "../schemas/schemas.ts";
import { defaultEf, type Neighbour } from "../search/search.ts";
import { arrowTypes, jsonParameter } from "./binary.ts";
import { checkModel } from "./items.ts";
import { type Named, namedOf } from "./named-search.ts";
import { shownVectors } from "./named-vectors.ts";
import { checkVectors, floatsOf, type NameOf, packVectors } from "./vectors.ts";

export interface SearchRequest {
  vectors: Float32Array;
  /** Whether the answer is a list a vector, or that of the only vector. */
  isBatch: boolean;
  k: number;
  /** Nearest hits that are left out. */
  offset: number;
  /** Rows that are looked for: those of the answer, or among which they are chosen. */
  depth: number;
  ef: number;
  exact: boolean;
  filter?: Condition;
  include: Include;
  scoreMin?: number;
  distanceMax?: number;
  mmr?: { lambda: number; candidates: number };
  groups?: { by: string; size: number };
}

export interface Include {
  metadata: boolean;
  vector: boolean;
}

/** What is looked for: vectors, texts to be embedded, or what some items are like. */
export type Question =
  | { kind: "vectors"; vectors: Float32Array; isBatch: boolean }
  | { kind: "texts"; texts: string[]; isBatch: boolean }
  | { kind: "like"; like: string[]; unlike: string[]; isBatch: false };

type Body = Static<typeof SearchBody>;
/** What a search asks for, whatever its body is. */
export type Options = Omit<
  Body,
  "vector" | "vectors" | "text" | "texts" | "like" | "unlike" | "named" | "weights" | "include"
> & {
  include?: readonly string[];
};

type Input = InputOf<Vectord["endpoints"]["search"]>;

/** Results of one search unless the request says otherwise. */
const kDefault = 10;
/** Most hits of one answer: queries × k. */
const hitsMax = 1_000_000;
/** Most numbers of vectors in one answer: about 200 MiB of JSON. */
export const numbersMax = 10_000_000;
/** How far below 0 a cosine distance may be by rounding: a hit's own distance is a radius. */
const roundingMax = 1e-6;
/** Rows that a search with an offset may reach: as many as `k` alone. */
const depthMax = 10_000;
/** Nearest rows among which different ones are chosen, for each that is wanted and in all; lambda as in Carbonell & Goldstein (1998). */
const mmrDefaults = { lambda: 0.5, candidatesPerHit: 5, candidatesMax: 1000 };

/** Reads the whole request; what it means is not yet checked, but for the form of its vectors. */
export async function readSearch(
  request: HttpRequest,
  { name: _, ...query }: Input,
  config: IndexConfig,
  settings: Config["vectord"],
): Promise<{ question: Question | undefined; named?: Named; options: Options }> {
  const type = request.headers.get("content-type") ?? "";
  const isFloats = /^application\/octet-stream\s*(;|$)/i.test(type);
  if (isFloats || arrowTypes.test(type)) {
    const { filter, include, weights, ...rest } = query;
    const bytes = await readBytes(request, settings.max_body_bytes);
    const parts = include?.split(",").map((part) => part.trim());
    const options: Options = {
      ...rest,
      ...(filter !== undefined && { filter: jsonParameter(filter, "filter") as Record<string, unknown> }),
      ...(parts && { include: parts }),
    };
    const { vectors, named } = isFloats
      ? { vectors: floatsOf(bytes, config), named: undefined }
      : (await import("./arrow-items.ts")).arrowQuestions(bytes, config, settings.max_batch_items);
    const question: Question | undefined = vectors && {
      kind: "vectors",
      vectors,
      isBatch: named === undefined,
    };
    const weighed =
      weights === undefined ? undefined : check(Weights, jsonParameter(weights, "weights"), "weights");
    return withNamed({ named, weights: weighed }, { question, options, config });
  }
  if (type !== "" && !/json|x-www-form-urlencoded/i.test(type))
    throw fail(
      "unsupported_media_type",
      `expected Content-Type: application/json, application/octet-stream or application/vnd.apache.arrow.stream, got ${type.slice(0, 100)}`,
    );
  const [stray] = Object.keys(query);
  if (stray !== undefined)
    throw fail(
      "unknown_field",
      `query parameter '${stray}' is for binary bodies; put it into the JSON body`,
      {
        details: { field: stray },
      },
    );
  const { vector, vectors, text, texts, like, unlike, named, weights, ...options } = await readJson(
    request,
    SearchBody,
    settings.max_body_bytes,
  );
  const asking = { vector, vectors, text, texts, like, unlike };
  const isNamedAlone = named !== undefined && Object.values(asking).every((each) => each === undefined);
  const question = isNamedAlone ? undefined : questionOf(asking, config);
  return withNamed({ named, weights }, { question, options, config });
}

function withNamed(
  { named, weights }: { named: Body["named"] | undefined; weights: Body["weights"] | undefined },
  asked: { question: Question | undefined; options: Options; config: IndexConfig },
): { question: Question | undefined; named?: Named; options: Options } {
  const { question, options } = asked;
  if (named === undefined && weights !== undefined)
    throw invalidField("weights", "expected 'named' beside it: several vectors are fused by their weights");
  if (named === undefined) return { question, options };
  return { question, named: namedOf({ named, weights }, asked), options };
}

const places = ["vector", "vectors", "text", "texts", "like"] as const;

type Asking = { [P in (typeof places)[number] | "unlike"]: Body[P] | undefined };

function questionOf(body: Asking, config: IndexConfig): Question {
  const { vector, vectors, text, texts, like, unlike } = body;
  const given = places.filter((place) => body[place] !== undefined);
  if (given.length !== 1)
    throw fail(
      "bad_request",
      `expected either 'vector', a list of numbers, 'vectors', a list of such lists, 'text', 'texts', or 'like', ids of items; got ${given.join(" and ") || "none of them"}`,
    );
  if (unlike !== undefined && like === undefined)
    throw invalidField("unlike", "expected 'like' beside it: it leads away from those");
  if (like) return { kind: "like", like, unlike: unlike ?? [], isBatch: false };
  if (texts ?? text) return { kind: "texts", texts: texts ?? [text ?? ""], isBatch: texts !== undefined };
  const isBatch = vectors !== undefined;
  const lists = vectors ?? (vector ? [vector] : []);
  return { kind: "vectors", vectors: packVectors(lists, config, nameOf(isBatch)), isBatch };
}

const nameOf =
  (isBatch: boolean): NameOf =>
  (at) =>
    isBatch ? `vectors[${at}]` : "vector";

/** Throws `too_large` for more questions than one search may ask. */
export function checkQuestions(
  questions: number,
  settings: Pick<Config["vectord"], "max_batch_items">,
): void {
  if (questions > settings.max_batch_items)
    throw fail(
      "too_large",
      `expected at most ${settings.max_batch_items} vectors in a search, got ${questions}`,
    );
}

/** Checks a search, whatever its body was. Throws `bad_request`, `invalid_field`, `too_large` or `conflict`. */
export function checkSearch(
  vectors: Float32Array,
  isBatch: boolean,
  options: Options,
  config: IndexConfig,
  settings: Config["vectord"],
): SearchRequest {
  const { k = kDefault, exact = false, offset = 0 } = options;
  const queries = vectors.length / config.dimension;
  checkModel(options.embedding_model, config);
  checkQuestions(queries, settings);
  const include = included(options.include);
  const mmr = mmrOf(options, k + offset);
  const depth = mmr?.candidates ?? k + offset;
  const hits = queries * k;
  if (hits > hitsMax || queries * depth > hitsMax || (include.vector && hits * config.dimension > numbersMax))
    throw fail(
      "too_large",
      `${queries} vectors with ${k} results each are too many for one answer; ask for fewer vectors, a smaller k or no vectors in the results`,
    );
  if (k + offset > depthMax)
    throw invalidField(
      "offset",
      `expected offset and k to be ${depthMax} together at most, got ${k + offset}`,
    );
  checkVectors(vectors, config, nameOf(isBatch));
  const filter = options.filter === undefined ? undefined : parseFilter(options.filter);
  const groups = groupsOf(options, isBatch);
  const { min_score: scoreMin, max_distance: distanceMax } = options;
  if (distanceMax !== undefined && distanceMax < -roundingMax && config.metric !== "ip")
    throw invalidField("max_distance", `expected 0 or more, as distances of metric ${config.metric} are`);
  return {
    ...{ vectors, isBatch, k, offset, depth, exact, include },
    ef: options.ef ?? defaultEf(depth, config.ef_search),
    ...(filter && { filter }),
    ...(mmr && { mmr }),
    ...(groups && { groups }),
    ...(scoreMin !== undefined && { scoreMin }),
    ...(distanceMax !== undefined && { distanceMax }),
  };
}

function mmrOf({ mmr, group_by }: Options, wanted: number): SearchRequest["mmr"] {
  if (!mmr) return undefined;
  if (group_by !== undefined) throw invalidField("mmr", "expected either mmr or group_by, not both");
  const { candidatesPerHit, candidatesMax } = mmrDefaults;
  if (wanted > candidatesMax)
    throw invalidField("mmr", `expected offset and k to be ${candidatesMax} together at most, got ${wanted}`);
  const { lambda = mmrDefaults.lambda, candidates = Math.min(wanted * candidatesPerHit, candidatesMax) } =
    mmr;
  if (candidates < wanted)
    throw invalidField("mmr.candidates", `expected at least ${wanted}, offset and k, got ${candidates}`);
  return { lambda, candidates };
}

function groupsOf({ group_by: by, group_size: size }: Options, isBatch: boolean): SearchRequest["groups"] {
  if (by === undefined) {
    if (size === undefined) return undefined;
    throw invalidField("group_size", "expected group_by beside it, the field to group by");
  }
  if (isBatch) throw invalidField("group_by", "expected one vector or text in a search that groups");
  return { by, size: size ?? 1 };
}

/** What comes with each result: metadata unless the request says otherwise. */
export function included(parts: readonly string[] = ["metadata"]): Include {
  const stray = parts.find((part) => part !== "metadata" && part !== "vector" && part !== "");
  if (stray !== undefined)
    throw invalidField("include", `expected metadata or vector, got '${stray.slice(0, 100)}'`);
  return { metadata: parts.includes("metadata"), vector: parts.includes("vector") };
}

// Rows as callers see them.

/** One result. */
export const hitOf = (
  { row, distance }: Neighbour,
  rows: Rows,
  config: IndexConfig,
  include: Include,
): Static<typeof Hit> => ({
  id: rows.id(row),
  distance,
  score: scoreOf(config.metric, distance),
  ...extras(rows, row, config, include),
});

export const itemOf = (
  rows: Rows,
  row: number,
  config: IndexConfig,
  include: Include,
): Static<typeof Item> => ({ id: rows.id(row), ...extras(rows, row, config, include) });

function extras(
  rows: Rows,
  row: number,
  config: IndexConfig,
  include: Include,
): Omit<Static<typeof Item>, "id"> {
  const vectors = include.vector ? shownVectors(rows.metadata(row), config) : undefined;
  const { text, metadata } = include.metadata ? shown(rows.metadata(row)) : {};
  return {
    ...(text !== undefined && { text }),
    ...(metadata !== undefined && { metadata }),
    ...(include.vector && { vector: Array.from(rows.blocks.row(row)) }),
    ...(vectors && { vectors }),
  };
}

/** The text of a row beside the rest of its metadata. */
function shown(kept: Metadata | undefined): { text?: string; metadata?: Record<string, unknown> } {
  if (kept === undefined) return {};
  if (!Object.hasOwn(kept, textField) && !Object.hasOwn(kept, vectorsField)) return { metadata: kept };
  const { [textField]: text, [vectorsField]: _, ...metadata } = kept;
  return {
    ...(typeof text === "string" && { text }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
}
