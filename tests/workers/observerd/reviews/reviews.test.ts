/** The review verb: durable before it answers, and the model asked only when the rules are not sure. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { InputOf, ReplyOf } from "../../../../runtime/contract/endpoints.ts";
import { fail } from "../../../../runtime/errors/errors.ts";
import { type Chatd, chatd } from "../../../../workers/chatd/contract.ts";
import { openReviews } from "../../../../workers/observerd/reviews/log.ts";
import { refused, runCases } from "../../../support/clients/api-case.ts";
import { keptIn } from "../../../support/durability/marked.ts";
import { startContractPeer } from "../../../support/stacks/contract-peer.ts";
import { type InProcess, temporaryDirectory } from "../../../support/stacks/in-process.ts";
import {
  type InProcessObserverd,
  observerdDirectory,
  startObserverd,
} from "../../../support/stacks/observerd.ts";

type Complete = Chatd["endpoints"]["complete"];

const directory = temporaryDirectory("review");
let asked: InputOf<Complete>[] = [];
let answer: (signal: AbortSignal) => Promise<ReplyOf<Complete>>;
let model: InProcess<Chatd>;
let service: InProcessObserverd;

beforeAll(async () => {
  model = await startContractPeer(chatd, directory.path, {
    complete: (input, { signal }) => {
      asked.push(input);
      return answer(signal);
    },
  });
  const section = { review_model: "local/judge", review_timeout_ms: 2000, chat_calls: false };
  service = await startObserverd({ dataDir: directory.path, section, peers: { chatd: model.peer } });
});
beforeEach(() => {
  asked = [];
  says({ verdict: "accept", confidence: 0.9, reason: "the names are right" });
});
afterAll(async () => {
  await service.stop();
  await model.stop();
  directory.remove();
});

const says = (value: unknown) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  answer = async () => ({ text, model: "local/judge" });
};
const sure = {
  task: "Explain why forklift operators need training",
  output: "I'm sorry, I can't help with that.",
};
const unsure = {
  task: "Who is the forklift operator in Chicago?",
  output: "The forklift operator in Chicago is John Smith.",
};
const review = (input: typeof sure) => service.peer.verbs.review(input);
const logged = async () => {
  const reviews = await openReviews({
    directory: observerdDirectory(directory.path),
    ...(await keptIn(observerdDirectory(directory.path))),
  });
  const all = await Array.fromAsync(reviews.all());
  await reviews.close();
  return all;
};

test("a review that has answered is in the log, with what was judged", async () => {
  const made = await service.peer.verbs.review({ ...sure, run_id: "run 1", trace_uid: "trace 1" });
  expect(made).toMatchObject({ verdict: "reject", reviewer: "heuristic", run_id: "run 1" });
  expect((await logged()).at(-1)).toEqual({ review: made, ...sure, trace_uid: "trace 1" });
});

test("those that need a human wait, oldest first and in pages, until a person scores them or their run", async () => {
  const { verbs } = service.peer;
  const waiting = async (): Promise<string[]> => {
    const ids: string[] = [];
    for (let token: string | undefined; ; ) {
      const page = await verbs.waiting({ page_size: 2, ...(token && { page_token: token }) });
      ids.push(...page.reviews.map(({ review: { id } }) => id));
      token = page.next_page_token;
      if (token === undefined) return ids;
    }
  };
  expect(await waiting()).toEqual([]);
  const doubted: string[] = [];
  for (const run of ["one", "two", "two", "three"]) {
    const input = { ...unsure, output: `${unsure.output} (${doubted.length})`, heuristic_only: true };
    const { id, verdict } = await verbs.review({ ...input, run_id: run });
    expect(verdict).toBe("needs_human");
    doubted.push(id);
  }
  await review(sure);
  expect(await waiting()).toEqual(doubted);
  const [first = "", , , last = ""] = doubted;
  const { reviews } = await verbs.waiting({ page_size: 100 });
  expect(reviews.find(({ review }) => review.id === last)).toMatchObject({
    task: unsure.task,
    output: `${unsure.output} (3)`,
  });
  // Who goes on from a review that was settled meanwhile misses none and sees none twice.
  const { next_page_token: token = "" } = await verbs.waiting({ page_size: 1 });
  await verbs.score({ review_id: first, score: 0, by: "ann" });
  const rest = await verbs.waiting({ page_token: token });
  expect(rest.reviews.map(({ review: { id } }) => id)).toEqual(doubted.slice(1));
  await verbs.score({ run_id: "two", score: 1, by: "ann" });
  expect(await waiting()).toEqual([last]);
});

test("reviews are no operations", async () => {
  const before = await service.peer.verbs.stats({});
  await review(sure);
  expect(await service.peer.verbs.stats({})).toEqual(before);
});

test("the model is asked when the rules are not sure, with what it must judge by", async () => {
  const made = await service.peer.verbs.review({ ...unsure, evidence: [] });
  expect(made).toMatchObject({ verdict: "accept", confidence: 0.9, reviewer: "local/judge" });
  expect(made.reasons[0]).toEqual({ rule: "model", weight: 3, detail: "the names are right" });
  expect(made.reasons.map(({ rule }) => rule)).toContain("unchecked_claims");
  expect(asked.length).toBe(1);
  expect(asked[0]).toMatchObject({
    model: "local/judge",
    schema: { type: "object", additionalProperties: false },
  });
  expect(JSON.parse(asked[0]?.prompt ?? "")).toEqual({ ...unsure, evidence: [], evidence_was_cut: false });
});

test("the model may wrap its answer in a code fence", async () => {
  says('```json\n{"verdict":"needs_human","confidence":0.5,"reason":"who knows"}\n```');
  expect(await review(unsure)).toMatchObject({ verdict: "needs_human", reviewer: "local/judge" });
});

test("the model is not asked when the rules are sure, or when it is not wanted", async () => {
  await review(sure);
  await service.peer.verbs.review({ ...unsure, heuristic_only: true });
  expect(asked).toEqual([]);
});

test("evidence beyond what a question may hold is cut, and the question says so", async () => {
  await service.peer.verbs.review({ ...unsure, evidence: ["warehouse ".repeat(5000), "more"] });
  const { evidence, evidence_was_cut: wasCut } = JSON.parse(asked[0]?.prompt ?? "");
  expect([evidence.join("").length, wasCut]).toEqual([32 * 1024, true]);
});

describe("a model that is of no use leaves the verdict to the rules, and the reasons say so", () => {
  const rows: { name: string; play: () => void; says: string }[] = [
    {
      name: "prose",
      play: () => says("It looks fine to me."),
      says: "local/judge answered something that is not JSON",
    },
    {
      name: "another verdict",
      play: () => says({ verdict: "maybe", confidence: 1, reason: "x" }),
      says: "expected one of accept",
    },
    {
      name: "a confidence of 90",
      play: () => says({ verdict: "accept", confidence: 90, reason: "x" }),
      says: "confidence",
    },
    { name: "no reason", play: () => says({ verdict: "accept", confidence: 1 }), says: "reason" },
    {
      name: "a field too many",
      play: () => says({ verdict: "accept", confidence: 1, reason: "x", also: 1 }),
      says: "unknown field 'also'",
    },
    { name: "a list", play: () => says([]), says: "did not follow the schema" },
    { name: "nothing", play: () => says(""), says: "not JSON" },
    {
      name: "chatd is away",
      play: () => {
        answer = async () => {
          throw fail("unavailable", "no provider answers");
        };
      },
      says: "local/judge could not be asked (unavailable: no provider answers)",
    },
    {
      name: "a provider's failure",
      play: () => {
        answer = async () => {
          throw fail("bad_gateway", "ollama answered 500");
        };
      },
      says: "bad_gateway",
    },
    {
      name: "a crash in chatd",
      play: () => {
        answer = async () => {
          throw new Error("secret of the inside");
        };
      },
      says: "internal",
    },
    {
      name: "silence",
      play: () => {
        answer = (signal) =>
          new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
      says: "local/judge could not be asked",
    },
  ];
  for (const { name, play, says: text } of rows)
    test(name, async () => {
      play();
      const made = await review(unsure);
      expect(made).toMatchObject({ verdict: "needs_human", reviewer: "heuristic" });
      const reason = made.reasons.find(({ rule }) => rule === "model_unavailable");
      expect(reason?.detail).toContain(text);
      expect(reason?.detail).toContain("the verdict is that of the rules");
      expect(JSON.stringify(made)).not.toContain("secret");
    });
});

test("without a model the rules' doubt is the verdict", async () => {
  const own = temporaryDirectory("review-alone");
  const alone = await startObserverd({ dataDir: own.path, section: { chat_calls: false } });
  expect(await alone.peer.verbs.review(unsure)).toMatchObject({
    verdict: "needs_human",
    reviewer: "heuristic",
  });
  await alone.stop();
  own.remove();
});

test("a damaged review is reported and skipped; a line cut short is dropped", async () => {
  const own = temporaryDirectory("review-log");
  const judged = (n: number) => ({
    review: {
      id: `r${n}`,
      at: "2026-01-01T00:00:00.000Z",
      verdict: "accept" as const,
      confidence: 1,
      reasons: [],
      reviewer: "heuristic",
    },
    task: `task ${n}`,
    output: "line\nfeed and ünïcode",
  });
  const place = observerdDirectory(own.path);
  mkdirSync(place);
  const first = await openReviews({ directory: place, ...(await keptIn(place)) });
  await Promise.all([1, 2, 3].map((n) => first.add(judged(n))));
  expect(first.problems()).toEqual([]);
  await first.close();
  const path = join(place, "reviews.log");
  writeFileSync(path, readFileSync(path, "utf8").replace("task 2", "task 9"));
  appendFileSync(path, '{"crc32":"00');
  const second = await openReviews({ directory: place, ...(await keptIn(place)) });
  expect(second.problems()).toEqual([
    expect.stringContaining("reviews.log: 1 damaged lines were skipped, the first at line 3"),
  ]);
  await second.add(judged(4));
  expect((await Array.fromAsync(second.all())).map(({ review: { id } }) => id)).toEqual(["r1", "r3", "r4"]);
  await second.close();
  own.remove();
});

describe("bad input", () => {
  const path = "/observer/review";
  const post = { path, method: "POST" };
  const body = { task: "t", output: "o" };
  runCases(
    [
      refused("no task", { ...post, body: { output: "o" } }, "invalid_field", "task"),
      refused("an empty task", { ...post, body: { ...body, task: "" } }, "invalid_field", "task"),
      refused("no output", { ...post, body: { task: "t" } }, "invalid_field", "output"),
      refused(
        "an output that is no text",
        { ...post, body: { ...body, output: { a: 1 } } },
        "invalid_field",
        "output",
      ),
      refused(
        "an output over the limit",
        { ...post, body: { ...body, output: "x".repeat(65_537) } },
        "invalid_field",
        "output",
      ),
      refused(
        "evidence that is no list",
        { ...post, body: { ...body, evidence: "x" } },
        "invalid_field",
        "evidence",
      ),
      refused(
        "evidence of numbers",
        { ...post, body: { ...body, evidence: [1] } },
        "invalid_field",
        "evidence.0",
      ),
      refused(
        "too much evidence",
        { ...post, body: { ...body, evidence: Array.from({ length: 101 }, () => "x") } },
        "invalid_field",
        "evidence",
      ),
      refused("an empty run", { ...post, body: { ...body, run_id: "" } }, "invalid_field", "run_id"),
      refused(
        "a wish that is no boolean",
        { ...post, body: { ...body, heuristic_only: "yes" } },
        "invalid_field",
        "heuristic_only",
      ),
      refused(
        "a field nobody knows",
        { ...post, body: { ...body, verdict: "accept" } },
        "unknown_field",
        "verdict",
      ),
      refused(
        "broken JSON",
        { ...post, headers: { "content-type": "application/json" }, body: '{"task":' },
        "invalid_json",
      ),
      refused("a list", { ...post, body: [] }, "invalid_json"),
      refused("another method", { path }, "method_not_allowed"),
    ],
    () => service.send,
  );
});
