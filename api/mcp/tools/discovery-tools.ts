/** `list_corpora`, `list_indexes` and `list_models`: the names that other tools take. */
import type { TObject } from "@sinclair/typebox";
import { closed, inputSchema } from "../../../runtime/contract/contract.ts";
import { embedd } from "../../../workers/embedd/contract.ts";
import { matrixd } from "../../../workers/matrixd/contract.ts";
import { vectord } from "../../../workers/vectord/contract.ts";
import { truncated } from "../answers/answers.ts";
import type { GatewayClient } from "../gateway/gateway.ts";
import { isLike, likeInput, likePages } from "./like.ts";
import { derive } from "./schemas.ts";
import { reading, type Tool } from "./tool.ts";

const { corpora } = matrixd.endpoints;
const { list: indexes } = vectord.endpoints;
const { models } = embedd.endpoints;
const namesPerPage = 50;

const paged = (base: TObject, what: string) =>
  derive(base, {
    refine: {
      page_size: { maximum: 200, default: namesPerPage, description: `Most ${what} of one answer.` },
      page_token: { description: "The next_page_token of the answer before." },
    },
    add: likeInput,
  });

interface Asked {
  like?: string;
  page_size?: number;
  page_token?: string;
}

const instead = "ask for a smaller page_size";
const more = (tool: string, token: string | undefined, like: string | undefined): string[] =>
  token === undefined
    ? []
    : [
        `There are more: ${tool} ${JSON.stringify({ ...(like !== undefined && { like }), page_token: token })}`,
      ];

export const listCorpora = (gateway: GatewayClient): Tool => ({
  name: "list_corpora",
  description:
    "Lists the corpora that search_matrix searches, by name: the dataset that each is made of, its text and metadata columns, its model, its rows and its state.",
  annotations: reading("List corpora"),
  input: paged(inputSchema(corpora), "corpora"),
  output: corpora.reply,
  lookUp: "list_corpora names the corpora.",
  call: async (input, { signal }) => {
    const asked = input as Asked;
    const found = await likePages({ ...asked, perPage: namesPerPage }, async (page) => {
      const { corpora: items, next_page_token } = await gateway.call(corpora, page, { signal });
      return { items, next_page_token };
    });
    const { kept, lines } = truncated(found.items, {
      line: ({ name, dataset, rows, state, text_columns }) =>
        `${name}: ${rows} rows of ${dataset} by ${text_columns.join(", ")}, ${state}`,
      instead,
    });
    if (found.items.length === 0)
      lines.push("No corpus: build one by POST /v1/matrix/corpora of the gateway.");
    lines.push(...more("list_corpora", found.next_page_token, asked.like));
    const { next_page_token } = found;
    return {
      structured: { corpora: kept, ...(next_page_token !== undefined && { next_page_token }) },
      text: lines.join("\n"),
    };
  },
});

export const listIndexes = (gateway: GatewayClient): Tool => ({
  name: "list_indexes",
  description:
    "Lists the vector indexes that search_vectors searches, by name, with their aliases, dimension, metric, model and number of items.",
  annotations: reading("List vector indexes"),
  input: paged(inputSchema(indexes), "indexes"),
  output: indexes.reply,
  lookUp: "list_indexes names the indexes.",
  call: async (input, { signal }) => {
    const asked = input as Asked;
    let unreadable: { name: string; reason: string }[] = [];
    const found = await likePages({ ...asked, perPage: namesPerPage }, async (page) => {
      const reply = await gateway.call(indexes, page, { signal });
      unreadable = reply.unreadable ?? [];
      return { items: reply.indexes, next_page_token: reply.next_page_token };
    });
    const { kept, lines } = truncated(found.items, {
      line: ({ name, count, dimension, metric, embedding_model, aliases }) =>
        `${name}: ${count} items of ${dimension} numbers, ${metric}${embedding_model === undefined ? "" : `, by ${embedding_model}`}${aliases.length === 0 ? "" : `, also called ${aliases.join(", ")}`}`,
      instead,
    });
    for (const { name, reason } of unreadable) lines.push(`${name}: cannot be read (${reason})`);
    if (lines.length === 0) lines.push("No index: make one by POST /v1/vectors/index of the gateway.");
    lines.push(...more("list_indexes", found.next_page_token, asked.like));
    const { next_page_token } = found;
    const structured = {
      indexes: kept,
      ...(unreadable.length > 0 && { unreadable }),
      ...(next_page_token !== undefined && { next_page_token }),
    };
    return { structured, text: lines.join("\n") };
  },
});

export const listModels = (gateway: GatewayClient): Tool => ({
  name: "list_models",
  description:
    "Lists the embedding models that embed_text takes, with their dimensions and the providers that answer. A search by text uses the model of its corpus or index by itself.",
  annotations: reading("List embedding models"),
  input: closed({ ...likeInput }),
  output: models.reply,
  lookUp: "list_models names the models.",
  call: async (input, { signal }) => {
    const { like } = input as Asked;
    const reply = await gateway.call(models, {}, { signal });
    const { kept, lines } = truncated(
      reply.models.filter(({ id }) => isLike(id, like)),
      {
        line: ({ id, provider, dimension, is_default }) =>
          `${id} of ${provider}${dimension === undefined ? "" : `, ${dimension} numbers`}${is_default ? ", the default" : ""}`,
        instead: "give like",
      },
    );
    for (const { name, available, reason } of reply.providers)
      if (!available)
        lines.push(`provider ${name} does not answer${reason === undefined ? "" : `: ${reason}`}`);
    return { structured: { ...reply, models: kept }, text: lines.join("\n") };
  },
});
