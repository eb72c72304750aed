/** What adds to the product: only where the operator lets it (`gateway.mcp_writes`, `--writes`). And `recall`, which reads. */
import type { Static } from "@sinclair/typebox";
import { check, closed, inputSchema, t } from "../../../runtime/contract/contract.ts";
import { TableName } from "../../../workers/catalogd/contract.ts";
import { Ingested, ingestd } from "../../../workers/ingestd/contract.ts";
import { matrixd } from "../../../workers/matrixd/contract.ts";
import { pathwayd } from "../../../workers/pathwayd/contract.ts";
import { gateway as contract } from "../../gateway/contract.ts";
import { truncated } from "../answers/answers.ts";
import { type GatewayClient, GatewayFailure, textOf, type Upload } from "../gateway/gateway.ts";
import { derive } from "./schemas.ts";
import { adding, reading, type Tool, type ToolContext } from "./tool.ts";

const { addIdempotent, search } = pathwayd.endpoints;
const { helpful, harmful } = matrixd.endpoints;
const { loadDocuments } = ingestd.endpoints;
const DocumentsLoaded = loadDocuments.produces["application/json"];

/** A model writes no more than that in one call. */
const textCharsMax = 2_000_000;
const documentsMax = 32;

const fromUrl = t.String({ minLength: 1, maxLength: 8192 });

const ingestInput = closed({
  name: {
    ...TableName,
    description:
      "Name of the dataset: letters, digits and _; or of an open table that is there, as open.jobs.",
  } as typeof TableName,
  text: t.Optional(
    t.String({
      minLength: 1,
      maxLength: textCharsMax,
      description: "The rows: CSV with a header, or NDJSON with one object a line. Either this or url.",
    }),
  ),
  url: t.Optional({
    ...fromUrl,
    description:
      "Where a file with the rows is, of a host or bucket that the operator named: https://host/file or s3://bucket/key; CSV, JSON, Parquet, XLSX, ODS, Avro, SQLite.",
  }),
  mode: t.Optional(
    t.Union([t.Literal("replace"), t.Literal("append")], {
      description: "replace (unless given) makes these rows the dataset, append adds them.",
    }),
  ),
});

export const ingestText = (gateway: GatewayClient): Tool => ({
  name: "ingest_text",
  description:
    "Loads rows that you have as text, or a file by its url, into a dataset, which query_sql reads at once: CSV with a header, or NDJSON. A new version is made; earlier ones stay readable. Types are inferred from every value and no value is changed.",
  annotations: { ...adding("Load rows"), destructiveHint: true },
  input: ingestInput,
  output: Ingested,
  lookUp: "list_datasets names the datasets, get_manifest their columns.",
  call: async (input, context) => {
    const { name, text = "", url, mode = "replace" } = input as Static<typeof ingestInput>;
    if ((text === "") === (url === undefined))
      throw new GatewayFailure({
        type: "invalid_field",
        message: "text: expected either the rows as text, or the url of a file",
      });
    const query = new URLSearchParams({ name, mode, ...(url !== undefined && { url }) });
    const structured = await uploaded(gateway, `${ingestd.endpoints.ingest.path}?${query}`, {
      upload: { type: "application/octet-stream", bytes: new TextEncoder().encode(text) },
      ...{ schema: Ingested, context },
    });
    const { manifest, rows_loaded, unchanged, warnings } = structured;
    const what = unchanged ? "holds this already" : `version ${manifest.version}, ${rows_loaded} rows loaded`;
    const columns = manifest.columns.map((column) => `${column.name} ${column.type}`).join(", ");
    return { structured, text: [`${name}: ${what}; columns ${columns}`, ...warnings].join("\n") };
  },
});

const documentsInput = closed({
  corpus: loadDocuments.query.properties.corpus,
  documents: t.Array(
    closed({
      file: t.String({
        minLength: 1,
        maxLength: 400,
        description: "The document's name with its ending, as notes/call.md. One that is there is replaced.",
      }),
      text: t.String({ minLength: 1, maxLength: textCharsMax, description: "Markdown, HTML or plain text." }),
    }),
    { minItems: 1, maxItems: documentsMax, description: "The documents, each with its name and text." },
  ),
  metadata: t.Optional(
    t.Object(
      {},
      { additionalProperties: true, description: "Facts about each of them, which filters lead into." },
    ),
  ),
});

