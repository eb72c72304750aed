/** The shapes that matrixd's contract speaks of. */
import type { Static } from "@sinclair/typebox";
import { closed, t } from "../../../runtime/contract/contract.ts";
import { TraceUid } from "../../pathwayd/contract.ts";

export const name = t.String({
  pattern: "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$",
  description: "Name of a corpus or profile.",
});
const column = t.String({ minLength: 1, maxLength: 200 });
const columns = t.Array(column, { maxItems: 200, uniqueItems: true });
export const query = t.String({ minLength: 1, maxLength: 32 * 1024 });
const sqlText = t.String({ minLength: 1, maxLength: 256 * 1024 });
export const tags = t.Array(t.String({ minLength: 1, maxLength: 200 }), { maxItems: 100, uniqueItems: true });
export const time = t.String({ format: "date-time" });
export const count = t.Integer({ minimum: 0 });
export const share = t.Number({ minimum: 0, maximum: 1 });
const k = t.Integer({ minimum: 1, maximum: 1000 });
export const id = t.String({ minLength: 1, maxLength: 512 });
const Metadata = t.Record(t.String(), t.Unknown());
export const Mode = t.Union([t.Literal("vector"), t.Literal("lexical"), t.Literal("hybrid")]);
export type Mode = Static<typeof Mode>;

/** The metadata field of vectord's items that holds the row's number; no column may have this name. */
export const rowField = "@row";

/** What a corpus is made of; exactly one of `dataset`, which may be a view, and `sql`. */
export const CorpusSpec = closed({
  name,
  dataset: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
  sql: t.Optional(sqlText),
  id_column: column,
  text_columns: t.Array(column, { minItems: 1, maxItems: 100, uniqueItems: true }),
  metadata_columns: t.Optional(columns),
  /** Those of `metadata_columns` whose text is JSON: filters lead into it. Text that is none is NULL. */
  json_columns: t.Optional(columns),
  /** embedd's default unless given. Another model means a new build. */
  model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
});
export type CorpusSpec = Static<typeof CorpusSpec>;

export const Corpus = t.Composite(
  [
    CorpusSpec,
    closed({
      state: t.Union([t.Literal("building"), t.Literal("ready"), t.Literal("failed"), t.Literal("damaged")]),
      rows: count,
      dimension: t.Optional(t.Integer({ minimum: 1 })),
      /** The vector index that holds it now. */
      index: t.Optional(t.String()),
      /** Of the job that works on it. */
      job_id: t.Optional(t.String()),
      /** Grows with each swap. */
      generation: count,
      built_at: t.Optional(time),
      /** The dataset's version that was read. */
      dataset_version: t.Optional(count),
      last_error: t.Optional(t.String()),
    }),
  ],
  { additionalProperties: false },
);
export type Corpus = Static<typeof Corpus>;

export const Job = closed({
  job_id: t.String(),
  corpus: name,
  state: t.Union([
    t.Literal("queued"),
    t.Literal("running"),
    t.Literal("done"),
    t.Literal("failed"),
    t.Literal("cancelled"),
  ]),
  step: t.String(),
  rows_read: count,
  rows_total: t.Optional(count),
  /** Rows whose text was new or changed, and was embedded. */
  embedded: count,
  unchanged: count,
  removed: count,
  /** New or changed rows whose text columns are empty: kept, and found by neither words nor vectors. */
  without_text: count,
  /** Whether rows of the corpus as it was are kept. */
  refresh: t.Boolean(),
  started_at: time,
  finished_at: t.Optional(time),
  error: t.Optional(closed({ type: t.String(), message: t.String() })),
});
export type Job = Static<typeof Job>;

/** Every part of a hit's score by name: `vector`, `sentence`, `lexical`, `spelling`, `fused`, `playbook`, `rerank`. */
const Parts = t.Record(t.String(), t.Number());

export const MatrixHit = closed({
  id,
  corpus: name,
  score: t.Number(),
  parts: Parts,
  text: t.Optional(t.String()),
  metadata: Metadata,
  /** Why it stands where it stands, when playbooks had a say. */
  playbooks: t.Optional(
    t.Array(
      closed({
        playbook_id: t.String(),
        similarity: t.Number(),
        boost: t.Number(),
        injected: t.Boolean(),
        because: t.String(),
      }),
    ),
  ),
});
export type MatrixHit = Static<typeof MatrixHit>;

