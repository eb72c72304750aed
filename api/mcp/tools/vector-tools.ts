/** `embed_text`, `search_vectors` and `add_vectors`: text to vectors to the nearest items. */
import type { Static, TSchema } from "@sinclair/typebox";
import { check, closed, inputSchema, t } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { embedd } from "../../../workers/embedd/contract.ts";
import { AddBody, Hit, SearchBody, vectord } from "../../../workers/vectord/contract.ts";
import { requestPath } from "../../client/lakehouse/lakehouse.ts";
import { truncated } from "../answers/answers.ts";
import { type GatewayClient, GatewayFailure, textOf, withNames } from "../gateway/gateway.ts";
import { derive, together } from "./schemas.ts";
import { adding, reading, type Tool } from "./tool.ts";

const { embed } = embedd.endpoints;
const { add, info, search } = vectord.endpoints;
const Added = add.produces["application/json"];

/** Vectors are long, and agents pay for every number. */
const textsMax = 8;
/** JSON characters of the vectors of one answer: eight of 4096 numbers. */
const vectorCharsMax = 800_000;
const hitsDefault = 10;

export const embedText = (gateway: GatewayClient): Tool => ({
  name: "embed_text",
  description:
    "Turns text into embedding vectors, in the order of the texts. The numbers stand in structuredContent. To search by text there is no need for it: search_vectors and search_matrix take text.",
  annotations: reading("Embed text"),
  input: derive(inputSchema(embed), {
    refine: {
      text: { description: "One text. Give either text or texts." },
      texts: { maxItems: textsMax, description: "Several texts. Give either text or texts." },
    },
  }),
  output: embed.reply,
  lookUp: "list_models names the models.",
  call: async (input, { signal }) => {
    const structured = await gateway.call(embed, input, { signal });
    const { model, dimension, vectors, cached } = structured;
    if (JSON.stringify(vectors).length > vectorCharsMax)
      throw fail(
        "too_large",
        `${vectors.length} vectors of ${dimension} numbers are more than an answer holds: give fewer texts`,
      );
    const shown = vectors.map(
      (vector, at) => `${at}: [${vector.slice(0, 8).join(", ")}${dimension > 8 ? ", …" : ""}]`,
    );
    const head = `${vectors.length} × ${dimension} numbers by model ${model}, ${cached} from the cache:`;
    return { structured, text: [head, ...shown].join("\n") };
  },
});

const searchInput = derive(together(info.params, SearchBody), {
  // One question a call; vectors in the answer would fill an agent's context.
  omit: ["vectors", "texts", "include", "embedding_model"],
  refine: {
    name: { description: "Name of the vector index, or of an alias." },
    vector: {
      description: "The question as a vector of the index's dimension. Give text, vector, like or named.",
    },
    text: { description: "The question as text; embedded by the index's own model." },
    k: { maximum: 100, default: hitsDefault, description: "How many hits." },
    filter: {
      description:
        'On metadata: {"state":"IL"}, {"rate":{"gte":20,"lt":30}}, {"role":{"in":["Welder","Nurse"]}}, {"name":{"prefix":"A"}}, {"at":{"since":"2024-05-01"}}, {"place":{"near":{"lat":41.9,"lon":-87.6,"radius_m":5000}}}, {"@id":{"in":["a"]}}, {"and":[…]}, {"or":[…]}, {"not":{…}}.',
    },
    named: {
      description:
        'By vectors beside the main one, alone or with text or vector: {"title":[0.1,0.2],"words":{"indices":[7],"values":[1]}}; several are fused by their scores.',
    },
    ef: { description: "Candidates looked at: more finds better and takes longer." },
    min_score: { description: "Hits of a lower score are left out." },
    mmr: { description: "Hits that differ from each other: {lambda, candidates}." },
    exact: { description: "Compare with every item instead of by the index." },
  },
});

const searchOutput = closed({
  results: t.Array(Hit),
  results_omitted: t.Optional(
    t.Integer({ minimum: 1, description: "Hits left out, because the answer has a bound." }),
  ),
});
const searchReply = closed({ results: t.Array(Hit) });

type Question = Omit<Static<typeof SearchBody>, "vectors" | "texts"> & { name: string };