export const addDocuments = (gateway: GatewayClient): Tool => ({
  name: "add_documents",
  description:
    "Adds documents that you have as text to a corpus, which search_matrix finds by meaning and words a little later, and query_sql reads as rows of the dataset of that name. The corpus is made when it is not there.",
  annotations: { ...adding("Add documents"), destructiveHint: true },
  input: documentsInput,
  output: DocumentsLoaded,
  lookUp: "list_corpora names the corpora.",
  call: async (input, context) => {
    const { corpus, documents, metadata } = input as Static<typeof documentsInput>;
    const form = new FormData();
    for (const { file, text } of documents) form.append("file", new File([text], file));
    const encoded = new Response(form);
    const query = new URLSearchParams({ corpus, ...(metadata && { metadata: JSON.stringify(metadata) }) });
    const structured = await uploaded(gateway, `${loadDocuments.path}?${query}`, {
      upload: { type: encoded.headers.get("content-type") ?? "", bytes: await encoded.bytes() },
      ...{ schema: DocumentsLoaded, context },
    });
    const lines = structured.documents.map(({ document, chunks }) => `${document}: ${chunks} chunks`);
    for (const { file, message } of structured.failed) lines.push(`${file} was not taken: ${message}`);
    lines.push(`Searchable when the corpus is built: it is ${structured.index.state} now.`);
    return { structured, text: lines.join("\n") };
  },
});

/** Posts bytes to a stream of ingestd and checks its answer. */
async function uploaded<S extends typeof Ingested | typeof DocumentsLoaded>(
  gateway: GatewayClient,
  path: string,
  { upload, schema, context: { signal, at } }: { upload: Upload; schema: S; context: ToolContext },
): Promise<Static<S>> {
  at("loading");
  const response = await gateway.upload(path, upload, { signal });
  try {
    return check(schema, JSON.parse(await textOf(response, signal, gateway.url)), "the answer");
  } catch (cause) {
    if (cause instanceof GatewayFailure) throw cause;
    throw new GatewayFailure({
      type: "bad_gateway",
      message: "the answer has another form than expected",
      cause,
    });
  }
}

const rememberInput = closed({
  text: t.String({
    minLength: 1,
    maxLength: 100_000,
    description: "What is to be remembered, in plain words.",
  }),
  details: t.Optional(
    t.Object({}, { additionalProperties: true, description: "Facts that belong to it, by name." }),
  ),
  tags: t.Optional(
    t.Array(t.String({ minLength: 1, maxLength: 200 }), {
      ...{ maxItems: 100, uniqueItems: true, description: "Words to find it by." },
    }),
  ),
});

export const remember = (gateway: GatewayClient): Tool => ({
  name: "remember",
  description:
    "Remembers something for later sessions: a decision, a preference, what worked and what did not. recall finds it again by its meaning, words and tags. The same text and tags twice are one memory.",
  annotations: { ...adding("Remember"), idempotentHint: true },
  input: rememberInput,
  output: addIdempotent.reply,
  lookUp: "recall finds what is remembered.",
  call: async (input, { signal }) => {
    const { text, details, tags } = input as Static<typeof rememberInput>;
    const content = { text, ...(details && { details }) };
    const structured = await gateway.call(addIdempotent, { content, ...(tags && { tags }) }, { signal });
    const { trace, created } = structured;
    return { structured, text: `${created ? "Remembered" : "Known already"} as ${trace.uid}.` };
  },
});

const memoriesDefault = 10;

