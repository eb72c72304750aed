/** Training sets over a real bucket and real traces; matrixd's playbooks are played through its contract. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { InputOf, Peer, ReplyOf } from "../../../../runtime/contract/endpoints.ts";
import { fail } from "../../../../runtime/errors/errors.ts";
import { type Embedd, embedd } from "../../../../workers/embedd/contract.ts";
import { createEmbedd } from "../../../../workers/embedd/service.ts";
import { type Matrixd, matrixd } from "../../../../workers/matrixd/contract.ts";
import type { Observerd } from "../../../../workers/observerd/contract.ts";
import { pathwayd } from "../../../../workers/pathwayd/contract.ts";
import { createPathwayd } from "../../../../workers/pathwayd/service.ts";
import { type Storaged, storaged } from "../../../../workers/storaged/contract.ts";
import { createStoraged } from "../../../../workers/storaged/service.ts";
import { runCases } from "../../../support/clients/api-case.ts";
import { makeSmallDisk, mountable } from "../../../support/faults/small-disk.ts";
import { startContractPeer } from "../../../support/stacks/contract-peer.ts";
import {
  configWith,
  type InProcess,
  startInProcess,
  temporaryDirectory,
} from "../../../support/stacks/in-process.ts";
import {
  type InProcessObserverd,
  observerdDirectory,
  startObserverd,
} from "../../../support/stacks/observerd.ts";

type EventInput = InputOf<Observerd["endpoints"]["event"]>;
type Playbook = ReplyOf<Matrixd["endpoints"]["playbook"]>;
type Ask = InputOf<Observerd["endpoints"]["distill"]>;
interface Line {
  messages: { role: string; content: string }[];
  provenance: Record<string, unknown>;
}
interface Pair {
  prompt: string;
  chosen: string;
  rejected: string;
  provenance: { chosen: Record<string, unknown>; rejected: Record<string, unknown> };
}

const peers = temporaryDirectory("distill-peers");
const config = configWith({ data_dir: peers.path, buckets: { primary: { kind: "local" } } });
let store: InProcess<typeof storaged>;
let embedding: InProcess<Embedd>;
let traces: InProcess<typeof pathwayd>;
let matrix: InProcess<typeof matrixd>;
let playbooks: { playbooks: Playbook[]; retired: number };
let playbooksFail: (() => never) | undefined;
let own: ReturnType<typeof temporaryDirectory>;
let service: InProcessObserverd;

beforeAll(async () => {
  store = await startInProcess({ contract: storaged, create: createStoraged }, { config, peers: {} });
  embedding = await startInProcess({ contract: embedd, create: createEmbedd }, { config, peers: {} });
  traces = await startInProcess(
    { contract: pathwayd, create: createPathwayd },
    { config, peers: { embedd: embedding.peer } },
  );
  matrix = await startContractPeer(matrixd, peers.path, {
    playbooksSince: async () => {
      playbooksFail?.();
      return playbooks;
    },
  });
});
afterAll(async () => {
  await service.stop();
  for (const each of [matrix, traces, embedding, store]) await each.stop();
  peers.remove();
  own.remove();
});
const start = (more: Partial<{ storaged: Peer<Storaged> }> = {}) =>
  startObserverd({
    dataDir: own.path,
    section: { chat_calls: false, playbook_consolidation: false },
    peers: { storaged: store.peer, pathwayd: traces.peer, matrixd: matrix.peer, ...more },
  });
beforeEach(async () => {
  playbooks = { playbooks: [], retired: 0 };
  playbooksFail = undefined;
  await service?.stop();
  own?.remove();
  own = temporaryDirectory("distill");
  service = await start();
});

const day = (n: number) => `2026-01-${String(n).padStart(2, "0")}T12:00:00.000Z`;
const event = (more: Partial<EventInput>) =>
  service.peer.verbs.event({
    endpoint: "/v1/chat",
    success: true,
    duration_ms: 1000,
    timestamp: day(1),
    input_summary: "question",
    output_summary: "answer",
    ...more,
  });
const text = async (key: string) =>
  (await store.send(new Request(`http://localhost/storage/get/${key}`))).text();
const lines = async <T>(key: string | undefined): Promise<T[]> =>
  (await text(key ?? ""))
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
/** With what nobody judged, unless a test says otherwise. */
const distill = async (ask: Ask = {}) => {
  const answer = await service.peer.verbs.distill({ include_unreviewed: true, ...ask });
  const keyOf = (kind: string) => answer.sets.find((set) => set.kind === kind)?.key;
  return {
    ...answer,
    supervised: keyOf("supervised") ? await lines<Line>(keyOf("supervised")) : [],
    preference: keyOf("preference") ? await lines<Pair>(keyOf("preference")) : [],
  };
};
const chat = (line: Line | undefined) => line?.messages.map(({ role, content }) => `${role}: ${content}`);
const good = {
  task: "Explain why forklift operators need safety training",
  output: "Forklift operators need safety training because heavy loads tip when they are lifted wrongly.",
};
const refusal = { task: good.task, output: "I'm sorry, I can't help with that." };
const playbook = (changes: Partial<Playbook> = {}): Playbook => ({
  playbook_id: "p1",
  query_text: "forklift operator near Chicago",
  answer_id: "W-1041",
  corpus: "workers",
  score: 0.9,
  tags: [],
  helpful: 0,
  harmful: 0,
  created_at: day(1),
  updated_at: day(2),
  confirmed_at: day(2),
  ...changes,
});

