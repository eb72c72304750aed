/** matrixd: retrieval over many corpora, and what worked before. See README.md beside this file. */
import {
  closed,
  contract,
  del,
  Events,
  get,
  internal,
  nextPage,
  pageFields,
  patch,
  post,
  put,
  raw,
  t,
} from "../../runtime/contract/contract.ts";
import {
  Chunk,
  Corpus,
  CorpusSpec,
  count,
  id,
  Job,
  MatrixHit,
  Mode,
  name,
  Playbook,
  PlaybookDelta,
  PlaybookEdit,
  PlaybookNote,
  Profile,
  Recording,
  SearchBody,
  share,
  time,
} from "./schemas/schemas.ts";

export const matrixd = contract("matrixd", {
  build: post("/matrix/corpora", {
    resumable: true,
    refusals: [408, 502],
    summary: "Builds a corpus, or refreshes it when it is there: only rows that changed are embedded. A job.",
    status: 202,
    body: CorpusSpec,
    reply: closed({ job_id: t.String(), corpus: name, refresh: t.Boolean() }),
  }),
  corpora: get("/matrix/corpora", {
    summary: "The corpora and their states.",
    query: closed({ ...pageFields }),
    reply: closed({ corpora: t.Array(Corpus), ...nextPage }),
  }),
  corpus: get("/matrix/corpora/:name", { summary: "One corpus.", params: closed({ name }), reply: Corpus }),
  drop: del("/matrix/corpora/:name", {
    summary: "Deletes a corpus with its index; its playbooks stay and rest.",
    params: closed({ name }),
    reply: closed({ name }),
  }),
  jobs: get("/matrix/jobs", {
    summary: "Jobs, newest first.",
    query: closed({ ...pageFields }),
    reply: closed({ jobs: t.Array(Job), ...nextPage }),
  }),
  job: get("/matrix/jobs/:job_id", {
    summary: "One job.",
    params: closed({ job_id: t.String({ maxLength: 200 }) }),
    reply: Job,
  }),
  cancel: del("/matrix/jobs/:job_id", {
    resumable: "again",
    summary: "Stops a job; the corpus stays as it was.",
    params: closed({ job_id: t.String({ maxLength: 200 }) }),
    reply: Job,
  }),
  jobEvents: raw(["GET"], "/matrix/jobs/:job_id/events", {
    summary: "The job's progress as server-sent events; the last one is its end.",
    params: closed({ job_id: t.String({ maxLength: 200 }) }),
    produces: {
      "text/event-stream": Events(
        "Events `progress`, each with the job as JSON; the last is `done` or `failed`. A stream that ends with neither says that the service stopped: look at the job.",
      ),
    },
  }),
  search: post("/matrix/search", {
    refusals: [408, 502],
    reads: true,
    summary:
      "The best rows of all corpora asked. A corpus that fails or is late is reported beside the others' hits.",
    body: SearchBody,
    reply: closed({
      hits: t.Array(MatrixHit),
      errors: t.Array(closed({ corpus: name, type: t.String(), message: t.String() })),
      mode: Mode,
      profile: t.Optional(name),
      /** With `use_playbook`: notes on how queries like this one are answered, the strongest first. */
      notes: t.Optional(t.Array(PlaybookNote)),
      /** What each step took, in milliseconds. */
      took_ms: t.Record(t.String(), t.Number()),
    }),
  }),
  relevance: post("/matrix/relevance", {
    reads: true,
    summary: "Scores chunks against a focus, drops what is only adjacent, and says why.",
    body: closed({
      focus: closed({
        path: t.Optional(t.String({ maxLength: 4096 })),
        symbols: t.Optional(t.Array(t.String({ minLength: 1, maxLength: 500 }), { maxItems: 1000 })),
        terms: t.Optional(t.Array(t.String({ minLength: 1, maxLength: 500 }), { maxItems: 1000 })),
      }),
      chunks: t.Array(Chunk, { maxItems: 10_000 }),
      threshold: t.Optional(share),
    }),
    reply: closed({
      kept: t.Array(closed({ id, score: share, because: t.Array(t.String()) })),
      dropped: t.Array(closed({ id, score: share, because: t.Array(t.String()) })),
      threshold: share,
    }),
  }),
  downgrade: post("/matrix/downgrade", {
    reads: true,
    summary: "Whether retrieved context helps this model with this task, or is withheld.",
    body: closed({
      model: t.String({ minLength: 1, maxLength: 200 }),
      task: t.String({ minLength: 1, maxLength: 64 * 1024 }),
      /** As `codereview`, `fill`, `answer`. */
      task_class: t.Optional(t.String({ minLength: 1, maxLength: 100 })),
      /** Of the chunks that would be given, as `relevance` scored them. */
      relevance: t.Optional(t.Array(share, { maxItems: 10_000 })),
      context_chars: t.Optional(count),
      /** Overrides the rule. */
      force: t.Optional(t.Union([t.Literal("use"), t.Literal("withhold")])),
    }),
    reply: closed({
      decision: t.Union([t.Literal("use"), t.Literal("withhold")]),
      model_class: t.Union([t.Literal("weak"), t.Literal("strong"), t.Literal("unknown")]),
      because: t.Array(t.String()),
    }),
  }),
  record: post("/matrix/playbooks/record", {
    resumable: true,
    refusals: [408, 502],
    summary:
      "Remembers that an answer worked for a query, or a note that helps with it; one that says the same is strengthened instead.",
    status: 201,
    body: Recording,
    reply: closed({ playbook: Playbook, merged: t.Boolean() }),
  }),
  playbooks: get("/matrix/playbooks", {
    summary: "Playbooks, newest first.",
    query: closed({
      corpus: t.Optional(name),
      tag: t.Optional(t.String({ minLength: 1, maxLength: 200 })),
      /** Those of traces that were retired or superseded, too. */
      include_retired: t.Optional(t.Boolean()),
      ...pageFields,
    }),
    reply: closed({ playbooks: t.Array(Playbook), ...nextPage }),
  }),
  playbook: get("/matrix/playbooks/:playbook_id", {
    summary: "One playbook.",
    params: closed({ playbook_id: t.String({ maxLength: 200 }) }),
    reply: Playbook,
  }),
  edit: patch("/matrix/playbooks/:playbook_id", {
    resumable: true,
    summary: "Changes words, note, tags or score of a playbook; its feedback and trace stay.",
    params: closed({ playbook_id: t.String({ maxLength: 200 }) }),
    body: PlaybookEdit,
    reply: Playbook,
  }),
  delta: post("/matrix/playbooks/delta", {
    resumable: true,
    refusals: [408, 502],
    summary: "Several changes of playbooks, in order: all of them are made, or none.",
    body: closed({ changes: t.Array(PlaybookDelta, { minItems: 1, maxItems: 200 }) }),
    reply: closed({
      /** Those that were made or changed, as they are now. */
      playbooks: t.Array(Playbook),
      forgotten: t.Array(t.String()),
    }),
  }),
  helpful: post("/matrix/playbooks/:playbook_id/helpful", {
    resumable: true,
    summary: "Counts that it helped.",
    params: closed({ playbook_id: t.String({ maxLength: 200 }) }),
    reply: Playbook,
  }),
  harmful: post("/matrix/playbooks/:playbook_id/harmful", {
    resumable: true,
    summary: "Counts that it misled; enough of it undoes the boost.",
    params: closed({ playbook_id: t.String({ maxLength: 200 }) }),
    reply: Playbook,
  }),
  forget: del("/matrix/playbooks/:playbook_id", {
    resumable: true,
    summary: "Takes a playbook out for good.",
    params: closed({ playbook_id: t.String({ maxLength: 200 }) }),
    reply: closed({ playbook_id: t.String() }),
  }),
  consolidate: post("/matrix/playbooks/consolidate", {
    resumable: "again",
    refusals: [408, 502],
    long: true,
    summary: "Merges playbooks that say the same, and drops those that have faded or mislead.",
    body: closed({
      dry_run: t.Optional(t.Boolean()),
      /** Sets lines of the log that cannot be read aside, so that readiness no longer names them. */
      accept_damage: t.Optional(t.Boolean()),
    }),
    reply: closed({
      merged: t.Array(closed({ kept: t.String(), gone: t.Array(t.String()) })),
      dropped: t.Array(closed({ playbook_id: t.String(), because: t.String() })),
      /** There was more to do than one call does. */
      more: t.Boolean(),
    }),
  }),
  putProfile: put("/matrix/profiles/:name", {
    resumable: true,
    summary: "Makes or replaces a profile; an active one changes at once.",
    params: closed({ name }),
    body: t.Omit(Profile, ["name", "active"], { additionalProperties: false }),
    reply: Profile,
  }),
  profiles: get("/matrix/profiles", {
    summary: "All profiles, and which is active.",
    reply: closed({ profiles: t.Array(Profile), active: t.Optional(name) }),
  }),
  activate: post("/matrix/profiles/:name/activate", {
    resumable: true,
    summary: "Searches that name no corpora use this profile from now on.",
    params: closed({ name }),
    reply: closed({ active: name, previous: t.Optional(name) }),
  }),
  rollback: post("/matrix/profiles/rollback", {
    resumable: true,
    summary: "Back to the profile that was active before.",
    reply: closed({ active: t.Optional(name), previous: t.Optional(name) }),
  }),
  dropProfile: del("/matrix/profiles/:name", {
    resumable: true,
    summary: "Deletes a profile that is not active.",
    params: closed({ name }),
    reply: closed({ name }),
  }),

  // Between services.
  playbooksSince: internal({
    reads: true,
    summary: "Playbooks changed since a time, for training sets; those of retired traces are left out.",
    body: closed({ since: t.Optional(time), until: t.Optional(time) }),
    reply: closed({ playbooks: t.Array(Playbook), retired: count }),
  }),
});
export type Matrixd = typeof matrixd;
