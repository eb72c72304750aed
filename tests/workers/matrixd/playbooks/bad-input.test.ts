/** What playbooks, profiles, the relevance filter and the downgrade gate refuse, and how they say it. */
import { afterAll, beforeAll } from "bun:test";
import { type ApiCase, refused, runCases } from "../../../support/clients/api-case.ts";
import { type PlaybookStack, startPlaybookStack } from "../../../support/stacks/playbooks.ts";

let stack: PlaybookStack;
beforeAll(async () => {
  stack = await startPlaybookStack();
  stack.corpora.building = { ids: [], state: "building" };
  stack.corpora.sql = { ids: ["s1"] };
  await stack.traces.add({ uid: "retired", content: 1 });
  await stack.traces.retire({ uid: "retired" });
  await stack.verbs.putProfile({ name: "active", corpora: ["workers"] });
  await stack.verbs.activate({ name: "active" });
});
afterAll(() => stack.stop());

const good = { query_text: "forklift operator", answer_id: "w1", corpus: "workers" };
const record = (body: unknown): Pick<ApiCase, "method" | "path" | "body"> => ({
  method: "POST",
  path: "/matrix/playbooks/record",
  body: body as Record<string, unknown>,
});
const put = (name: string, body: unknown): Pick<ApiCase, "method" | "path" | "body"> => ({
  method: "PUT",
  path: `/matrix/profiles/${name}`,
  body: body as Record<string, unknown>,
});
const post = (path: string, body: unknown = {}): Pick<ApiCase, "method" | "path" | "body"> => ({
  method: "POST",
  path: `/matrix/${path}`,
  body: body as Record<string, unknown>,
});
const edit = (id: string, body: unknown): Pick<ApiCase, "method" | "path" | "body"> => ({
  ...put(id, body),
  method: "PATCH",
  path: `/matrix/playbooks/${id}`,
});
const delta = (...changes: unknown[]) => post("playbooks/delta", { changes });
const focus = { terms: ["a"] };

