/** Files of observerd that lack what was acknowledged: reviews are closed; operations are served as far as they are there. */
import { afterEach, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Durable } from "../../../../runtime/durable/inspection.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import { losses } from "../../../support/durability/losses.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import {
  type InProcessObserverd,
  type ObserverdOptions,
  startObserverd,
} from "../../../support/stacks/observerd.ts";

const directories: { remove: () => void }[] = [];
let service: InProcessObserverd | undefined;
afterEach(async () => {
  await service?.stop();
  service = undefined;
  for (const { remove } of directories.splice(0)) remove();
});

const fresh = (): string => {
  const made = temporaryDirectory("observerd-losses");
  directories.push(made);
  return made.path;
};
/** Starts on the directory; what ran before is stopped. */
const start = async (
  dataDir: string,
  more: Pick<ObserverdOptions, "adopted"> = {},
): Promise<InProcessObserverd> => {
  await service?.stop();
  service = undefined;
  const section = { segment_bytes: 4096, chat_calls: false, ring_operations: 1000 };
  service = await startObserverd({ dataDir, section, ...more });
  return service;
};
const record = async ({ peer }: InProcessObserverd, count: number) => {
  for (let n = 0; n < count; n++)
    await peer.verbs.event({
      endpoint: "/v1/sql",
      success: true,
      duration_ms: n,
      attributes: { pad: "x".repeat(300) },
    });
};
const review = ({ peer }: InProcessObserverd, output: string) =>
  peer.verbs.review({ task: "say hello", output });
const reasonsOf = ({ running }: InProcessObserverd) => running.notReady?.() ?? [];
const placesOf = async ({ running }: InProcessObserverd) =>
  (await findingsOf(running.durable as Durable)).map(({ place }) => place);
const segmentsIn = (dataDir: string) =>
  readdirSync(join(dataDir, "observerd"))
    .filter((name) => name.startsWith("operations-"))
    .sort();

/** 38 operations in several files and three reviews; `older` is how it was before the last of each. */
async function filled() {
  const dataDir = fresh();
  const older = fresh();
  const first = await start(dataDir);
  await record(first, 37);
  await review(first, "hello one");
  await review(first, "hello two");
  cpSync(dataDir, older, { recursive: true });
  await record(first, 1);
  await review(first, "hello three");
  await first.stop();
  service = undefined;
  return { dataDir, older };
}

const inPlace = losses.filter(({ name }) => !name.includes("folder"));

describe.each(inPlace)("reviews.log $name", ({ inflict }) => {
  test("closes the reviews by name, and nothing else", async () => {
    const { dataDir, older } = await filled();
    const path = join(dataDir, "observerd", "reviews.log");
    inflict(path, readFileSync(join(older, "observerd", "reviews.log")));
    const wasThere = existsSync(path);
    const again = await start(dataDir);
    expect(reasonsOf(again)).toEqual([expect.stringContaining("--adopt=observerd/reviews.log")]);
    await expect(review(again, "hello four")).rejects.toMatchObject({ type: "corrupt" });
    await expect(again.peer.verbs.distill({})).rejects.toMatchObject({ type: "corrupt" });
    expect(await placesOf(again)).toEqual(["observerd/reviews.log"]);
    expect(existsSync(path)).toBe(wasThere);
    await record(again, 1);
    expect((await again.peer.verbs.stats({})).total).toBe(39);
    const accepted = await start(dataDir, { adopted: (place) => place === "observerd/reviews.log" });
    expect(reasonsOf(accepted)).toEqual([]);
    await review(accepted, "hello five");
    expect(reasonsOf(await start(dataDir))).toEqual([]);
  });
});

describe.each(inPlace)("a file of operations $name", ({ name, inflict }) => {
  test.each(["the newest", "a middle one"])(
    "%s, is named; what is there is served, and recording goes on",
    async (which) => {
      const { dataDir, older } = await filled();
      const files = segmentsIn(dataDir);
      expect(files.length).toBeGreaterThan(3);
      const file = files.at(which === "the newest" ? -1 : 2) ?? "";
      const path = join(dataDir, "observerd", file);
      const whole = readFileSync(path);
      // A file that is over was smaller once, too.
      const earlier =
        which === "the newest"
          ? readFileSync(join(older, "observerd", file))
          : whole.subarray(0, whole.indexOf(10) + 1);
      inflict(path, earlier);
      const place = `observerd/${file}`;
      let again = await start(dataDir);
      for (let time = 0; time < 2; time++) {
        expect(reasonsOf(again).filter((reason) => reason.includes(`--adopt=${place}`))).toHaveLength(1);
        expect((await placesOf(again)).filter((each) => each === place).length).toBeGreaterThan(0);
        const { total } = await again.peer.verbs.stats({});
        if (which === "a middle one") expect(total).toBe(38 + time);
        else expect(total).toBeLessThan(38 + time + 1);
        await record(again, 1);
        expect((await again.peer.verbs.stats({})).total).toBe(total + 1);
        again = await start(dataDir);
        expect((await again.peer.verbs.stats({})).total).toBe(total + 1);
      }
      if (name === "removed") expect(existsSync(path)).toBe(false);
      again = await start(dataDir, { adopted: (each) => each === place });
      expect(reasonsOf(again).filter((reason) => reason.includes("--adopt"))).toEqual([]);
      again = await start(dataDir);
      expect(reasonsOf(again).filter((reason) => reason.includes("--adopt"))).toEqual([]);
    },
  );
});

test("a whole folder that is gone is named with all that was in it, and its files are not begun anew", async () => {
  const { dataDir } = await filled();
  const files = segmentsIn(dataDir);
  rmSync(join(dataDir, "observerd"), { recursive: true });
  mkdirSync(join(dataDir, "observerd"));
  const again = await start(dataDir);
  const places = await placesOf(again);
  for (const file of [...files, "reviews.log"]) {
    expect(reasonsOf(again).join("\n")).toContain(`observerd/${file}: the file is gone`);
    expect(places).toContain(`observerd/${file}`);
  }
  await record(again, 2);
  expect(segmentsIn(dataDir).some((name) => files.includes(name))).toBe(false);
});