export const recall = (gateway: GatewayClient): Tool => ({
  name: "recall",
  description:
    "Finds what was remembered: by meaning and words, the best first, or by tags and time, the newest first. Memories that were retired or superseded are left out unless asked for.",
  annotations: reading("Recall"),
  input: derive(inputSchema(search), {
    omit: ["vector"],
    refine: {
      tags: { description: "Tags that it must have." },
      match: { description: "all (unless given): every tag must be there; any: one of them." },
      text: { description: "What it is about: compared by meaning, spelling and words." },
      scope: {
        description: "Whose it is: {user, agent, run, session}; every name given is the memory's own.",
      },
      filter: { description: 'Fields of its content: {"details.role":"Welder"}, {"days":{"gt":5}}.' },
      min_score: { description: "Leave out those of a lower score, with text; scores go up to 1." },
      valid_at: { description: "What was true at this time, RFC 3339; now unless given." },
      include_invalid: { description: "Give those that are not true at that time, too." },
      since: { description: "Remembered at or after this time, RFC 3339." },
      until: { description: "Remembered at or before this time, RFC 3339." },
      as_of: { description: "What the answer would have been at this time, RFC 3339." },
      include_retired: { description: "Give those that were retired, too." },
      include_superseded: { description: "Give those that a later one replaced, too." },
      page_size: { maximum: 100, default: memoriesDefault, description: "Most memories of one answer." },
      page_token: { description: "The next_page_token of the answer before." },
    },
  }),
  output: search.reply,
  lookUp: "recall without conditions gives the newest memories.",
  call: async (input, { signal }) => {
    const reply = await gateway.call(search, { page_size: memoriesDefault, ...input }, { signal });
    // Embeddings would fill an agent's context.
    const { kept, lines, omitted } = truncated(
      reply.results.map(({ embedding: _, ...trace }) => trace),
      {
        line: ({ uid, content, tags, created_at }) =>
          `${created_at} ${uid}${tags.length === 0 ? "" : ` [${tags.join(", ")}]`}: ${wordsOf(content)}`,
        instead: "read it by GET /v1/pathway/get/{uid} of the gateway",
      },
    );
    if (reply.results.length === 0) lines.push("Nothing that was remembered fits.");
    if (omitted > 0) lines.push(`${omitted} more were left out: ask for fewer, or narrow by tags.`);
    const scores = reply.scores?.slice(0, kept.length);
    return { structured: { ...reply, results: kept, ...(scores && { scores }) }, text: lines.join("\n") };
  },
});

/** A memory as `remember` writes it, or any other trace as JSON. */
function wordsOf(content: unknown): string {
  const { text, ...rest } = (content ?? {}) as { text?: unknown };
  if (typeof text !== "string") return JSON.stringify(content);
  return Object.keys(rest).length === 0 ? text : `${text} ${JSON.stringify(rest)}`;
}

const feedbackInput = derive(inputSchema(helpful), {
  refine: { playbook_id: { description: "The playbook, as hits of search_matrix name it." } },
  add: { helped: t.Boolean({ description: "true: it led to the right answer; false: it misled." }) },
});

export const recordFeedback = (gateway: GatewayClient): Tool => ({
  name: "record_feedback",
  description:
    "Says of a playbook that brought up a hit whether it helped or misled: what helps counts more from then on, and what misleads often enough counts no more.",
  annotations: adding("Judge a playbook"),
  input: feedbackInput,
  output: helpful.reply,
  lookUp: "search_matrix with use_playbook true names the playbooks of its hits.",
  call: async (input, { signal }) => {
    const { playbook_id, helped } = input as { playbook_id: string; helped: boolean };
    const structured = await gateway.call(helped ? helpful : harmful, { playbook_id }, { signal });
    return {
      structured,
      text: `Playbook ${playbook_id}: helpful ${structured.helpful}, harmful ${structured.harmful}.`,
    };
  },
});

const { erase } = contract.endpoints;

export const erasePerson = (gateway: GatewayClient): Tool => ({
  name: "erase",
  description:
    "Erases a person or a thing wherever it is named, for good: memories, rows, documents, vectors, corpora, playbooks, operations. Call it with dry_run true first, show what would go, and erase only what the user has confirmed. Who asked, when and why is kept.",
  annotations: { ...adding("Erase a person"), destructiveHint: true, idempotentHint: true },
  input: derive(inputSchema(erase), {
    refine: {
      subject: {
        description:
          "Whom or what it is about: an address, an id, a name; found as whole words. Or {column, equals}: rows whose cell is that value, and nothing else.",
      },
      who: { description: "Who asks for it; it is kept." },
      why: { description: "Why, as by a case number; it is kept, and may not name the subject." },
      dry_run: { description: "true: only say what would go." },
    },
  }),
  output: erase.reply,
  lookUp: "a dry run says where the subject is named.",
  call: async (input, { signal }) => {
    const structured = await gateway.call(erase, input as never, { signal });
    const { dry_run, state, services } = structured;
    const verb = dry_run ? "would go" : "erased";
    const lines = services.flatMap(({ removed, left, problem, service }) => [
      ...removed.map(({ place, what, count }) => `${place}: ${count} ${what} ${verb}`),
      ...left.map(({ place, why, remedy }) => `${place} is left: ${why}; ${remedy}`),
      ...(problem === undefined ? [] : [`${service} has yet to do it: ${problem}`]),
    ]);
    if (lines.length === 0) lines.push("Nothing names it.");
    if (!dry_run)
      lines.push(state === "done" ? "The erasure is complete." : "It is open, and goes on by itself.");
    return { structured, text: lines.join("\n") };
  },
});
