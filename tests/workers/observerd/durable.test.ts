/** Snapshots of operations and reviews while files roll over, and what an inspection finds. */
import { afterEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Durable } from "../../../runtime/durable/inspection.ts";
import { findingsOf, flipIn, restoreSnapshot } from "../../support/durability/durable.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import {
  type InProcessObserverd,
  type ObserverdOptions,
  startObserverd,
} from "../../support/stacks/observerd.ts";

/** Files begin and go all the time. */
const small = { segment_bytes: 8192, retained_bytes: 120_000, chat_calls: false };
const directories: ReturnType<typeof temporaryDirectory>[] = [];
const open: InProcessObserverd[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.stop();
  for (const { remove } of directories.splice(0)) remove();
});

const directory = (): string => {
  const made = temporaryDirectory("observerd");
  directories.push(made);
  return made.path;
};
const start = async (
  dataDir: string,
  more: Pick<ObserverdOptions, "adopted"> = {},
): Promise<InProcessObserverd> => {
  const started = await startObserverd({ dataDir, section: small, ...more });
  open.push(started);
  return started;
};
const durableOf = ({ running }: InProcessObserverd) => running.durable as Durable;

const operation = (endpoint: string) => ({
  endpoint,
  success: true,
  duration_ms: 1,
  input_summary: "x".repeat(200),
});

test("a snapshot taken while files begin and go has all that was acknowledged, and no operation twice", async () => {
  const observer = await start(directory());
  let acknowledged = 0;
  let reviewed = 0;
  let isOver = false;
  const writer = async () => {
    for (; !isOver; acknowledged++) await observer.peer.verbs.event(operation(`/e/${acknowledged}`));
  };
  const reviewer = async () => {
    for (; !isOver; reviewed++)
      await observer.peer.verbs.review({ task: "say hello", output: `hello ${reviewed}` });
  };
  const writers = [writer(), writer(), writer(), writer(), reviewer()];
  const firsts = new Set<string>();
  for (let round = 0; round < 8; round++) {
    for (let more = 0; more < 40; more++) await observer.peer.verbs.event(operation(`/round/${round}`));
    const before = acknowledged + (round + 1) * 40;
    const reviewsBefore = reviewed;
    const snapshot = await durableOf(observer).snapshot();
    const after = await observer.peer.verbs.stats({});
    const copy = directory();
    const paths = await restoreSnapshot(snapshot, join(copy, "observerd"));
    firsts.add(paths.filter((path) => path.startsWith("operations-")).sort()[0] ?? "");
    const restored = await start(copy);
    expect(restored.running.notReady?.()).toEqual([]);
    const { total } = await restored.peer.verbs.stats({});
    expect(total).toBeGreaterThanOrEqual(before);
    expect(total).toBeLessThanOrEqual(after.total);
    expect(await findingsOf(durableOf(restored))).toEqual([]);
    const reviews = (await Bun.file(join(copy, "observerd", "reviews.log")).text()).split("\n").length - 2;
    expect(reviews).toBeGreaterThanOrEqual(reviewsBefore);
    expect(await findingsOf(durableOf(observer))).toEqual([]);
  }
  isOver = true;
  await Promise.all(writers);
  // Old files went meanwhile, or the test shows nothing of it.
  expect(firsts.size).toBeGreaterThan(1);
});

test("a flipped bit is found in a file that is over, in the one at hand and among the reviews", async () => {
  const path = directory();
  const observer = await start(path);
  for (let at = 0; at < 60; at++) await observer.peer.verbs.event(operation(`/event/${at}-`));
  await observer.peer.verbs.review({ task: "say hello", output: "hello there" });
  // A file that is about to begin has begun then.
  await (await durableOf(observer).snapshot()).end();
  const kept = join(path, "observerd");
  const files = readdirSync(kept)
    .filter((name) => name.startsWith("operations-"))
    .sort();
  expect(files.length).toBeGreaterThan(2);
  flipIn(join(kept, files[0] as string), "/event/5-");
  await observer.peer.verbs.event(operation("/event/last-"));
  flipIn(join(kept, files.at(-1) as string), "/event/last-");
  flipIn(join(kept, "reviews.log"), "hello there");
  const findings = await findingsOf(durableOf(observer));
  expect(findings.map(({ place, problem }) => `${place}: ${problem}`)).toEqual([
    "observerd/reviews.log line 2: its checksum does not hold",
    expect.stringMatching(/^observerd\/operations-00000001\.log line \d+: its checksum does not hold$/),
    "observerd/operations-00000002.log: 1 operations that came before it are in no file",
    expect.stringMatching(new RegExp(`^observerd/${files.at(-1)} line \\d+: its checksum does not hold$`)),
  ]);
});

test("the remedy is true: without the line that cannot be read the service is whole again", async () => {
  const path = directory();
  const first = await start(path);
  for (const output of ["hello one", "hello two", "hello three"])
    await first.peer.verbs.review({ task: "say hello", output });
  const log = join(path, "observerd", "reviews.log");
  flipIn(log, "hello two");
  const [finding] = await findingsOf(durableOf(first));
  expect(finding?.remedy).toContain("delete line 3 of reviews.log (sed -i 3d)");
  await open.pop()?.stop();
  await Bun.$`sed -i 3d ${log}`;
  const missing = await start(path);
  expect(missing.running.notReady?.()).toEqual([expect.stringContaining("--adopt=observerd/reviews.log")]);
  await open.pop()?.stop();
  const again = await start(path, {
    adopted: (place) => finding?.remedy.includes(`--adopt=${place}`) ?? false,
  });
  expect(again.running.notReady?.()).toEqual([]);
  expect(await findingsOf(durableOf(again))).toEqual([]);
});