test("a run becomes a conversation, with where it comes from; the manifest names the files", async () => {
  const first = await event({ run_id: "r", input_summary: "who is near?", output_summary: "Maria" });
  const second = await event({
    run_id: "r",
    timestamp: day(2),
    input_summary: "her rate?",
    output_summary: "24.50",
  });
  const { supervised, preference, sets, manifest, skipped } = await distill();
  expect(preference).toEqual([]);
  expect(skipped).toEqual({});
  expect(supervised.map((line) => chat(line))).toEqual([
    ["user: who is near?", "assistant: Maria", "user: her rate?", "assistant: 24.50"],
  ]);
  expect(supervised[0]?.provenance).toEqual({
    operation_ids: [first.id, second.id],
    run_id: "r",
    verdict: "accept",
    confidence: 0.6,
    basis: "outcome",
    at: day(2),
  });
  expect(manifest).toMatch(/^distill\/\d{8}T\d{6}Z-[0-9a-f-]{36}\/manifest\.json$/);
  const stored = JSON.parse(await text(manifest));
  expect(stored).toMatchObject({ format: "lakehouse.distill", version: 1, sets, skipped, sources: "all" });
  expect(stored.read).toEqual({ operations: 2, reviews: 0, playbooks: 0 });
  for (const { key, sha256, bytes, examples } of sets) {
    const content = await text(key);
    expect(createHash("sha256").update(content).digest("hex")).toBe(sha256);
    expect([Buffer.byteLength(content), content.split("\n").length - 1]).toEqual([bytes, examples]);
  }
});

test("operations without a run stand for themselves; those without texts are left out", async () => {
  await event({ input_summary: "a", output_summary: "b" });
  await service.peer.verbs.event({ endpoint: "/v1/sql", success: true, duration_ms: 1, timestamp: day(1) });
  const { supervised, skipped } = await distill();
  expect(supervised.map(chat)).toEqual([["user: a", "assistant: b"]]);
  expect(skipped).toEqual({ no_text: 1 });
});

test("a step inside a turn is no turn", async () => {
  await event({ run_id: "r", duration_ms: 5000, input_summary: "outer", output_summary: "done" });
  await event({
    run_id: "r",
    timestamp: "2026-01-01T12:00:01.000Z",
    duration_ms: 10,
    input_summary: "inner",
    output_summary: "x",
  });
  const { supervised, skipped } = await distill();
  expect(supervised.map(chat)).toEqual([["user: outer", "assistant: done"]]);
  expect(skipped).toEqual({ nested_step: 1 });
});

