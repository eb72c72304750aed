/** pathwayd: durable adds beside a plain append + fsync of the same lines; searches of 100,000 traces; start; compaction. */
import { expect, test } from "bun:test";
import { closeSync, fdatasyncSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { inTurn, latencies, quantile, report, throughput, timed } from "../../support/campaigns/measure.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { lineOf, logPath, type Memory, openMemory } from "../../support/stacks/pathwayd.ts";

const rounds = 3;
const traces = 100_000;
const dimension = 64;
const random = seeded(1);
const vocabulary = Array.from({ length: 5000 }, (_, n) => `word${n.toString(36)}`);
/** Words as they occur in language: a few often, most seldom. */
const sentence = (words: number): string =>
  Array.from({ length: words }, () => vocabulary[Math.floor(random() ** 3 * vocabulary.length)]).join(" ");
const contentOf = () => ({ task: sentence(12), outcome: sentence(18) });

test("durable adds a second, alone and together, beside a plain append and fsync", async () => {
  const { path, remove } = temporaryDirectory("bench-pathwayd");
  const memory = await openMemory(path);
  try {
    const contents = Array.from({ length: 512 }, contentOf);
    const content = () => contents[Math.floor(random() * contents.length)];
    const plain = async (calls: number): Promise<number> => {
      const file = openSync(join(path, "plain"), "w");
      const ms = await timed(() => {
        for (let n = 0; n < calls; n++) {
          writeSync(
            file,
            lineOf({ kind: "add", uid: `t${n}`, content: content(), tags: ["x"], seq: n, at: n }),
          );
          fdatasyncSync(file);
        }
      });
      closeSync(file);
      return calls / (ms / 1000);
    };
    for (const [concurrency, calls] of [
      [1, 400],
      [16, 3000],
      [128, 12_000],
    ] as const) {
      const { verbs } = memory;
      const rates = await inTurn(rounds, {
        plain: () => plain(400),
        add: () => throughput(calls, concurrency, () => verbs.add({ content: content(), tags: ["x"] })),
      });
      report(`pathwayd.adds_${concurrency}_at_once`, {
        adds_per_s: rates.add,
        plain_fsync_per_s: rates.plain,
        ratio: rates.add / rates.plain,
      });
      expect(rates.add).toBeGreaterThan(0);
    }
  } finally {
    await memory.stop();
    remove();
  }
});

test(`searches of ${traces} traces, a start and a compaction`, async () => {
  const { path, remove } = temporaryDirectory("bench-pathwayd");
  let memory: Memory = await openMemory(path);
  try {
    let n = 0;
    await throughput(traces, 512, () =>
      memory.verbs.add({
        uid: `t${++n}`,
        content: contentOf(),
        tags: [`tag${n % 1000}`, n % 2 ? "odd" : "even"],
        embedding: Array.from({ length: dimension }, () => random() - 0.5),
      }),
    );
    await throughput(50_000, 512, () => memory.verbs.replay({ uid: `t${1 + Math.floor(random() * 1000)}` }));
    const middle = (await memory.verbs.get({ uid: `t${traces / 2}` })).created_at;
    const vector = Array.from({ length: dimension }, () => random() - 0.5);
    const { verbs } = memory;
    const searches = {
      newest: () => verbs.search({}),
      tag: () => verbs.search({ tags: [`tag${Math.floor(random() * 1000)}`] }),
      text_rare: () => verbs.search({ text: `word${(4000 + Math.floor(random() * 900)).toString(36)}` }),
      text_three_words: () => verbs.search({ text: sentence(3) }),
      vector: () => verbs.search({ vector }),
      tag_as_of: () => verbs.search({ tags: ["tag7"], as_of: middle }),
      text_as_of_again: () => verbs.search({ text: sentence(3), as_of: middle }),
    };
    report("pathwayd.text_as_of_first", { ms: await timed(() => searches.text_as_of_again()) });
    for (const [name, call] of Object.entries(searches)) {
      const ms = await latencies(60, call);
      report(`pathwayd.search_${name}`, { p50_ms: quantile(ms, 0.5), p99_ms: quantile(ms, 0.99) });
    }
    const megabytes = () => statSync(logPath(path)).size / 1e6;
    const before = megabytes();
    const compaction = await timed(() => verbs.compact({}));
    report("pathwayd.compaction", { ms: compaction, mb_before: before, mb_after: megabytes() });
    await memory.stop();
    const start = await timed(async () => {
      memory = await openMemory(path);
    });
    report("pathwayd.start", { ms: start, resident_mb: process.memoryUsage.rss() / 1e6 });
    expect((await memory.verbs.stats({})).total).toBe(traces);
  } finally {
    await memory.stop();
    remove();
  }
}, 300_000);
