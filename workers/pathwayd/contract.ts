/** pathwayd: memory of traces, append-only. See README.md beside this file. */
import {
  closed,
  contract,
  erasureReasons,
  get,
  internal,
  nextPage,
  pageFields,
  post,
  SubjectText,
  t,
} from "../../runtime/contract/contract.ts";

/** What a trace may be called; `.` and `..` could not stand in a path. */
export const TraceUid = t.String({
  minLength: 1,
  maxLength: 256,
  pattern: "^(?!\\.{1,2}$)[^\\u0000-\\u001f\\u007f]+$",
  description: "Identifier of a trace: no control characters, not `.` or `..`.",
});
const uid = TraceUid;
const tag = t.String({ minLength: 1, maxLength: 200 });
const tags = t.Array(tag, { maxItems: 100, uniqueItems: true });
const time = t.String({ format: "date-time" });
/** Any JSON value but null, at most 64 levels deep. Numbers are doubles. */
const content = t.Unknown({ description: "What happened: any JSON but null." });
/** Whose it is, and in which work it came to be. */
const scopeName = t.Optional(t.String({ minLength: 1, maxLength: 256 }));
const Scope = t.Object(
  { user: scopeName, agent: scopeName, run: scopeName, session: scopeName },
  { additionalProperties: false, minProperties: 1 },
);
const embedding = t.Array(t.Number(), { minItems: 1, maxItems: 65_536 });

export const Trace = closed({
  uid,
  content,
  tags,
  created_at: time,
  /** When content, tags or embedding were last set. */
  updated_at: time,
  /** The trace this one supersedes. */
  predecessor: t.Optional(uid),
  /** The trace that superseded this one; such a trace is found only when asked for. */
  successor: t.Optional(uid),
  retired: t.Boolean(),
  retired_at: t.Optional(time),
  /** Why it was retired. */
  reason: t.Optional(t.String({ maxLength: 4096 })),
  replay_count: t.Integer({ minimum: 0 }),
  last_replayed_at: t.Optional(time),
  scope: t.Optional(Scope),
  /** From when it is true, and until when, the end left out. */
  valid_from: t.Optional(time),
  valid_to: t.Optional(time),
  embedding: t.Optional(embedding),
});

const facts = { scope: t.Optional(Scope), valid_from: t.Optional(time), valid_to: t.Optional(time) };
const New = { content, tags: t.Optional(tags), embedding: t.Optional(embedding), ...facts };

