/** The verbs of items: adding, searching, deleting, reading. */

import { jsonResponse } from "../../../runtime/bodies/bodies.ts";
import type { CallContext, RawContext, RawOf, VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { parseFilter } from "../../../runtime/filter/filter.ts";
import { type Operation, unlessFound } from "../../../runtime/idempotency/idempotency.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import {
  checkQuestions,
  checkSearch,
  floatsOf,
  type Items,
  itemOf,
  readAdd,
  readSearch,
  type SearchRequest,
} from "../bodies/bodies.ts";
import type { Vectord } from "../contract.ts";
import type { LiveIndex, Names } from "../indexes/indexes.ts";
import { answersOf, fusedAnswer, vectorsOf, without } from "./answers.ts";
import type { Instruments } from "./metrics.ts";
import { scroll } from "./scroll.ts";
import type { Texts } from "./texts.ts";
import { update } from "./update.ts";

type ItemVerbs = Pick<
  VerbsOf<Vectord>,
  "remove" | "item" | "update" | "scroll" | "addVectors" | "searchVectors"
>;

export interface ItemParts {
  deps: Pick<Deps, "config" | "idempotency" | "newId">;
  names: Names;
  texts: Texts;
  instruments: Instruments;
}

export function itemVerbs(parts: ItemParts): ItemVerbs {
  const { deps, names } = parts;
  const settings = deps.config.vectord;
  return {
    remove: unlessFound(
      async ({ name, ids, filter }, { signal, operation }) =>
        names.resolve(name).remove(whichOf(ids, filter), signal, operation?.id),
      ({ deleted, missing, count }: Found) => ({ deleted, missing, count }),
    ),
    item: async ({ name, id }) => {
      const live = names.resolve(name);
      const rows = live.rows();
      const row = rows.find(id);
      if (row === undefined)
        throw fail("not_found", `index '${live.config.name}' has no item '${id.slice(0, 100)}'`);
      return itemOf(rows, row, live.config, { metadata: true, vector: true });
    },
    update: async ({ name, id, ...change }, { signal, operation }) => {
      if (operation?.found !== undefined) return { updated: true, id };
      return update(names.resolve(name), { id, ...change }, parts.texts, {
        signal,
        operation: operation?.id,
      });
    },
    scroll: async (input, { signal }) => scroll(names.resolve(input.name), input, signal),
    addVectors: ({ name, ids, vectors, metadata, embedding_model: model }) => {
      const live = names.resolve(name);
      const items: Items = {
        ids,
        vectors: floatsOf(vectors, live.config),
        metadata: metadata ? metadata.map((fields) => fields ?? undefined) : ids.map(() => undefined),
        ...(model !== undefined && { embeddingModel: model }),
      };
      return added(live, items, parts);
    },
    searchVectors: async ({ name, vectors, ...options }, { signal }) => {
      const live = names.resolve(name);
      const asked = checkSearch(floatsOf(vectors, live.config), true, options, live.config, settings);
      return { results: await answers(live, asked, signal, parts) };
    },
  };
}

/** The streams: bodies as they come over HTTP. */
export function itemStreams(parts: ItemParts): RawOf<Vectord> {
  const { deps, names, texts } = parts;
  const settings = deps.config.vectord;
  return {
    add: async ({ name, embedding_model: model }, context) => {
      const live = names.resolve(name);
      const { signal } = context;
      const items = await readAdd(context.request, live.config, settings, (some, nameOf) =>
        texts.vectorsOf(some, live.config, { nameOf, signal }),
      );
      const all = model === undefined ? items : { ...items, embeddingModel: sameModel(items, model) };
      return jsonResponse(await onceAdded(live, all, context, parts));
    },
    search: async (input, { request, signal }) => {
      const live = names.resolve(input.name);
      const { question, named, options } = await readSearch(request, input, live.config, settings);
      if (named) {
        const asked = question && (await vectorsOf(question, live, texts, signal));
        const main = asked?.vectors ?? new Float32Array();
        const checked = checkSearch(main, false, options, live.config, settings);
        const found = await parts.instruments.search(1, () =>
          live.use(() => fusedAnswer(live, { ...checked, named }, signal)),
        );
        return jsonResponse({ results: found });
      }
      if (!question) throw new Error("a search that asks for nothing");
      if (question.kind === "texts") checkQuestions(question.texts.length, settings);
      const { vectors, except } = await vectorsOf(question, live, texts, signal);
      const checked = checkSearch(vectors, question.isBatch, options, live.config, settings);
      const filter = without(checked.filter, except);
      const results = await answers(live, { ...checked, ...(filter && { filter }) }, signal, parts);
      return jsonResponse({ results: question.isBatch ? results : (results[0] ?? []) });
    },
  };
}

function sameModel({ embeddingModel }: Items, model: string): string {
  if (embeddingModel === undefined || embeddingModel === model) return model;
  throw fail("bad_request", `the query names the embedding model '${model}', the body '${embeddingModel}'`);
}

/** What a start finds of a write with an Idempotency-Key. */
type Found = Record<"added" | "replaced" | "deleted" | "missing" | "count", number>;

/** With an Idempotency-Key, the same items are added once in 24 hours; the body's form does not matter. */
function onceAdded(live: LiveIndex, items: Items, { idempotencyKey }: RawContext, parts: ItemParts) {
  if (idempotencyKey === undefined) return added(live, items, parts);
  const hash = new Bun.CryptoHasher("sha256")
    .update(JSON.stringify(["add", live.config.name, items.ids, items.metadata, items.embeddingModel]))
    .update(items.given ?? items.vectors);
  const work = unlessFound(
    (_: unknown, { operation }: { operation?: Operation }) => added(live, items, parts, operation?.id),
    ({ added, replaced, count }: Found) => ({ added, replaced, count }),
  );
  return parts.deps.idempotency.once(
    idempotencyKey,
    hash.digest("hex"),
    (operation) => work(undefined, { operation }),
    { resumable: true },
  );
}

function added(live: LiveIndex, items: Items, { instruments }: ItemParts, operation?: string) {
  return instruments.add(items.ids.length, () => live.add(items, operation));
}

function whichOf(ids: string[] | undefined, filter: unknown) {
  if ((ids === undefined) === (filter === undefined))
    throw fail("bad_request", "expected either 'ids' or 'filter', which say what to delete");
  if (ids) return { ids };
  const condition = parseFilter(filter);
  if (condition) return { filter: condition };
  throw invalidField("filter", "{} would delete every item; name a condition, or drop the index");
}

const answers = (
  live: LiveIndex,
  asked: SearchRequest,
  signal: CallContext["signal"],
  { instruments }: ItemParts,
) =>
  instruments.search(asked.vectors.length / live.config.dimension, () =>
    live.use(() => answersOf(live, asked, signal)),
  );
