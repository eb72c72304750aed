/** `search_matrix` and `record_playbook`: retrieval over corpora, and remembering what worked. */
import { inputSchema, t } from "../../../runtime/contract/contract.ts";
import { matrixd } from "../../../workers/matrixd/contract.ts";
import { truncated } from "../answers/answers.ts";
import { type GatewayClient, withNames } from "../gateway/gateway.ts";
import { derive } from "./schemas.ts";
import { adding, reading, type Tool } from "./tool.ts";

const { search, record } = matrixd.endpoints;
const hitsDefault = 10;

const searchInput = derive(inputSchema(search), {
  refine: {
    query_text: { description: "What is sought, in words. Give either query_text or query_vector." },
    query_vector: {
      description: "The question as a vector of the corpora's model. Give either query_text or query_vector.",
    },
    corpora: { description: "Names of the corpora to search; those of the active profile unless given." },
    k: { maximum: 100, default: hitsDefault, description: "How many hits over all corpora." },
    per_corpus_k: { maximum: 1000, description: "How many candidates each corpus gives." },
    filter: {
      description: 'On metadata: {"state":"IL"}, {"rate":{"gte":20}}, {"and":[…]}, {"or":[…]}, {"not":{…}}.',
    },
    sql_filter: {
      description: "A SQL predicate over the corpus's rows, as: state = 'IL' AND availability > 0.5.",
    },
    mode: { description: "vector finds by meaning, lexical by words, hybrid (unless given) by both." },
    weights: { description: "Weights of the modes in hybrid." },
    use_playbook: {
      description: "Let answers that worked before for similar queries come first, with the reason.",
    },
    rerank: { description: "model: a cross-encoder orders the best hits again; true: by their words alone." },
    rerank_model: {
      description: "The cross-encoder with rerank model, as onnx/NAME; a set one unless given.",
    },
    include_text: { description: "Give each hit's text, too." },
    timeout_ms: { description: "Longest wait for one corpus; a slower one is told in errors." },
  },
});

const searchOutput = derive(search.reply, {
  add: {
    hits_omitted: t.Optional(
      t.Integer({ minimum: 1, description: "Hits left out, because the answer has a bound." }),
    ),
  },
});

export const searchMatrix = (gateway: GatewayClient): Tool => ({
  name: "search_matrix",
  description:
    "Searches corpora (rows of datasets made searchable) by meaning and by words at once, with filters by metadata or SQL, and with what worked before when use_playbook is true. Gives the best rows with the parts of their scores. When an answer served well, tell record_playbook.",
  annotations: reading("Search the corpora"),
  input: searchInput,
  output: searchOutput,
  lookUp: "list_corpora names the corpora.",
  call: async ({ k = hitsDefault, ...rest }, { signal, at }) => {
    at("searching");
    const reply = await gateway.call(search, { ...rest, k: k as number }, { signal }).catch(async (cause) => {
      throw await withNames(cause, "corpora", () => corpusNames(gateway, signal));
    });
    const { kept, lines, omitted } = truncated(reply.hits, {
      line: ({ id, corpus, score, metadata, text, playbooks = [] }, place) =>
        [
          `${place + 1}. ${id} (${corpus}) score ${score} ${JSON.stringify(metadata)}`,
          ...(text === undefined ? [] : [`   ${text}`]),
          ...playbooks.map(({ because }) => `   ${because}`),
        ].join("\n"),
      instead: "leave include_text out, or build the corpus with fewer metadata_columns",
    });
    if (reply.hits.length === 0) lines.push("Nothing was found.");
    if (omitted > 0)
      lines.push(`${omitted} hits more were left out: ask for fewer, or leave include_text out.`);
    for (const { note, because } of reply.notes ?? []) lines.push(`Note: ${note}`, `   ${because}`);
    // An agent has no other way to learn the names.
    if (reply.errors.some(({ type }) => type === "not_found"))
      lines.push(`corpora there are: ${(await corpusNames(gateway, signal)).join(", ") || "none yet"}`);
    for (const { corpus, type, message } of reply.errors)
      lines.push(`corpus ${corpus} failed: ${message} (${type})`);
    const structured = { ...reply, hits: kept, ...(omitted > 0 && { hits_omitted: omitted }) };
    return { structured, text: lines.join("\n") };
  },
});

const namesMax = 50;

async function corpusNames(gateway: GatewayClient, signal: AbortSignal): Promise<string[]> {
  const { corpora } = await gateway.call(matrixd.endpoints.corpora, { page_size: namesMax }, { signal });
  return corpora.map(({ name }) => name);
}

export const recordPlaybook = (gateway: GatewayClient): Tool => ({
  name: "record_playbook",
  description:
    "Remembers that an answer worked for a query, so that search_matrix with use_playbook brings it up for similar queries. Call it when the user confirms that a hit was right. The same again strengthens what is remembered.",
  annotations: adding("Remember what worked"),
  input: derive(inputSchema(record), {
    refine: {
      query_text: { description: "The query, as the user put it." },
      answer_id: { description: "The id of the hit that worked; leave it out where a note is the lesson." },
      corpus: { description: "The corpus of that hit." },
      score: { description: "How good the answer was, 0 to 1." },
      tags: { description: "Words to find it by." },
      trace_uid: { description: "The pathway trace it came from." },
      note: {
        description:
          "Why it worked; without answer_id the lesson itself, which searches for similar queries bring up.",
      },
    },
  }),
  output: record.reply,
  lookUp: "list_corpora names the corpora, and search_matrix gives the ids of answers.",
  call: async (input, { signal }) => {
    const structured = await gateway.call(
      record,
      input as Parameters<typeof gateway.call<typeof record>>[1],
      { signal },
    );
    const { playbook, merged } = structured;
    const text = `${merged ? "Strengthened" : "Remembered"}: for "${playbook.query_text}" ${playbook.answer_id === undefined ? "a note on" : `the answer ${playbook.answer_id} of`} ${playbook.corpus} (playbook ${playbook.playbook_id}, helpful ${playbook.helpful}, harmful ${playbook.harmful}).`;
    return { structured, text };
  },
});