export const pathwayd = contract("pathwayd", {
  add: post("/pathway/add", {
    resumable: true,
    summary: "Remembers a trace. A uid that is taken is a conflict.",
    status: 201,
    body: closed({ uid: t.Optional(uid), ...New }),
    reply: Trace,
  }),
  addIdempotent: post("/pathway/add_idempotent", {
    resumable: true,
    summary:
      "As `add`; a live trace with the same uid and content, or without a uid the same content and tags, is given back instead. The order of fields and of tags does not matter.",
    body: closed({ uid: t.Optional(uid), ...New }),
    reply: closed({ trace: Trace, created: t.Boolean() }),
  }),
  update: post("/pathway/update", {
    resumable: true,
    summary:
      "Replaces content, tags or embedding of a live trace; what it was stays in its history. New content without an embedding drops the old one, which was made of the old content.",
    body: closed({
      uid,
      content: t.Optional(content),
      tags: t.Optional(tags),
      embedding: t.Optional(embedding),
      ...facts,
    }),
    reply: Trace,
  }),
  revise: post("/pathway/revise", {
    resumable: true,
    summary:
      "A new trace, with a new uid, that supersedes a live one; without tags or scope it takes those of the old one. With `valid_from` the old one is found for the time before.",
    status: 201,
    body: closed({
      uid,
      new_uid: t.Optional(uid),
      ...New,
      reason: t.Optional(t.String({ maxLength: 4096 })),
    }),
    reply: Trace,
  }),
  retire: post("/pathway/retire", {
    resumable: true,
    summary:
      "Takes a trace out of every search for good; its history stays. One that is retired already is given back as it is.",
    body: closed({ uid, reason: t.Optional(t.String({ maxLength: 4096 })) }),
    reply: Trace,
  }),
  replay: post("/pathway/replay", {
    resumable: true,
    summary: "Counts one use of a live trace.",
    body: closed({ uid }),
    reply: Trace,
  }),
  get: get("/pathway/get/:uid", {
    summary: "One trace as it is now, retired or not; or as it was at a time.",
    params: closed({ uid }),
    query: closed({ as_of: t.Optional(time) }),
    reply: Trace,
  }),
  history: get("/pathway/history/:uid", {
    summary:
      "Every change of the chain a trace belongs to, what it superseded and what superseded it, in order; and the traces that a page's changes belong to, oldest first, as they are now.",
    params: closed({ uid }),
    query: closed({ ...pageFields }),
    reply: closed({
      traces: t.Array(Trace),
      changes: t.Array(
        closed({
          sequence: t.Integer({ minimum: 1 }),
          at: time,
          kind: t.Union(
            (["add", "update", "revise", "supersede", "retire", "replay", "erased"] as const).map((kind) =>
              t.Literal(kind),
            ),
          ),
          uid,
          /** The trace after the change, for add, update and revise. */
          trace: t.Optional(Trace),
          reason: t.Optional(t.String()),
          /** Of an erasure: who asked for it, and why. */
          who: t.Optional(t.String()),
          why: t.Optional(t.String()),
        }),
      ),
      ...nextPage,
    }),
  }),
  search: post("/pathway/search", {
    reads: true,
    summary:
      "Live traces that match every condition given and are true at the time: the best first with `text`, `vector` or both, else the newest. Text is compared by meaning, spelling and words.",
    body: closed({
      tags: t.Optional(tags),
      /** Whether all tags must be there (default) or one. */
      match: t.Optional(t.Union([t.Literal("all"), t.Literal("any")])),
      /** Ranks by meaning, spelling and words together; what is nothing like it is left out. */
      text: t.Optional(t.String({ minLength: 1, maxLength: 10_000 })),
      /** Ranks the traces that have an embedding of this length by cosine. */
      vector: t.Optional(embedding),
      /** Traces of this scope: every name given is the trace's own. */
      scope: t.Optional(Scope),
      /** Fields of the content, as filters elsewhere; content that is no object has none. */
      filter: t.Optional(t.Record(t.String(), t.Unknown())),
      /** Hits of a lower score are left out. */
      min_score: t.Optional(t.Number()),
      /** Created at or after this. */
      since: t.Optional(time),
      /** Created at or before this. */
      until: t.Optional(time),
      /** What the answer would have been at this time. */
      as_of: t.Optional(time),
      /** What was true at this time, as it is known now or at `as_of`; without it that time itself. */
      valid_at: t.Optional(time),
      /** Also what is not true at that time. */
      include_invalid: t.Optional(t.Boolean()),
      include_retired: t.Optional(t.Boolean()),
      include_superseded: t.Optional(t.Boolean()),
      ...pageFields,
    }),
    reply: closed({
      results: t.Array(Trace),
      /** With `text` or `vector`: one a result, larger is better. */
      scores: t.Optional(t.Array(t.Number())),
      /** With `text`: why some could not be compared by meaning. */
      incomplete: t.Optional(t.String()),
      ...nextPage,
    }),
  }),
  stats: get("/pathway/stats", {
    summary: "Counts, sizes, and what was found damaged in the log.",
    reply: closed({
      total: t.Integer({ minimum: 0 }),
      live: t.Integer({ minimum: 0 }),
      retired: t.Integer({ minimum: 0 }),
      superseded: t.Integer({ minimum: 0 }),
      erased: t.Integer({ minimum: 0 }),
      replays: t.Integer({ minimum: 0 }),
      log_bytes: t.Integer({ minimum: 0 }),
      log_records: t.Integer({ minimum: 0 }),
      /** Lines that could not be read at the start and still stand in the log. */
      damaged_lines: t.Integer({ minimum: 0 }),
      /** Changes known to have been made that no line holds any more. */
      lost_changes: t.Integer({ minimum: 0 }),
      problems: t.Array(t.String()),
    }),
  }),

  compact: post("/pathway/compact", {
    resumable: "again",
    long: true,
    summary:
      "Writes the log anew without losing history: replays are packed, damaged lines set aside in a file beside it. It happens by itself when it pays.",
    body: closed({}),
    reply: closed({
      bytes_before: t.Integer({ minimum: 0 }),
      bytes_after: t.Integer({ minimum: 0 }),
      log_records: t.Integer({ minimum: 0 }),
    }),
  }),

  erase: post("/pathway/erase", {
    keyless: true,
    long: true,
    summary:
      "Erases traces for good, with every trace of their chains: content, tags, embeddings, all they ever were, and answers to Idempotency-Keys. What is left is that they were there, and who had them erased, when and why. Those that fulfil every condition given.",
    body: closed({
      uids: t.Optional(t.Array(uid, { minItems: 1, maxItems: 10_000 })),
      /** Traces that ever named it: in uid, scope, tags, content or reasons. Uids that name it become others. */
      subject: t.Optional(SubjectText),
      /** Traces that ever were of this scope. */
      scope: t.Optional(Scope),
      /** Traces whose content ever fulfilled it, as in a search. */
      filter: t.Optional(t.Record(t.String(), t.Unknown())),
      ...erasureReasons,
    }),
    reply: closed({
      dry_run: t.Boolean(),
      erased: t.Integer({ minimum: 0 }),
      /** As they are called from now on; in a dry run as they are called. */
      uids: t.Array(t.String()),
      /** Answers to Idempotency-Keys that were about them. */
      answers: t.Integer({ minimum: 0 }),
    }),
  }),

  // Between services.
  alive: internal({
    reads: true,
    summary: "Which of the traces may still be used: there, not retired, not superseded.",
    // Any text: what no trace can be called is none, and no reason to say nothing of the others.
    body: closed({ uids: t.Array(t.String({ maxLength: 4096 }), { maxItems: 10_000 }) }),
    reply: closed({ alive: t.Array(uid) }),
  }),
});
export type Pathwayd = typeof pathwayd;
