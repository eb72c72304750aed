/** The body of `search`: JSON, or 32-bit floats with the rest in the query. */

import type { Static } from "@sinclair/typebox";
import { readBytes, readJson } from "../../../runtime/bodies/bodies.ts";
import type { Config } from "../../../runtime/config/config.ts";
import type { HttpRequest, InputOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField, ServiceError } from "../../../runtime/errors/errors.ts";
import { type Condition, parseFilter } from "../../../runtime/filter/filter.ts";
import { parseJson } from "../../../runtime/json/json.ts";
import { type Hit, type IndexConfig, type Item, SearchBody, type Vectord } from "../contract.ts";
import type { Rows } from "../rows/rows.ts";
import { defaultEf, type Neighbour } from "../search/search.ts";
import { checkModel } from "./items.ts";
import { checkVectors, floatsOf, type NameOf, packVectors } from "./vectors.ts";

export interface SearchRequest {
  vectors: Float32Array;
  /** Whether the answer is a list a vector, or that of the only vector. */
  isBatch: boolean;
  k: number;
  ef: number;
  exact: boolean;
  filter?: Condition;
  include: Include;
}

export interface Include {
  metadata: boolean;
  vector: boolean;
}

/** What a search asks for, whatever its body is. */
interface Options {
  k?: number;
  ef?: number;
  exact?: boolean;
  filter?: unknown;
  include?: readonly string[];
  embedding_model?: string;
}

type Input = InputOf<Vectord["endpoints"]["search"]>;

/** Results of one search unless the request says otherwise. */
const kDefault = 10;
/** Most hits of one answer: queries × k. */
const hitsMax = 1_000_000;
/** Most numbers of vectors in one answer: about 200 MiB of JSON. */
export const numbersMax = 10_000_000;

/** Reads and checks the whole request. */
export async function readSearch(
  request: HttpRequest,
  { name: _, ...query }: Input,
  config: IndexConfig,
  settings: Config["vectord"],
): Promise<SearchRequest> {
  const type = request.headers.get("content-type") ?? "";
  if (/^application\/octet-stream\s*(;|$)/i.test(type)) {
    const { filter, include, ...rest } = query;
    const bytes = await readBytes(request, settings.max_body_bytes);
    const given = { ...rest, ...(filter !== undefined && { filter: parsed(filter) }) };
    const parts = include?.split(",").map((part) => part.trim());
    return checkSearch(
      floatsOf(bytes, config),
      true,
      { ...given, ...(parts && { include: parts }) },
      config,
      settings,
    );
  }
  if (type !== "" && !/json|x-www-form-urlencoded/i.test(type))
    throw fail(
      "unsupported_media_type",
      `expected Content-Type: application/json or application/octet-stream, got ${type.slice(0, 100)}`,
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
  const { vector, vectors, ...options } = await readJson(request, SearchBody, settings.max_body_bytes);
  if ((vector === undefined) === (vectors === undefined))
    throw fail(
      "bad_request",
      "expected either 'vector', a list of numbers, or 'vectors', a list of such lists",
    );
  const lists = vectors ?? (vector ? [vector] : []);
  const isBatch = vectors !== undefined;
  return checkSearch(packVectors(lists, config, nameOf(isBatch)), isBatch, options, config, settings);
}

const nameOf =
  (isBatch: boolean): NameOf =>
  (at) =>
    isBatch ? `vectors[${at}]` : "vector";

/** Checks a search, whatever its body was. Throws `bad_request`, `invalid_field`, `too_large` or `conflict`. */
export function checkSearch(
  vectors: Float32Array,
  isBatch: boolean,
  options: Options,
  config: IndexConfig,
  settings: Config["vectord"],
): SearchRequest {
  const { k = kDefault, ef = defaultEf(k, config.ef_search), exact = false } = options;
  checkModel(options.embedding_model, config);
  const include = included(options.include);
  const queries = vectors.length / config.dimension;
  if (queries > settings.max_batch_items)
    throw fail(
      "too_large",
      `expected at most ${settings.max_batch_items} vectors in a search, got ${queries}`,
    );
  const hits = queries * k;
  if (hits > hitsMax || (include.vector && hits * config.dimension > numbersMax))
    throw fail(
      "too_large",
      `${queries} vectors with ${k} results each are too many for one answer; ask for fewer vectors, a smaller k or no vectors in the results`,
    );
  checkVectors(vectors, config, nameOf(isBatch));
  const filter = options.filter === undefined ? undefined : parseFilter(options.filter);
  return { vectors, isBatch, k, ef, exact, include, ...(filter && { filter }) };
}

/** What comes with each result: metadata unless the request says otherwise. */
export function included(parts: readonly string[] = ["metadata"]): Include {
  const stray = parts.find((part) => part !== "metadata" && part !== "vector" && part !== "");
  if (stray !== undefined)
    throw invalidField("include", `expected metadata or vector, got '${stray.slice(0, 100)}'`);
  return { metadata: parts.includes("metadata"), vector: parts.includes("vector") };
}

function parsed(filter: string): unknown {
  try {
    return parseJson(filter);
  } catch (cause) {
    if (cause instanceof ServiceError)
      throw fail(cause.type, `filter: ${cause.message}`, { details: cause.details });
    throw fail("invalid_field", "filter: expected JSON in the query parameter", {
      cause,
      details: { field: "filter" },
    });
  }
}

// Rows as callers see them.

/** The results of one query. */
export const hitsOf = (
  found: readonly Neighbour[],
  rows: Rows,
  { metric }: IndexConfig,
  include: Include,
): Static<typeof Hit>[] =>
  found.map(({ row, distance }) => ({
    id: rows.id(row),
    distance,
    score: scoreOf(metric, distance),
    ...extras(rows, row, include),
  }));

export const itemOf = (rows: Rows, row: number, include: Include): Static<typeof Item> => ({
  id: rows.id(row),
  ...extras(rows, row, include),
});

function extras(rows: Rows, row: number, include: Include): Pick<Static<typeof Item>, "metadata" | "vector"> {
  const metadata = include.metadata ? rows.metadata(row) : undefined;
  return {
    ...(metadata !== undefined && { metadata }),
    ...(include.vector && { vector: Array.from(rows.blocks.row(row)) }),
  };
}

/** Larger is nearer: the cosine, the product, or 1 / (1 + distance). */
function scoreOf(metric: IndexConfig["metric"], distance: number): number {
  if (metric === "cosine") return 1 - distance;
  return metric === "ip" ? -distance : 1 / (1 + distance);
}
