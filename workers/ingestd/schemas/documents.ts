/** What requests about documents take and give. */
import type { Static } from "@sinclair/typebox";
import {
  Binary,
  closed,
  del,
  get,
  nextPage,
  pageFields,
  raw,
  t,
} from "../../../runtime/contract/contract.ts";

const count = t.Integer({ minimum: 0 });

/** Both a dataset's name and a corpus's. */
export const CorpusName = t.String({
  pattern: "^[A-Za-z][A-Za-z0-9_]{0,99}$",
  description: "Name of the corpus and of its dataset: letters, digits and `_`, at most 100.",
});

export const documentIdMax = 400;
export const DocumentId = t.String({
  minLength: 1,
  maxLength: documentIdMax,
  description: "The file's name with its path, unless it was given another; percent-encoded in paths.",
});

const documentForm = t.Union([t.Literal("original"), t.Literal("text"), t.Literal("json")], {
  description: "`original` unless given.",
});

const loadingDocuments = {
  corpus: CorpusName,
  file: t.Optional(
    t.String({
      minLength: 1,
      maxLength: documentIdMax,
      description: "The file's name, where the body is the file.",
    }),
  ),
  id: t.Optional(
    t.String({
      minLength: 1,
      maxLength: documentIdMax,
      description:
        "The document's id, where one file is sent: its name unless given. One that is there is replaced.",
    }),
  ),
  metadata: t.Optional(
    t.String({
      maxLength: 16_384,
      description: "A JSON object of your own for each document: filters lead into it.",
    }),
  ),
  chunk_size: t.Optional(
    t.Integer({
      minimum: 100,
      maximum: 20_000,
      description: "Most characters of a chunk, beside its overlap; ingestd.chunk_size unless given.",
    }),
  ),
  chunk_overlap: t.Optional(
    t.Integer({
      minimum: 0,
      maximum: 10_000,
      description:
        "Characters of a chunk that the next one repeats, at most half its size; ingestd.chunk_overlap unless given.",
    }),
  ),
};

export const Document = closed({
  document: t.String(),
  file: t.String(),
  media_type: t.String(),
  bytes: count,
  sha256: t.String(),
  title: t.Union([t.String(), t.Null()]),
  author: t.Union([t.String(), t.Null()]),
  date: t.Union([t.String(), t.Null()]),
  /** Rows of the dataset. */
  chunks: count,
  /** Of the text. */
  characters: count,
  metadata: t.Record(t.String(), t.Unknown()),
  added_at: t.String(),
});
export type Document = Static<typeof Document>;

const FailedFile = closed({ file: t.String(), type: t.String(), message: t.String() });
export type FailedFile = Static<typeof FailedFile>;

/** What becomes of the corpus that is searched: it is built after the commit. */
const Index = closed({
  state: t.Union([t.Literal("building"), t.Literal("waiting"), t.Literal("failed")], {
    description:
      "`building`: by this job, as /matrix/jobs has it; `waiting`: once the job that runs has ended; `failed`: tried again.",
  }),
  job_id: t.Optional(t.String()),
  error: t.Optional(t.String()),
});
export type Index = Static<typeof Index>;

export const DocumentsLoaded = closed({
  job_id: t.String(),
  corpus: CorpusName,
  /** Of the dataset. */
  version: count,
  documents: t.Array(
    closed({
      document: t.String(),
      file: t.String(),
      media_type: t.String(),
      title: t.Optional(t.String()),
      chunks: count,
      characters: count,
      pages: t.Optional(count),
      /** What of the file is not in its text, or was read otherwise than it says. */
      warnings: t.Optional(t.Array(t.String())),
    }),
  ),
  /** Files that were not taken; the others were. */
  failed: t.Array(FailedFile),
  chunks: count,
  /** Rows whose place these took: of documents that were there. */
  chunks_replaced: count,
  index: Index,
  elapsed_ms: t.Number(),
});
export type DocumentsLoaded = Static<typeof DocumentsLoaded>;

export const DocumentDeleted = closed({
  document: t.String(),
  corpus: CorpusName,
  version: count,
  chunks: count,
  index: Index,
});

export const documentEndpoints = {
  loadDocuments: raw(["POST"], "/documents", {
    summary:
      "Takes documents into a corpus: their text in chunks as rows of the dataset of that name, and as what is searched by words and vectors. Multipart fields `file`, or the raw body with its name; zip, tar and tar.gz are opened.",
    query: closed(loadingDocuments),
    consumes: { "multipart/form-data": t.Object({ file: Binary }), "application/octet-stream": Binary },
    produces: { "application/json": DocumentsLoaded },
    headers: { "x-lakehouse-job-id": "A name for the job, chosen by the caller, to follow it by." },
    answerHeaders: { "x-lakehouse-job-id": "The job, as /ingest/jobs lists it." },
    refusals: [408, 409, 422, 429],
  }),
  documents: get("/documents", {
    summary: "The documents of a corpus by their ids.",
    refusals: [408, 429],
    query: closed({ corpus: CorpusName, ...pageFields }),
    reply: closed({ corpus: CorpusName, documents: t.Array(Document), ...nextPage }),
  }),
  document: raw(["GET"], "/documents/:id", {
    summary: "A document: its original with its media type, its text, or what is known of it as JSON.",
    params: closed({ id: DocumentId }),
    query: closed({ corpus: CorpusName, as: t.Optional(documentForm) }),
    produces: { "application/octet-stream": Binary, "*/*": Binary, "application/json": Document },
    statuses: [200, 206],
    headers: { range: "`bytes=FIRST-LAST` of an original." },
    refusals: [408, 416, 429],
  }),
  deleteDocument: del("/documents/:id", {
    long: true,
    resumable: true,
    refusals: [408, 409, 422, 429],
    summary: "Deletes a document: its rows by one version, its original, and what is found of it.",
    params: closed({ id: DocumentId }),
    query: closed({ corpus: CorpusName }),
    reply: DocumentDeleted,
  }),
};
