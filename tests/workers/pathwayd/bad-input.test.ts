/** Every bad request answers with what was expected, and changes nothing. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Embedd, embedd } from "../../../workers/embedd/contract.ts";
import { createEmbedd } from "../../../workers/embedd/service.ts";
import { pathwayd } from "../../../workers/pathwayd/contract.ts";
import { createPathwayd } from "../../../workers/pathwayd/service.ts";
import { type ApiCase, runCases, says } from "../../support/clients/api-case.ts";
import {
  configWith,
  type InProcess,
  startInProcess,
  temporaryDirectory,
} from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("pathwayd-bad");
let embedding: InProcess<Embedd>;
let memory: InProcess<typeof pathwayd>;
let before: unknown;

const config = configWith({ data_dir: directory.path, pathwayd: { max_content_bytes: 1024, max_traces: 6 } });

beforeAll(async () => {
  embedding = await startInProcess({ contract: embedd, create: createEmbedd }, { config, peers: {} });
  memory = await startInProcess(
    { contract: pathwayd, create: createPathwayd },
    { config, peers: { embedd: embedding.peer } },
  );
  const { verbs } = memory.peer;
  await verbs.add({ uid: "live", content: "word", embedding: [1, 0] });
  await verbs.add({ uid: "old", content: 1 });
  await verbs.revise({ uid: "old", new_uid: "new", content: 2 });
  await verbs.add({ uid: "gone", content: 3 });
  await verbs.retire({ uid: "gone" });
  before = await verbs.stats({});
});
afterAll(async () => {
  await memory.stop();
  await embedding.stop();
  directory.remove();
});

const post = (name: string, verb: string, body: ApiCase["body"], expected: Partial<ApiCase>): ApiCase => ({
  name: `${verb}: ${name}`,
  method: "POST",
  path: `/pathway/${verb}`,
  body,
  headers: { "content-type": "application/json" },
  type: "invalid_field",
  ...expected,
});
const get = (name: string, path: string, expected: Partial<ApiCase>): ApiCase => ({
  name,
  path: `/pathway/${path}`,
  type: "invalid_field",
  ...expected,
});
const deep = (levels: number): string => `${"[".repeat(levels)}1${"]".repeat(levels)}`;
const noJson = says("invalid_json");
const large = says("too_large");
const conflict = says("conflict");
const missing = { type: "not_found", contains: ["nobody"] };
const field = (name: string) => ({ contains: [`"field":"${name}"`] });

describe("what is erased", () => {
  const reasons = { who: "me", why: "asked" };
  runCases(
    [
      post("nothing said", "erase", reasons, {
        type: "bad_request",
        contains: ["uids, subject, scope and filter"],
      }),
      post("nobody asked for it", "erase", { uids: ["live"], why: "asked" }, field("who")),
      post("no reason", "erase", { uids: ["live"], who: "me" }, field("why")),
      post("a reason of spaces", "erase", { uids: ["live"], who: "me", why: " " }, field("why")),
      post("no uids", "erase", { uids: [], ...reasons }, field("uids")),
      post("an unknown uid", "erase", { uids: ["live", "nobody"], ...reasons }, missing),
      post("a subject of two letters", "erase", { subject: "ab", ...reasons }, field("subject")),
      post("a subject of spaces", "erase", { subject: "    ", ...reasons }, field("subject")),
      post("a subject without a letter", "erase", { subject: "-.-", ...reasons }, field("subject")),
      post(
        "a reason that names the subject",
        "erase",
        { subject: "Ann Lee", who: "me", why: "ann lee asked" },
        field("why"),
      ),
      post("a scope without a name", "erase", { scope: {}, ...reasons }, field("scope")),
      post(
        "a filter that is none",
        "erase",
        { filter: { a: { $near: 1 } }, ...reasons },
        { contains: ["$near"] },
      ),
    ],
    () => memory.send,
  );
});

describe("what is added", () => {
  runCases(
    [
      post("nothing", "add", {}, { contains: ["content"] }),
      post("no JSON", "add", "{", noJson()),
      post("a list", "add", [1], noJson()),
      post("null", "add", { content: null }, { contains: ["any JSON but null"] }),
      post(
        "an unknown field",
        "add",
        { content: 1, tag: "x" },
        { type: "unknown_field", contains: ["'tag'"] },
      ),
      post("a uid that is no text", "add", { uid: 7, content: 1 }, field("uid")),
      post("an empty uid", "add", { uid: "", content: 1 }, field("uid")),
      post("a uid that is a parent folder", "add", { uid: "..", content: 1 }, field("uid")),
      post("a uid with a newline", "add", { uid: "a\nb", content: 1 }, field("uid")),
      post("a uid of 257 characters", "add", { uid: "x".repeat(257), content: 1 }, field("uid")),
      post("a uid with half a character", "add", '{"uid":"a\\ud800","content":1}', {
        contains: ["not valid Unicode"],
      }),
      post("a uid that is taken", "add", { uid: "live", content: 1 }, conflict("exists")),
      post("a uid that is taken and retired", "add", { uid: "gone", content: 1 }, conflict("is retired")),
      post(
        "a uid that is taken and superseded",
        "add",
        { uid: "old", content: 1 },
        conflict("superseded by 'new'"),
      ),
      post("huge content", "add", { content: "x".repeat(1023) }, large("1025 bytes", "max_content_bytes")),
      post("huge content in few characters", "add", { content: "😀".repeat(300) }, large()),
      post("a body beyond all bounds", "add", { content: "x".repeat(9 << 20) }, large()),
      post("content too deep", "add", `{"content":${deep(66)}}`, { contains: ["64 levels"] }),
      post("content so deep that it is an attack", "add", `{"content":${deep(200_000)}}`, {
        contains: ["64 levels"],
      }),
      post("a number that is none", "add", '{"content":{"a":[1e999]}}', {
        contains: ["content.a.0", "it is too large"],
      }),
      post("tags that are a text", "add", { content: 1, tags: "x" }, field("tags")),
      post("an empty tag", "add", { content: 1, tags: [""] }, field("tags.0")),
      post("a tag twice", "add", { content: 1, tags: ["x", "x"] }, field("tags")),
      post("a tag of 201 characters", "add", { content: 1, tags: ["x".repeat(201)] }, field("tags.0")),
      post(
        "101 tags",
        "add",
        { content: 1, tags: Array.from({ length: 101 }, (_, n) => `${n}`) },
        field("tags"),
      ),
      post("an empty embedding", "add", { content: 1, embedding: [] }, field("embedding")),
      post("NaN in the embedding", "add", '{"content":1,"embedding":[NaN]}', noJson()),
      post("infinity in the embedding", "add", '{"content":1,"embedding":[1e999]}', field("embedding.0")),
      post("text in the embedding", "add", { content: 1, embedding: ["1"] }, field("embedding.0")),
      post("an embedding of zeros", "add", { content: 1, embedding: [0, 0] }, { contains: ["no direction"] }),
      post(
        "an embedding beyond doubles",
        "add",
        { content: 1, embedding: [1e200, 1e200] },
        field("embedding"),
      ),
      post(
        "65,537 numbers",
        "add",
        { content: 1, embedding: Array.from({ length: 65_537 }, () => 1) },
        field("embedding"),
      ),
      post("other content under a uid", "add_idempotent", { uid: "live", content: "other" }, conflict()),
      post("a retired uid", "add_idempotent", { uid: "gone", content: 3 }, conflict()),
      post("a superseded uid", "add_idempotent", { uid: "old", content: 1 }, conflict()),
      post("null", "add_idempotent", { content: null }, field("content")),
    ],
    () => memory.send,
  );
});

describe("what is changed", () => {
  runCases(
    [
      post("a trace that is not there", "update", { uid: "nobody", content: 1 }, missing),
      post(
        "nothing to update",
        "update",
        { uid: "live" },
        { type: "bad_request", contains: ["at least one"] },
      ),
      post("null", "update", { uid: "live", content: null }, field("content")),
      post("a retired trace", "update", { uid: "gone", content: 1 }, conflict("is retired")),
      post("a superseded trace", "update", { uid: "old", content: 1 }, conflict("'new'")),
      post("no uid", "update", { content: 1 }, field("uid")),
      post("a trace that is not there", "revise", { uid: "nobody", content: 1 }, missing),
      post("a superseded trace", "revise", { uid: "old", content: 1 }, conflict("superseded by 'new'")),
      post("a retired trace", "revise", { uid: "gone", content: 1 }, conflict()),
      post(
        "itself as its predecessor",
        "revise",
        { uid: "live", new_uid: "live", content: 1 },
        field("new_uid"),
      ),
      post("a new uid that is taken", "revise", { uid: "live", new_uid: "gone", content: 1 }, conflict()),
      post("no content", "revise", { uid: "live" }, { contains: ["content"] }),
      post(
        "a reason of 4097 characters",
        "revise",
        { uid: "live", content: 1, reason: "x".repeat(4097) },
        field("reason"),
      ),
      post("a trace that is not there", "retire", { uid: "nobody" }, missing),
      post("a reason that is no text", "retire", { uid: "live", reason: 1 }, field("reason")),
      post("a trace that is not there", "replay", { uid: "nobody" }, missing),
      post("a retired trace", "replay", { uid: "gone" }, conflict()),
      post("a superseded trace", "replay", { uid: "old" }, conflict()),
      post("a field", "compact", { force: true }, { type: "unknown_field" }),
    ],
    () => memory.send,
  );
});

const future = "2100-01-01T00:00:00Z";

describe("what is asked for", () => {
  runCases(
    [
      get("get: a trace that is not there", "get/nobody", missing),
      get("get: before it was there", "get/live?as_of=2000-01-01T00:00:00Z", {
        type: "not_found",
        contains: ["was not there yet"],
      }),
      get("get: in the future", `get/live?as_of=${future}`, { contains: ["as_of", "future"] }),
      get("get: no time", "get/live?as_of=yesterday", field("as_of")),
      get("get: no zone", "get/live?as_of=2026-01-01T00:00:00", field("as_of")),
      get("get: no such day", "get/live?as_of=2025-02-30T00:00:00Z", field("as_of")),
      get("get: no such hour", "get/live?as_of=2025-02-01T24:00:00Z", field("as_of")),
      get("get: no such zone", "get/live?as_of=2025-02-01T00:00:00%2B99:00", field("as_of")),
      get("get: broken encoding", "get/%ff", { type: "bad_request" }),
      get("get: an unknown parameter", "get/live?at=now", { type: "unknown_field" }),
      get("get: no uid", "get/", field("uid")),
      get("history: a trace that is not there", "history/nobody", missing),
      get("history: no size", "history/live?page_size=0", field("page_size")),
      get("history: a token that is none", "history/live?page_token=abc", field("page_token")),
      post("another verb", "get/live", {}, { type: "method_not_allowed" }),
      post("a verb that is not there", "forget", {}, { type: "not_found" }),
      post("in the future", "search", { as_of: future }, field("as_of")),
      post("no time", "search", { since: "2026-01-01" }, field("since")),
      post("no such day", "search", { until: "2025-02-30T00:00:00Z" }, field("until")),
      post(
        "since after until",
        "search",
        { since: "2026-01-02T00:00:00Z", until: "2026-01-01T00:00:00Z" },
        { contains: ["after until"] },
      ),
      post("a scope of nothing", "search", { scope: {} }, field("scope")),
      post("a scope of another name", "search", { scope: { team: "a" } }, { type: "unknown_field" }),
      post("a filter that is none", "search", { filter: { a: { over: 1 } } }, field("filter.a")),
      post("no time of truth", "search", { valid_at: "today" }, field("valid_at")),
      post("a score that is text", "search", { min_score: "0" }, field("min_score")),
      post("true never", "add", { content: 1, valid_from: future, valid_to: future }, field("valid_to")),
      post("a user without a name", "add", { content: 1, scope: { user: "" } }, field("scope.user")),
      post(
        "half a surrogate pair as user",
        "add",
        '{"content":1,"scope":{"user":"\\ud800"}}',
        field("scope"),
      ),
      post("text without a word", "search", { text: '"*' }, { contains: ["at least one word"] }),
      post("an empty text", "search", { text: "" }, field("text")),
      post(
        "too many words",
        "search",
        { text: Array.from({ length: 201 }, (_, n) => `w${n}`).join(" ") },
        { contains: ["201 different words, at most 200"] },
      ),
      post("a vector of zeros", "search", { vector: [0] }, { contains: ["no direction"] }),
      post("NaN", "search", '{"vector":[1e999]}', field("vector.0")),
      post(
        "a way to match that is none",
        "search",
        { tags: ["x"], match: "most" },
        { contains: ["all, any"] },
      ),
      post("a page of nothing", "search", { page_size: 0 }, field("page_size")),
      post("a huge page", "search", { page_size: 10_001 }, field("page_size")),
      post("a token that is none", "search", { page_token: "!" }, field("page_token")),
      post(
        "a token of the future",
        "search",
        { page_token: token("4102444800000000.0") },
        field("page_token"),
      ),
      post("a token that skips backwards", "search", { page_token: token("1.-1") }, field("page_token")),
      post("a field that is none", "search", { query: "x" }, { type: "unknown_field" }),
      post("retired, by text", "search", { text: "word", include_retired: "yes" }, field("include_retired")),
    ],
    () => memory.send,
  );
});

/** A token that is well formed, of a search without conditions. */
function token(rest: string): string {
  return Buffer.from(`${Bun.hash("{}").toString(36)}.${rest}`).toString("base64url");
}

