/** Playbooks: finding those that fit a query among many, recording durably, and what others of the thread wait. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { makeDirectory } from "../../../runtime/durable/files.ts";
import { openLineLog } from "../../../runtime/line-log/line-log.ts";
import { latencies, quantile, report, throughput, timed } from "../../support/campaigns/measure.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { keptIn } from "../../support/durability/marked.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { type PlaybookStack, startPlaybookStack } from "../../support/stacks/playbooks.ts";

const count = 20_000;
const words =
  "certified forklift operator welder nurse night shift chicago warehouse payroll specialist driver customer service electrician maintenance analyst developer bilingual recruiter clerk billing machine cnc lathe cook technician boston dallas denver ohio".split(
    " ",
  );
const random = seeded(1);
const question = (): string =>
  Array.from({ length: 8 }, () => words[Math.floor(random() * words.length)]).join(" ");

const home = temporaryDirectory("bench-playbooks");
let stack: PlaybookStack;
beforeAll(async () => {
  const directory = join(home.path, "matrixd");
  await makeDirectory(directory);
  const path = join(directory, "playbooks.log");
  const log = await openLineLog({
    path,
    format: "lakehouse.playbooks",
    version: 1,
    kept: await keptIn(directory),
    replay: () => {},
  });
  const at = new Date().toISOString();
  const usual = { corpus: "workers", score: 1, tags: [], helpful: 1, harmful: 0 };
  const times = { created_at: at, updated_at: at, confirmed_at: at };
  await log.rewrite(
    Array.from({ length: count }, (_, number) => ({
      put: [
        {
          playbook_id: `p${number}`,
          query_text: question(),
          answer_id: `w${number % 200}`,
          ...usual,
          ...times,
        },
      ],
      gone: [],
    })),
  );
  await log.close();
  stack = await startPlaybookStack({ directory: home.path, settings: { max_playbooks: 2 * count } });
}, 120_000);
afterAll(async () => {
  await stack.stop();
  home.remove();
});

test("playbooks: matching among 20,000", async () => {
  const first = await timed(() => stack.match(question()));
  const filled = await timed(async () => {
    while (stack.embedded.flat().length < count) await stack.match(question());
  });
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const before = process.cpuUsage();
  const all = await latencies(30, () => stack.match(question()));
  clearInterval(timer);
  const { user, system } = process.cpuUsage(before);
  const processor = (user + system) / 1000 / all.length;
  report("playbooks: match among 20,000 wordings", {
    "the first, ms": first,
    "until all are embedded, ms": filled,
    "p50, ms": quantile(all, 0.5),
    "p99, ms": quantile(all, 0.99),
    "processor time of one, ms": processor,
    "longest wait of others, ms": longest,
  });
  expect(all).toHaveLength(30);
}, 300_000);

test("playbooks: recorded durably", async () => {
  let number = 0;
  const record = () =>
    stack.verbs.record({
      query_text: `new ${++number}`,
      corpus: "jobs",
      answer_id: number % 2 === 0 ? "j1" : "j2",
    });
  const judged = () => stack.verbs.helpful({ playbook_id: `p${++number % count}` });
  const alone = await throughput(100, 1, judged);
  const together = await throughput(2000, 64, judged);
  report("playbooks: changes a second, each on stable storage", {
    "one caller": alone,
    "64 callers (group commit)": together,
    "recordings of two answers": await throughput(200, 16, record),
  });
}, 120_000);