export const searchVectors = (gateway: GatewayClient): Tool => ({
  name: "search_vectors",
  description:
    "Finds the items of one vector index that are nearest to a text or a vector, or to named vectors, with their metadata; filter narrows by metadata first. For corpora of rows with ranking and remembered answers use search_matrix.",
  annotations: reading("Search a vector index"),
  input: searchInput,
  output: searchOutput,
  lookUp: "list_indexes names the indexes and their aliases.",
  call: async (input, { signal, at }) => {
    const { name, k = hitsDefault, ...rest } = input as Question;
    const given = (["text", "vector", "like"] as const).filter((field) => rest[field] !== undefined);
    if (given.length !== 1 && !(given.length === 0 && rest.named))
      throw fail(
        "invalid_field",
        `expected text, vector, like or named, got ${given.length === 0 ? "none of them" : given.join(" and ")}`,
      );
    at("searching");
    const body = { k, ...rest, include: ["metadata"] };
    const results = await found(gateway, name, body, signal).catch(async (cause) => {
      throw await withNames(cause, "indexes", () => indexNames(gateway, signal));
    });
    const { kept, lines, omitted } = truncated(results, {
      line: ({ id, score, group, parts, text, metadata }, place) =>
        [`${place + 1}. ${id} score ${score}`, ...[group, parts, text, metadata].flatMap(shown)].join(" "),
      instead: "its metadata is too long; read it by GET /v1/vectors/index/{name}/items/{id} of the gateway",
    });
    if (results.length === 0) lines.push("No item matches.");
    if (omitted > 0) lines.push(`${omitted} hits more were left out: ask for fewer, or narrow by filter.`);
    return {
      structured: { results: kept, ...(omitted > 0 && { results_omitted: omitted }) },
      text: lines.join("\n"),
    };
  },
});

const shown = (part: unknown): string[] => (part === undefined ? [] : [JSON.stringify(part)]);

async function found(
  gateway: GatewayClient,
  name: string,
  body: object,
  signal: AbortSignal,
): Promise<Static<typeof Hit>[]> {
  const response = await gateway.post(requestPath(search, { name }, ""), body, { signal });
  return formed(searchReply, await textOf(response, signal, gateway.url)).results;
}

const namesMax = 50;

async function indexNames(gateway: GatewayClient, signal: AbortSignal): Promise<string[]> {
  const { indexes } = await gateway.call(vectord.endpoints.list, { page_size: namesMax }, { signal });
  return indexes.flatMap(({ name, aliases }) => [name, ...aliases]);
}

function formed<S extends TSchema>(schema: S, text: string): Static<S> {
  try {
    return check(schema, JSON.parse(text), "the answer");
  } catch (cause) {
    throw new GatewayFailure({
      type: "bad_gateway",
      message: "the answer has another form than expected",
      cause,
    });
  }
}

/** A model writes no more than that in one call. */
const itemsMax = 256;

export const addVectors = (gateway: GatewayClient): Tool => ({
  name: "add_vectors",
  description:
    "Adds items to a vector index that is there, or replaces those of the same id, durably: each with a text, which the index's model embeds, or a vector; with metadata, and vectors beside the main one by the names that the index declares.",
  annotations: { ...adding("Add to a vector index"), destructiveHint: true, idempotentHint: true },
  input: derive(together(info.params, AddBody), {
    omit: ["embedding_model"],
    refine: {
      name: { description: "Name of the vector index, or of an alias." },
      items: {
        maxItems: itemsMax,
        description:
          'Each {id, text or vector, metadata?, vectors?}; vectors: {"title":[0.1,0.2],"words":{"indices":[7],"values":[1]}}, dense or sparse as declared.',
      },
    },
  }),
  output: Added,
  lookUp: "list_indexes names the indexes and their aliases.",
  call: async (input, { signal }) => {
    const { name, items } = input as { name: string } & Static<typeof AddBody>;
    const path = requestPath(add, { name }, "");
    const response = await gateway.post(path, { items }, { signal });
    const structured = await textOf(response, signal, gateway.url)
      .then((text) => formed(Added, text))
      .catch(async (cause) => {
        throw await withNames(cause, "indexes", () => indexNames(gateway, signal));
      });
    const { added, replaced, count } = structured;
    return {
      structured,
      text: `${name}: ${added} added, ${replaced} of them in the place of others; it has ${count}.`,
    };
  },
});