test("a review decides over its run, the latest one; doubt leaves it out", async () => {
  for (const run of ["accepted", "refused", "doubted", "twice"])
    await event({ run_id: run, input_summary: run });
  const { verbs } = service.peer;
  const accepted = await verbs.review({ ...good, run_id: "accepted" });
  await verbs.review({ ...refusal, run_id: "refused" });
  await verbs.review({ task: "Who is it?", output: "It is John Smith of Boston.", run_id: "doubted" });
  await verbs.review({ ...good, run_id: "twice" });
  await verbs.review({ ...refusal, run_id: "twice" });
  const { supervised, skipped } = await distill({ sources: ["api"] });
  expect(supervised.map(chat)).toEqual([["user: accepted", "assistant: answer"]]);
  expect(supervised[0]?.provenance).toMatchObject({
    review_id: accepted.id,
    basis: "judged",
    confidence: accepted.confidence,
  });
  expect(skipped).toEqual({ needs_human: 1 });
});

test("that a call succeeded does not make its answer good: nobody's judgement, no training", async () => {
  await event({ run_id: "unjudged", input_summary: "unjudged" });
  await event({ run_id: "judged", input_summary: "judged" });
  await service.peer.verbs.review({ ...good, run_id: "judged" });
  const { sets, skipped } = await service.peer.verbs.distill({ sources: ["api"] });
  expect([sets[0]?.examples, skipped]).toEqual([1, { unreviewed: 1 }]);
});

test("a person's score settles a doubt, and outweighs what rules said before and say later", async () => {
  for (const run of ["doubted", "overruled", "scored"]) await event({ run_id: run, input_summary: run });
  const { verbs } = service.peer;
  const doubted = await verbs.review({
    task: "Who is it?",
    output: "It is John Smith of Boston.",
    run_id: "doubted",
  });
  expect(doubted.verdict).toBe("needs_human");
  const settled = await verbs.score({ review_id: doubted.id, score: 1, by: "ann", comment: "I know him" });
  expect(settled).toMatchObject({
    verdict: "accept",
    confidence: 1,
    reviewer: "human",
    by: "ann",
    run_id: "doubted",
    reasons: [{ rule: "human", weight: 1, detail: "I know him" }],
  });
  const liked = await verbs.review({ ...good, run_id: "overruled" });
  await verbs.score({ review_id: liked.id, score: 0.1, by: "ann" });
  await verbs.review({ ...good, run_id: "overruled" });
  await verbs.score({ run_id: "scored", score: 0.8, by: "bob" });
  const { supervised, skipped } = await distill({ include_unreviewed: false });
  expect(supervised.map(chat).sort()).toEqual([
    ["user: Who is it?", "assistant: It is John Smith of Boston."],
    ["user: doubted", "assistant: answer"],
    ["user: scored", "assistant: answer"],
  ]);
  expect(skipped).toEqual({});
});

