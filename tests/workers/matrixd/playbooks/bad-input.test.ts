/** What playbooks, profiles, the relevance filter and the downgrade gate refuse, and how they say it. */
import { afterAll, beforeAll } from "bun:test";
import { type ApiCase, runCases } from "../../../support/clients/api-case.ts";
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
const focus = { terms: ["a"] };

const rows: ApiCase[] = [
  {
    name: "record: no query",
    ...record({ answer_id: "w1", corpus: "workers" }),
    type: "invalid_field",
    contains: ["query_text"],
  },
  {
    name: "record: an empty query",
    ...record({ ...good, query_text: "" }),
    type: "invalid_field",
    contains: ["query_text"],
  },
  {
    name: "record: a query of spaces",
    ...record({ ...good, query_text: " \n\t" }),
    type: "invalid_field",
    contains: ["only spaces"],
  },
  {
    name: "record: a query that is too long",
    ...record({ ...good, query_text: "x".repeat(32 * 1024 + 1) }),
    type: "invalid_field",
    contains: ["query_text"],
  },
  {
    name: "record: a number for a query",
    ...record({ ...good, query_text: 7 }),
    type: "invalid_field",
    contains: ["query_text", "got 7"],
  },
  {
    name: "record: no answer",
    ...record({ query_text: "q", corpus: "workers" }),
    type: "invalid_field",
    contains: ["answer_id"],
  },
  {
    name: "record: an answer that is no row",
    ...record({ ...good, answer_id: "w9999" }),
    type: "not_found",
    contains: ["w9999", "workers", "column 'id'"],
  },
  {
    name: "record: an unknown corpus",
    ...record({ ...good, corpus: "nowhere" }),
    type: "not_found",
    contains: ["nowhere"],
  },
  {
    name: "record: a corpus whose name cannot be",
    ...record({ ...good, corpus: "../etc" }),
    type: "invalid_field",
    contains: ["corpus"],
  },
  {
    name: "record: a corpus that is being built",
    ...record({ ...good, corpus: "building" }),
    type: "unavailable",
    contains: ["being built"],
    expectHeaders: { "retry-after": "1" },
  },
  {
    name: "record: a score above 1",
    ...record({ ...good, score: 1.01 }),
    type: "invalid_field",
    contains: ["score"],
  },
  {
    name: "record: a score below 0",
    ...record({ ...good, score: -0.1 }),
    type: "invalid_field",
    contains: ["score"],
  },
  {
    name: "record: a score in words",
    ...record({ ...good, score: "high" }),
    type: "invalid_field",
    contains: ["score"],
  },
  {
    name: "record: tags twice",
    ...record({ ...good, tags: ["a", "a"] }),
    type: "invalid_field",
    contains: ["tags"],
  },
  {
    name: "record: an empty tag",
    ...record({ ...good, tags: [""] }),
    type: "invalid_field",
    contains: ["tags"],
  },
  {
    name: "record: too many tags",
    ...record({ ...good, tags: Array.from({ length: 101 }, (_, at) => `${at}`) }),
    type: "invalid_field",
    contains: ["tags"],
  },
  {
    name: "record: a long note",
    ...record({ ...good, note: "x".repeat(4097) }),
    type: "invalid_field",
    contains: ["note"],
  },
  {
    name: "record: an unknown trace",
    ...record({ ...good, trace_uid: "nobody" }),
    type: "not_found",
    contains: ["trace_uid", "nobody"],
  },
  {
    name: "record: a retired trace",
    ...record({ ...good, trace_uid: "retired" }),
    type: "not_found",
    contains: ["retired or superseded"],
  },
  {
    name: "record: an unknown field",
    ...record({ ...good, helpful: 99 }),
    type: "unknown_field",
    contains: ["helpful"],
  },
  {
    name: "record: no JSON",
    ...record("{"),
    headers: { "content-type": "application/json" },
    type: "invalid_json",
  },
  { name: "playbook: unknown", path: "/matrix/playbooks/none", type: "not_found", contains: ["none"] },
  {
    name: "helpful: unknown",
    ...post("playbooks/none/helpful"),
    type: "not_found",
    contains: ["merged or forgotten"],
  },
  { name: "harmful: unknown", ...post("playbooks/none/harmful"), type: "not_found" },
  { name: "forget: unknown", method: "DELETE", path: "/matrix/playbooks/none", type: "not_found" },
  {
    name: "playbooks: a page of none",
    path: "/matrix/playbooks?page_size=0",
    type: "invalid_field",
    contains: ["page_size"],
  },
  {
    name: "playbooks: a token of one's own",
    path: "/matrix/playbooks?page_token=abc",
    type: "invalid_field",
    contains: ["next_page_token of an earlier answer"],
  },
  {
    name: "playbooks: an unknown filter",
    path: "/matrix/playbooks?state=IL",
    type: "unknown_field",
    contains: ["state"],
  },
  {
    name: "consolidate: a dry run in words",
    ...post("playbooks/consolidate", { dry_run: "yes" }),
    type: "invalid_field",
    contains: ["dry_run"],
  },
  {
    name: "profile: a name that cannot be",
    ...put("a%20b", { corpora: ["workers"] }),
    type: "invalid_field",
    contains: ["name"],
  },
  { name: "profile: no corpora", ...put("p", { corpora: [] }), type: "invalid_field", contains: ["corpora"] },
  {
    name: "profile: a corpus twice",
    ...put("p", { corpora: ["workers", "workers"] }),
    type: "invalid_field",
    contains: ["corpora"],
  },
  {
    name: "profile: an unknown corpus",
    ...put("p", { corpora: ["worker"] }),
    type: "not_found",
    contains: ["'worker'", "did you mean workers"],
  },
  {
    name: "profile: another model than the corpus's",
    ...put("p", { corpora: ["workers", "notes"], model: "local" }),
    type: "conflict",
    contains: ["notes", "ollama/nomic", "local"],
  },
  {
    name: "profile: the model of a corpus that is being built",
    ...put("p", { corpora: ["building"], model: "local" }),
    type: "unavailable",
  },
  {
    name: "profile: another bucket than the dataset's",
    ...put("p", { corpora: ["jobs"], bucket: "primary" }),
    type: "conflict",
    contains: ["'cold'", "'primary'", "jobs"],
  },
  {
    name: "profile: the bucket of a corpus made by SQL",
    ...put("p", { corpora: ["sql"], bucket: "primary" }),
    type: "conflict",
    contains: ["made by SQL"],
  },
  {
    name: "profile: weights of nothing",
    ...put("p", { corpora: ["workers"], weights: { vector: 0, lexical: 0 } }),
    type: "invalid_field",
    contains: ["weights"],
  },
  {
    name: "profile: an ef of 0",
    ...put("p", { corpora: ["workers"], index: { ef: 0 } }),
    type: "invalid_field",
    contains: ["ef"],
  },
  {
    name: "profile: an unknown setting",
    ...put("p", { corpora: ["workers"], index: { nprobe: 8 } }),
    type: "unknown_field",
    contains: ["nprobe"],
  },
  {
    name: "profile: k beyond its bound",
    ...put("p", { corpora: ["workers"], k: 1001 }),
    type: "invalid_field",
    contains: ["k"],
  },
  {
    name: "profile: an unknown mode",
    ...put("p", { corpora: ["workers"], mode: "fuzzy" }),
    type: "invalid_field",
    contains: ["vector, lexical, hybrid"],
  },
  {
    name: "activate: unknown",
    ...post("profiles/actve/activate"),
    type: "not_found",
    contains: ["did you mean active"],
  },
  {
    name: "delete: the active one",
    method: "DELETE",
    path: "/matrix/profiles/active",
    type: "conflict",
    contains: ["roll back"],
  },
  { name: "delete: unknown", method: "DELETE", path: "/matrix/profiles/none", type: "not_found" },
  {
    name: "relevance: no focus",
    ...post("relevance", { chunks: [] }),
    type: "invalid_field",
    contains: ["focus"],
  },
  {
    name: "relevance: an empty focus",
    ...post("relevance", { focus: {}, chunks: [] }),
    type: "invalid_field",
    contains: ["path, symbols or terms"],
  },
  {
    name: "relevance: a blank path is no focus",
    ...post("relevance", { focus: { path: " " }, chunks: [] }),
    type: "invalid_field",
  },
  {
    name: "relevance: a threshold above 1",
    ...post("relevance", { focus, chunks: [], threshold: 2 }),
    type: "invalid_field",
    contains: ["threshold"],
  },
  {
    name: "relevance: an id twice",
    ...post("relevance", {
      focus,
      chunks: [
        { id: "x", text: "" },
        { id: "x", text: "" },
      ],
    }),
    type: "invalid_field",
    contains: ["chunks.1.id", "given twice"],
  },
  {
    name: "relevance: a chunk without text",
    ...post("relevance", { focus, chunks: [{ id: "x" }] }),
    type: "invalid_field",
    contains: ["chunks.0.text"],
  },
  {
    name: "relevance: a chunk that is too long",
    ...post("relevance", { focus, chunks: [{ id: "x", text: "x".repeat(256 * 1024 + 1) }] }),
    type: "invalid_field",
    contains: ["chunks.0.text"],
  },
  {
    name: "downgrade: no model",
    ...post("downgrade", { task: "t" }),
    type: "invalid_field",
    contains: ["model"],
  },
  {
    name: "downgrade: a blank model",
    ...post("downgrade", { model: " ", task: "t" }),
    type: "invalid_field",
    contains: ["only spaces"],
  },
  {
    name: "downgrade: a blank task",
    ...post("downgrade", { model: "m", task: "\n" }),
    type: "invalid_field",
    contains: ["task"],
  },
  {
    name: "downgrade: a relevance above 1",
    ...post("downgrade", { model: "m", task: "t", relevance: [1.2] }),
    type: "invalid_field",
    contains: ["relevance.0"],
  },
  {
    name: "downgrade: fewer than no characters",
    ...post("downgrade", { model: "m", task: "t", context_chars: -1 }),
    type: "invalid_field",
    contains: ["context_chars"],
  },
  {
    name: "downgrade: an unknown force",
    ...post("downgrade", { model: "m", task: "t", force: "maybe" }),
    type: "invalid_field",
    contains: ["use, withhold"],
  },
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