const rows: ApiCase[] = [
  refused("record: no query", record({ answer_id: "w1", corpus: "workers" }), "invalid_field", "query_text"),
  refused("record: an empty query", record({ ...good, query_text: "" }), "invalid_field", "query_text"),
  refused(
    "record: a query of spaces",
    record({ ...good, query_text: " \n\t" }),
    "invalid_field",
    "only spaces",
  ),
  refused(
    "record: a query that is too long",
    record({ ...good, query_text: "x".repeat(32 * 1024 + 1) }),
    "invalid_field",
    "query_text",
  ),
  refused(
    "record: a number for a query",
    record({ ...good, query_text: 7 }),
    "invalid_field",
    "query_text",
    "got 7",
  ),
  refused(
    "record: neither answer nor note",
    record({ query_text: "q", corpus: "workers" }),
    "invalid_field",
    "note: expected a note, or the answer_id",
  ),
  refused(
    "record: a note of spaces",
    record({ query_text: "q", corpus: "workers", note: " " }),
    "invalid_field",
    "note",
  ),
  refused(
    "record: a note on a corpus that is none",
    record({ query_text: "q", corpus: "nobody", note: "n" }),
    "not_found",
    "nobody",
  ),
  refused("edit: one that is none", edit("none", { note: "n" }), "not_found", "none"),
  refused(
    "edit: nothing",
    edit("none", {}),
    "invalid_field",
    "expected one of query_text, note, tags, score",
  ),
  refused("edit: its answer", edit("none", { answer_id: "w1" }), "unknown_field", "answer_id"),
  refused("edit: words of spaces", edit("none", { query_text: "  " }), "invalid_field", "only spaces"),
  refused("edit: a score above 1", edit("none", { score: 2 }), "invalid_field", "score"),
  refused("delta: no changes", delta(), "invalid_field", "changes"),
  refused(
    "delta: too many",
    delta(...Array.from({ length: 201 }, () => ({ helpful: "a" }))),
    "invalid_field",
  ),
  refused(
    "delta: a change of nothing",
    delta({ add: good }, {}),
    "invalid_field",
    "changes.1: expected one of add, edit",
    "got none",
  ),
  refused(
    "delta: a change of two kinds",
    delta({ helpful: "a", forget: "a" }),
    "invalid_field",
    "got helpful and forget",
  ),
  refused(
    "delta: one that is none",
    delta({ add: good }, { helpful: "none" }),
    "not_found",
    "changes.1: there is no playbook 'none'",
  ),
  refused("delta: an unknown kind", delta({ drop: "a" }), "unknown_field", "drop"),
  refused(
    "record: an answer that is no row",
    record({ ...good, answer_id: "w9999" }),
    "not_found",
    "w9999",
    "workers",
    "column 'id'",
  ),
  refused("record: an unknown corpus", record({ ...good, corpus: "nowhere" }), "not_found", "nowhere"),
  refused(
    "record: a corpus whose name cannot be",
    record({ ...good, corpus: "../etc" }),
    "invalid_field",
    "corpus",
  ),
  {
    name: "record: a corpus that is being built",
    ...record({ ...good, corpus: "building" }),
    type: "unavailable",
    contains: ["being built"],
    expectHeaders: { "retry-after": "1" },
  },
  refused("record: a score above 1", record({ ...good, score: 1.01 }), "invalid_field", "score"),
  refused("record: a score below 0", record({ ...good, score: -0.1 }), "invalid_field", "score"),
  refused("record: a score in words", record({ ...good, score: "high" }), "invalid_field", "score"),
  refused("record: tags twice", record({ ...good, tags: ["a", "a"] }), "invalid_field", "tags"),
  refused("record: an empty tag", record({ ...good, tags: [""] }), "invalid_field", "tags"),
  refused(
    "record: too many tags",
    record({ ...good, tags: Array.from({ length: 101 }, (_, at) => `${at}`) }),
    "invalid_field",
    "tags",
  ),
  refused("record: a long note", record({ ...good, note: "x".repeat(4097) }), "invalid_field", "note"),
  refused(
    "record: an unknown trace",
    record({ ...good, trace_uid: "nobody" }),
    "not_found",
    "trace_uid",
    "nobody",
  ),
  refused(
    "record: a retired trace",
    record({ ...good, trace_uid: "retired" }),
    "not_found",
    "retired or superseded",
  ),
  refused("record: an unknown field", record({ ...good, helpful: 99 }), "unknown_field", "helpful"),
  refused(
    "record: no JSON",
    { ...record("{"), headers: { "content-type": "application/json" } },
    "invalid_json",
  ),
  refused("playbook: unknown", { path: "/matrix/playbooks/none" }, "not_found", "none"),
  refused("helpful: unknown", post("playbooks/none/helpful"), "not_found", "merged or forgotten"),
  refused("harmful: unknown", post("playbooks/none/harmful"), "not_found"),
  refused("forget: unknown", { method: "DELETE", path: "/matrix/playbooks/none" }, "not_found"),
  refused(
    "playbooks: a page of none",
    { path: "/matrix/playbooks?page_size=0" },
    "invalid_field",
    "page_size",
  ),
  refused(
    "playbooks: a token of one's own",
    { path: "/matrix/playbooks?page_token=abc" },
    "invalid_field",
    "next_page_token of an earlier answer",
  ),
  refused("playbooks: an unknown filter", { path: "/matrix/playbooks?state=IL" }, "unknown_field", "state"),
  refused(
    "consolidate: a dry run in words",
    post("playbooks/consolidate", { dry_run: "yes" }),
    "invalid_field",
    "dry_run",
  ),
  refused("profile: a name that cannot be", put("a%20b", { corpora: ["workers"] }), "invalid_field", "name"),
  refused("profile: no corpora", put("p", { corpora: [] }), "invalid_field", "corpora"),
  refused(
    "profile: a corpus twice",
    put("p", { corpora: ["workers", "workers"] }),
    "invalid_field",
    "corpora",
  ),
  refused(
    "profile: an unknown corpus",
    put("p", { corpora: ["worker"] }),
    "not_found",
    "'worker'",
    "did you mean workers",
  ),
  refused(
    "profile: another model than the corpus's",
    put("p", { corpora: ["workers", "notes"], model: "local" }),
    "conflict",
    "notes",
    "ollama/nomic",
    "local",
  ),
  refused(
    "profile: the model of a corpus that is being built",
    put("p", { corpora: ["building"], model: "local" }),
    "unavailable",
  ),
  refused(
    "profile: another bucket than the dataset's",
    put("p", { corpora: ["jobs"], bucket: "primary" }),
    "conflict",
    "'cold'",
    "'primary'",
    "jobs",
  ),
  refused(
    "profile: the bucket of a corpus made by SQL",
    put("p", { corpora: ["sql"], bucket: "primary" }),
    "conflict",
    "made by SQL",
  ),
  refused(
    "profile: weights of nothing",
    put("p", { corpora: ["workers"], weights: { vector: 0, lexical: 0 } }),
    "invalid_field",
    "weights",
  ),
  refused("profile: an ef of 0", put("p", { corpora: ["workers"], index: { ef: 0 } }), "invalid_field", "ef"),
  refused(
    "profile: an unknown setting",
    put("p", { corpora: ["workers"], index: { nprobe: 8 } }),
    "unknown_field",
    "nprobe",
  ),
  refused("profile: k beyond its bound", put("p", { corpora: ["workers"], k: 1001 }), "invalid_field", "k"),
  refused(
    "profile: an unknown mode",
    put("p", { corpora: ["workers"], mode: "fuzzy" }),
    "invalid_field",
    "vector, lexical, hybrid",
  ),
  refused("activate: unknown", post("profiles/actve/activate"), "not_found", "did you mean active"),
  refused(
    "delete: the active one",
    { method: "DELETE", path: "/matrix/profiles/active" },
    "conflict",
    "roll back",
  ),
  refused("delete: unknown", { method: "DELETE", path: "/matrix/profiles/none" }, "not_found"),
  refused("relevance: no focus", post("relevance", { chunks: [] }), "invalid_field", "focus"),
  refused(
    "relevance: an empty focus",
    post("relevance", { focus: {}, chunks: [] }),
    "invalid_field",
    "path, symbols or terms",
  ),
  refused(
    "relevance: a blank path is no focus",
    post("relevance", { focus: { path: " " }, chunks: [] }),
    "invalid_field",
  ),
  refused(
    "relevance: a threshold above 1",
    post("relevance", { focus, chunks: [], threshold: 2 }),
    "invalid_field",
    "threshold",
  ),
  refused(
    "relevance: an id twice",
    post("relevance", {
      focus,
      chunks: [
        { id: "x", text: "" },
        { id: "x", text: "" },
      ],
    }),
    "invalid_field",
    "chunks.1.id",
    "given twice",
  ),
  refused(
    "relevance: a chunk without text",
    post("relevance", { focus, chunks: [{ id: "x" }] }),
    "invalid_field",
    "chunks.0.text",
  ),
  refused(
    "relevance: a chunk that is too long",
    post("relevance", { focus, chunks: [{ id: "x", text: "x".repeat(256 * 1024 + 1) }] }),
    "invalid_field",
    "chunks.0.text",
  ),
  refused("downgrade: no model", post("downgrade", { task: "t" }), "invalid_field", "model"),
  refused(
    "downgrade: a blank model",
    post("downgrade", { model: " ", task: "t" }),
    "invalid_field",
    "only spaces",
  ),
  refused("downgrade: a blank task", post("downgrade", { model: "m", task: "\n" }), "invalid_field", "task"),
  refused(
    "downgrade: a relevance above 1",
    post("downgrade", { model: "m", task: "t", relevance: [1.2] }),
    "invalid_field",
    "relevance.0",
  ),
  refused(
    "downgrade: fewer than no characters",
    post("downgrade", { model: "m", task: "t", context_chars: -1 }),
    "invalid_field",
    "context_chars",
  ),
  refused(
    "downgrade: an unknown force",
    post("downgrade", { model: "m", task: "t", force: "maybe" }),
    "invalid_field",
    "use, withhold",
  ),
  {
    name: "nothing of all this was kept",
    path: "/matrix/playbooks?include_retired=true",
    status: 200,
    contains: ['"playbooks":[]'],
  },
  {
    name: "and the profiles are as they were",
    path: "/matrix/profiles",
    status: 200,
    contains: ['"active":"active"'],
    lacks: ['"p"'],
  },
];
runCases(rows, () => stack.send);
