/**
 * kill -9 at random instants: every acknowledged write is there whole, none is half there. The suite runs a short
 * slice; a campaign is `LAKEHOUSE_KILLS=300 LAKEHOUSE_SEED=7 bun test tests/workers/storaged/kill.test.ts`.
 */
import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { collect } from "../../../workers/storaged/bucket/streams.ts";
import { openLocalBucket } from "../../../workers/storaged/local/local.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { type Doom, killed } from "../../support/durability/killed.ts";
import { contentOf, writerKeys } from "../../support/durability/storage-writer.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const kills = Number(process.env.LAKEHOUSE_KILLS ?? 4);
const seed = Number(process.env.LAKEHOUSE_SEED ?? 1);
const { signal } = new AbortController();
const program = join(import.meta.dir, "../../support/durability/storage-writer.ts");

/** For each key the last N that was tried and the last that was acknowledged. */
type Progress = Map<string, { tried: number; acked: number }>;

async function runAndKill(root: string, round: { seed: number; first: number } & Doom): Promise<Progress> {
  const progress: Progress = new Map();
  for (const line of await killed([program, root, String(round.seed), String(round.first)], round)) {
    const [what, key = "", n = ""] = line.split(" ");
    const known = progress.get(key) ?? { tried: 0, acked: 0 };
    progress.set(key, { ...known, [what === "ack" ? "acked" : "tried"]: Number(n) });
  }
  return progress;
}

test(`${kills} kills lose no acknowledged write and leave no half one`, async () => {
  const directory = temporaryDirectory("kill");
  const random = seeded(seed);
  const settled = new Map(writerKeys.map((key) => [key, 0]));
  let first = 1;
  let acknowledged = 0;
  let found = 0;
  for (let kill = 0; kill < kills; kill++) {
    const begun = first;
    const progress = await runAndKill(directory.path, {
      seed: seed + kill,
      first,
      lines: 1 + Math.floor(random() * 300),
      moreMs: random() * 10,
    });
    const bucket = await openLocalBucket({
      name: "killed",
      root: directory.path,
      newId: () => crypto.randomUUID(),
      clock: systemClock,
    });
    expect(await readdir(join(directory.path, ".lakehouse/staging"))).toEqual([]);
    const listed = await bucket.list({ prefix: "", pageSize: 100, signal });
    expect(listed.corrupt).toEqual([]);
    for (const key of writerKeys) {
      const { tried = 0, acked = 0 } = progress.get(key) ?? {};
      const before = Math.max(acked, settled.get(key) ?? 0);
      const content = await bucket.open(key, undefined, signal).then(
        ({ body }) => collect(body),
        (error) => (error.type === "not_found" ? undefined : Promise.reject(error)),
      );
      const candidates = tried > before ? [before, tried] : [before];
      const is = candidates.find((n) => {
        const expected = contentOf(key, n);
        return expected && content ? Buffer.compare(expected, content) === 0 : expected === content;
      });
      if (is === undefined)
        throw new Error(`kill ${kill} of seed ${seed}: ${key} holds none of ${candidates}`);
      expect(listed.objects.some((object) => object.key === key)).toBe(content !== undefined);
      settled.set(key, is);
      acknowledged += acked > 0 ? acked - begun + 1 : 0;
      found += 1;
      first = Math.max(first, tried + 1);
    }
    expect(bucket.notReady()).toEqual([]);
  }
  expect(found).toBe(kills * writerKeys.length);
  expect(acknowledged).toBeGreaterThan(kills);
  process.stderr.write(`${kills} kills, ${acknowledged} acknowledged operations\n`);
  directory.remove();
});