export const SearchBody = closed({
  query_text: t.Optional(query),
  query_vector: t.Optional(t.Array(t.Number(), { minItems: 1, maxItems: 65_536 })),
  /** Those of the active profile unless given. */
  corpora: t.Optional(t.Array(name, { minItems: 1, maxItems: 100, uniqueItems: true })),
  k: t.Optional(k),
  per_corpus_k: t.Optional(k),
  /** On metadata, in vectord's grammar. */
  filter: t.Optional(t.Record(t.String(), t.Unknown())),
  /** A SQL predicate over the corpus's dataset or statement, as `state = 'IL' AND availability > 0.5`. */
  sql_filter: t.Optional(t.String({ minLength: 1, maxLength: 64 * 1024 })),
  /** `hybrid` unless given. */
  mode: t.Optional(Mode),
  /** Weights of the modes in the fusion; measured ones for each corpus's model unless set. */
  weights: t.Optional(closed({ vector: t.Optional(share), lexical: t.Optional(share) })),
  use_playbook: t.Optional(t.Boolean()),
  /**
   * `model`: a cross-encoder reads the best rows beside the query and orders them. `true`: by words and short metadata
   * values, which harms what a model ranked by meaning.
   */
  rerank: t.Optional(t.Union([t.Boolean(), t.Literal("model")])),
  /** The cross-encoder, with `rerank: "model"`; [embedd] rerank_model unless given. */
  rerank_model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
  /** Adds the row's text to each hit. */
  include_text: t.Optional(t.Boolean()),
  /** Longest wait for one corpus; a slower one is reported in `errors`. */
  timeout_ms: t.Optional(t.Integer({ minimum: 1, maximum: 600_000 })),
});

export const Playbook = closed({
  playbook_id: t.String(),
  query_text: query,
  /** The row that answered; absent where the note is what helps. */
  answer_id: t.Optional(id),
  corpus: name,
  /** How good the answer was, 0 to 1. */
  score: share,
  tags,
  /** The pathway trace it came from; retired with it. */
  trace_uid: t.Optional(t.String({ minLength: 1, maxLength: 256 })),
  note: t.Optional(t.String({ maxLength: 4096 })),
  helpful: count,
  harmful: count,
  created_at: time,
  updated_at: time,
  /** When it was last recorded or called helpful: it fades from then on. */
  confirmed_at: time,
  /** Other wordings that were merged into this one. */
  aliases: t.Optional(t.Array(query)),
});
export type Playbook = Static<typeof Playbook>;

/** What is recorded: an answer that worked, or with `note` alone a strategy. */
export const Recording = closed({
  query_text: query,
  answer_id: t.Optional(id),
  corpus: name,
  score: t.Optional(share),
  tags: t.Optional(tags),
  trace_uid: t.Optional(TraceUid),
  /** Needed without `answer_id`: searches for similar queries bring it in. */
  note: t.Optional(t.String({ minLength: 1, maxLength: 4096 })),
});
export type Recording = Static<typeof Recording>;

const editable = {
  query_text: t.Optional(query),
  note: t.Optional(t.String({ minLength: 1, maxLength: 4096 })),
  tags: t.Optional(tags),
  score: t.Optional(share),
};
/** What an edit changes; what is not named stays, and so do feedback, trace and corpus. */
export const PlaybookEdit = closed(editable);
export type PlaybookEdit = Static<typeof PlaybookEdit>;

const playbookId = t.String({ minLength: 1, maxLength: 200 });
/** One change of a delta: exactly one of these. */
export const PlaybookDelta = closed({
  add: t.Optional(Recording),
  edit: t.Optional(closed({ playbook_id: playbookId, ...editable })),
  /** Ids of playbooks. */
  helpful: t.Optional(playbookId),
  harmful: t.Optional(playbookId),
  forget: t.Optional(playbookId),
});
export type PlaybookDelta = Static<typeof PlaybookDelta>;

/** A playbook without an answer that fits a query. */
export const PlaybookNote = closed({
  playbook_id: t.String(),
  corpus: name,
  note: t.String(),
  similarity: t.Number(),
  boost: t.Number(),
  because: t.String(),
});

export const Profile = closed({
  name,
  model: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
  corpora: t.Array(name, { minItems: 1, maxItems: 100, uniqueItems: true }),
  mode: t.Optional(Mode),
  k: t.Optional(k),
  use_playbook: t.Optional(t.Boolean()),
  weights: t.Optional(closed({ vector: t.Optional(share), lexical: t.Optional(share) })),
  /** Settings handed to vectord's searches, as `ef`. */
  index: t.Optional(closed({ ef: t.Optional(t.Integer({ minimum: 1, maximum: 10_000 })) })),
  bucket: t.Optional(t.String({ minLength: 1, maxLength: 100 })),
  active: t.Optional(t.Boolean()),
});
export type Profile = Static<typeof Profile>;

export const Chunk = closed({
  id,
  text: t.String({ maxLength: 256 * 1024 }),
  path: t.Optional(t.String({ maxLength: 4096 })),
  symbols: t.Optional(t.Array(t.String({ maxLength: 500 }), { maxItems: 1000 })),
  /** Of the retrieval that found it. */
  score: t.Optional(t.Number()),
});
export type Chunk = Static<typeof Chunk>;