test("a token belongs to the conditions it came with", async () => {
  const { search, history } = memory.peer.verbs;
  const { next_page_token: page_token = "" } = await search({ include_retired: true, page_size: 1 });
  await expect(search({ page_token })).rejects.toMatchObject({ type: "invalid_field" });
  await expect(history({ uid: "live", page_token })).rejects.toMatchObject({ type: "invalid_field" });
  expect((await search({ include_retired: true, page_token })).results.length).toBeGreaterThan(0);
});

test("values that no JSON has are refused between services, too", async () => {
  const { add } = memory.peer.verbs;
  for (const content of [
    { a: Number.NaN },
    [1n],
    new Date(0),
    { f: undefined },
    new Uint8Array(3),
    new Map(),
  ])
    await expect(add({ content })).rejects.toMatchObject({ type: "invalid_field" });
});

test("nothing of it was stored", async () => {
  expect(await memory.peer.verbs.stats({})).toEqual(before as never);
});

test("as many traces as are allowed, and no more; what is there can still be changed", async () => {
  const { add, addIdempotent, update, revise, retire } = memory.peer.verbs;
  await Promise.allSettled(Array.from({ length: 10 }, (_, n) => add({ uid: `more ${n}`, content: n })));
  await expect(add({ content: 1 })).rejects.toMatchObject({ type: "too_many_requests" });
  await expect(revise({ uid: "live", content: 1 })).rejects.toMatchObject({ type: "too_many_requests" });
  expect((await addIdempotent({ uid: "more 0", content: 0 })).created).toBe(false);
  expect((await update({ uid: "live", content: 5 })).content).toBe(5);
  expect((await retire({ uid: "live" })).retired).toBe(true);
});