test.each([
  [{ score: 1, by: "ann" }, 400, "got neither"],
  [{ review_id: "a", run_id: "b", score: 1, by: "ann" }, 400, "got both"],
  [{ review_id: "a", score: 1, by: "ann" }, 404, "there is no review 'a'"],
  [{ run_id: "b", score: 1.1, by: "ann" }, 400, "score"],
  [{ run_id: "b", score: 1 }, 400, "by"],
  [{ run_id: "b", score: "1", by: "ann" }, 400, "score"],
  [{ run_id: "b", score: 1, by: "ann", verdict: "accept" }, 400, "verdict"],
])("a score is refused: %j", async (body, status, words) => {
  const response = await service.send(
    new Request("http://localhost/observer/scores", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
  expect(response.status).toBe(status);
  expect(await response.text()).toContain(words);
});

test("accepted and rejected outputs of one task are a pair", async () => {
  const yes = await service.peer.verbs.review(good);
  const no = await service.peer.verbs.review({ ...refusal, trace_uid: undefined as never });
  const { supervised, preference } = await distill();
  expect(supervised.map(chat)).toEqual([[`user: ${good.task}`, `assistant: ${good.output}`]]);
  expect(preference).toHaveLength(1);
  expect(preference[0]).toMatchObject({ prompt: good.task, chosen: good.output, rejected: refusal.output });
  expect(preference[0]?.provenance).toMatchObject({
    chosen: { review_id: yes.id, verdict: "accept" },
    rejected: { review_id: no.id, verdict: "reject" },
  });
});

test("an overseer's correction is chosen over what it corrects", async () => {
  await event({ run_id: "r", input_summary: "her rate?", output_summary: "31" });
  await event({
    run_id: "r",
    timestamp: day(2),
    source: "overseer_correction",
    input_summary: undefined as never,
    output_summary: "24.50",
  });
  const { supervised, preference } = await distill();
  expect(supervised.map(chat)).toEqual([["user: her rate?", "assistant: 24.50"]]);
  expect(preference).toEqual([
    expect.objectContaining({ prompt: "her rate?", chosen: "24.50", rejected: "31" }),
  ]);
});

test("a run that failed is the rejected side of the same question's success", async () => {
  await event({ run_id: "bad", input_summary: "q", output_summary: "nonsense", success: false, error: "x" });
  await event({ run_id: "good", timestamp: day(2), input_summary: "q", output_summary: "sense" });
  const { preference } = await distill();
  expect(preference).toEqual([
    expect.objectContaining({ prompt: "q", chosen: "sense", rejected: "nonsense" }),
  ]);
});

test("a record with a uid that no trace can have stops no other, and is reported", async () => {
  for (const uid of [".", "..", "a\u0001b", ""])
    await expect(event({ trace_uid: uid })).rejects.toMatchObject({
      type: "invalid_field",
      details: { field: "trace_uid" },
    });
  // As earlier releases took them.
  playbooks = {
    playbooks: [playbook({ trace_uid: "." }), playbook({ playbook_id: "p2", trace_uid: "a\u0001b" })],
    retired: 0,
  };
  await event({ run_id: "r" });
  const { supervised, skipped } = await distill();
  expect(supervised.length).toBe(1);
  expect(skipped).toEqual({ invalid_trace_uid: 2 });
});

test("nothing of a retired or superseded trace, or of one nobody knows, gets in", async () => {
  const { verbs } = traces.peer;
  for (const uid of ["live", "retired", "old"]) await verbs.add({ uid: `${uid}-1`, content: { uid } });
  await verbs.retire({ uid: "retired-1" });
  await verbs.revise({ uid: "old-1", new_uid: "new-1", content: { a: 1 } });
  for (const uid of ["live-1", "retired-1", "old-1", "new-1", "unknown-1"])
    await event({ run_id: uid, trace_uid: uid, input_summary: `of ${uid}` });
  await service.peer.verbs.review({ ...good, trace_uid: "retired-1" });
  playbooks = {
    playbooks: [playbook({ trace_uid: "live-1" }), playbook({ playbook_id: "p2", trace_uid: "old-1" })],
    retired: 3,
  };
  const { supervised, skipped } = await distill();
  const asked = supervised.map(({ messages }) => messages.find(({ role }) => role === "user")?.content);
  expect(asked.sort()).toEqual(["forklift operator near Chicago", "of live-1", "of new-1"]);
  const uids = supervised.flatMap(({ provenance }) => provenance.trace_uids);
  expect(uids.sort()).toEqual(["live-1", "live-1", "new-1"]);
  expect(skipped).toEqual({ retired_trace: 3 + 1 + 1 + 3 });
});

test("playbooks teach which row to choose, in every wording; one that misled is rejected", async () => {
  playbooks.playbooks = [
    playbook({ helpful: 3, aliases: ["lift truck driver in Illinois"] }),
    playbook({ playbook_id: "p2", answer_id: "W-9", helpful: 0, harmful: 4 }),
    playbook({ playbook_id: "p3", query_text: "welder", score: 0.3 }),
  ];
  const { supervised, preference, skipped } = await distill();
  const row = (id: string) => JSON.stringify({ corpus: "workers", id });
  expect(supervised.map((line) => chat(line)?.slice(1)).sort()).toEqual([
    ["user: forklift operator near Chicago", `assistant: ${row("W-1041")}`],
    ["user: lift truck driver in Illinois", `assistant: ${row("W-1041")}`],
  ]);
  expect(supervised[0]?.provenance).toMatchObject({ playbook_id: "p1", confidence: 0.9 });
  expect(preference).toEqual([expect.objectContaining({ chosen: row("W-1041"), rejected: row("W-9") })]);
  expect(preference[0]?.prompt).toEndWith("forklift operator near Chicago");
  expect(skipped).toEqual({ low_confidence: 1 });
});

test("the same words count once; what is both accepted and rejected is in no set", async () => {
  for (const run of ["1", "2", "3"]) await event({ run_id: run });
  await event({ run_id: "x1", input_summary: "torn", output_summary: "t" });
  await event({ run_id: "x2", input_summary: "torn", output_summary: "t", success: false });
  const { supervised, skipped } = await distill();
  expect(supervised.map(chat)).toEqual([["user: question", "assistant: answer"]]);
  expect(skipped).toEqual({ duplicate: 3, contradicted: 1 });
});

test("who judged the answer outweighs the mere outcome of a run", async () => {
  await event({ run_id: "1", input_summary: refusal.task, output_summary: refusal.output });
  await service.peer.verbs.review(refusal);
  const { supervised, skipped } = await distill();
  expect(supervised).toEqual([]);
  expect(skipped).toEqual({ duplicate: 1 });
});

test("span, sources and confidence choose what gets in", async () => {
  for (const n of [1, 2, 3]) await event({ run_id: `${n}`, timestamp: day(n), input_summary: `q${n}` });
  await event({ run_id: "s", source: "scenario", timestamp: day(2), input_summary: "from a scenario" });
  await service.peer.verbs.review(good);
  const asked = async (ask: Ask) =>
    (await distill(ask)).supervised.map(({ messages }) => messages[0]?.content).sort();
  expect(await asked({ since: day(2), until: day(3) })).toEqual(["from a scenario", "q2"]);
  expect(await asked({ sources: ["scenario"] })).toEqual(["from a scenario"]);
  expect(await asked({ sources: ["review"] })).toEqual([good.task]);
  expect(await asked({ min_confidence: 0.7 })).toEqual([good.task]);
  const { sets, skipped } = await distill({ kinds: ["preference"], min_confidence: 0.99 });
  expect(sets.map(({ kind }) => kind)).toEqual(["preference"]);
  expect(skipped).toEqual({ low_confidence: 5 });
});

test("the same records give the same bytes, after a start too", async () => {
  for (let n = 0; n < 50; n++)
    await event({
      run_id: `${n % 20}`,
      timestamp: day(1 + (n % 9)),
      input_summary: `q${n % 7}`,
      output_summary: `a${n % 3}`,
      success: n % 5 > 0,
    });
  await service.peer.verbs.review(good);
  playbooks.playbooks = [playbook(), playbook({ playbook_id: "p2", answer_id: "W-2", harmful: 2 })];
  const hashes = async () => (await distill({ until: day(28) })).sets.map(({ sha256 }) => sha256);
  const before = await hashes();
  await service.stop();
  service = await start();
  expect(await hashes()).toEqual(before);
});

describe("a peer that fails leaves nothing behind", () => {
  const objects = async () =>
    (await store.peer.verbs.list({ prefix: "distill/" })).objects.map(({ key }) => key);
  const refused = (): Promise<{ type: string; status: number; message: string }> =>
    service.peer.verbs.distill({}).then(
      () => Promise.reject(new Error("it was made")),
      (error) => error,
    );
  const fails = async (what: { type: string; status: number; says: string }) => {
    await event({});
    const before = await objects();
    const error = await refused();
    expect({ type: error.type, status: error.status }).toEqual({ type: what.type, status: what.status });
    expect(error.message).toContain(what.says);
    expect(await objects()).toEqual(before);
    expect(existsSync(join(observerdDirectory(own.path), "distilling"))).toBe(false);
  };

  test("matrixd is away", async () => {
    playbooksFail = () => {
      throw fail("unavailable", "matrixd is starting");
    };
    await fails({ type: "unavailable", status: 503, says: "matrixd is starting" });
    playbooksFail = undefined;
    expect((await distill()).supervised).toHaveLength(1);
  });

  test("matrixd breaks", async () => {
    playbooksFail = () => {
      throw new Error("inside");
    };
    await fails({ type: "bad_gateway", status: 502, says: "matrixd could not list its playbooks" });
  });

  /** The real store, of which the nth PUT or the manifest's write fails. */
  const failing = (put: number | undefined): Peer<Storaged> => {
    let puts = 0;
    return {
      verbs: {
        ...store.peer.verbs,
        write: async (...input) => {
          if (put === undefined) throw fail("storage_full", "the disk is full");
          return store.peer.verbs.write(...input);
        },
      },
      fetch: async (path, init) => {
        if (put === 0) throw new TypeError("the connection broke");
        if (++puts === put)
          return Response.json({ error: { type: "unavailable", message: "full of work" } }, { status: 503 });
        return store.peer.fetch(path, init);
      },
    };
  };

  for (const [name, put, type, status, says] of [
    ["the connection to the store breaks", 0, "bad_gateway", 502, "storaged could not store the set"],
    ["the first set cannot be stored", 1, "unavailable", 503, "full of work"],
    ["the second set cannot be stored", 2, "unavailable", 503, "full of work"],
    ["the manifest cannot be stored", undefined, "storage_full", 507, "disk is full"],
  ] as const)
    test(name, async () => {
      await service.stop();
      service = await start({ storaged: failing(put) });
      await fails({ type, status, says });
    });

  test.skipIf(!mountable.includes("tmpfs"))("the disk is full, and has room again", async () => {
    const disk = makeSmallDisk("tmpfs", 1024 * 1024);
    try {
      await service.stop();
      service = await startObserverd({
        dataDir: disk.path,
        peers: { storaged: store.peer, pathwayd: traces.peer, matrixd: matrix.peer },
      });
      await event({ success: true });
      for (const leave of [0, 8192, 40_960]) {
        disk.fill(leave);
        const error = await refused();
        expect([error.type, error.status]).toEqual(["storage_full", 507]);
        expect(error.message).toContain("the disk is full");
        disk.empty();
      }
      await service.peer.verbs.distill({});
      await service.stop();
      service = await start();
    } finally {
      disk.remove();
    }
  });

  test("pathwayd is away", async () => {
    await service.stop();
    service = await startObserverd({
      dataDir: own.path,
      peers: { storaged: store.peer, matrixd: matrix.peer },
    });
    await event({ trace_uid: "t" });
    await fails({ type: "unavailable", status: 503, says: "pathwayd" });
  });
});

test("one distillation at a time; what one that was killed left is cleared away", async () => {
  await service.stop();
  const left = join(observerdDirectory(own.path), "distilling");
  mkdirSync(left, { recursive: true });
  writeFileSync(join(left, "working.sqlite"), "half");
  service = await start();
  expect(existsSync(left)).toBe(false);
  await event({});
  const [first, second] = await Promise.allSettled([
    service.peer.verbs.distill({}),
    service.peer.verbs.distill({}),
  ]);
  expect(first?.status).toBe("fulfilled");
  expect(second).toMatchObject({
    status: "rejected",
    reason: { type: "too_many_requests", retryAfterSeconds: 5 },
  });
});

describe("bad input", () => {
  const post = { path: "/observer/distill", method: "POST" };
  const bad = { ...post, type: "invalid_field" };
  runCases(
    [
      { name: "no kinds", ...bad, body: { kinds: [] }, contains: ["kinds"] },
      { name: "a kind nobody knows", ...bad, body: { kinds: ["rlhf"] }, contains: ["kinds.0"] },
      { name: "a kind twice", ...bad, body: { kinds: ["preference", "preference"] }, contains: ["kinds"] },
      { name: "a time that is none", ...bad, body: { since: "yesterday" }, contains: ["since"] },
      {
        name: "a day no calendar has",
        ...bad,
        body: { since: "2026-02-30T00:00:00Z", until: "2026-03-30T00:00:00Z" },
        contains: ["since"],
      },
      {
        name: "an end before the beginning",
        ...bad,
        body: { since: day(2), until: day(1) },
        contains: ["since", "until"],
      },
      { name: "no sources", ...bad, body: { sources: [] }, contains: ["sources"] },
      { name: "a confidence above one", ...bad, body: { min_confidence: 1.1 }, contains: ["min_confidence"] },
      {
        name: "a confidence as text",
        ...bad,
        body: { min_confidence: "high" },
        contains: ["min_confidence"],
      },
      {
        name: "a field nobody knows",
        ...post,
        body: { bucket: "other" },
        type: "unknown_field",
        contains: ["bucket"],
      },
      { name: "another method", path: post.path, type: "method_not_allowed" },
    ],
    () => service.send,
  );
});
