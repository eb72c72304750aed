/** The schedule: hundreds of replaces and appends leave few objects and versions, nobody waits for it, and every row is there. */
import { afterEach, expect, test } from "bun:test";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
afterEach(() => stack.stop());

const start = async (settings: Parameters<typeof startIngestStack>[2]) => {
  stack = await startIngestStack({}, {}, settings);
};
const few = { compact_min_objects: 4, keep_versions: 5, max_versions: 20, orphan_grace_days: 0 };
const state = () => stack.ingestd.peer.verbs.maintenance({});
/** Waits until what the schedule has done is as it should be; the suite's own limit ends it. */
const until = async (holds: () => Promise<boolean>) => {
  while (!(await holds())) await Bun.sleep(50);
};
const manifest = (name: string) => stack.catalogd.manifest({ name });

test("60 replaces and 60 appends leave few objects and versions", async () => {
  await start(few);
  for (let at = 0; at < 60; at++) {
    expect((await stack.ingest("replaced", `id\n${at}\n`)).status).toBe(200);
    expect((await stack.ingest("appended", `id\n${at}\n`, "&mode=append")).status).toBe(200);
  }
  await until(async () => {
    const [replaced, appended] = [await manifest("replaced"), await manifest("appended")];
    const lengths = [replaced, appended].map(({ version, first_version = 1 }) => version - first_version + 1);
    return appended.objects.length < 12 && Math.max(...lengths) <= 23;
  });
  expect(await stack.cells(await manifest("appended"))).toEqual(
    Array.from({ length: 60 }, (_, at) => [`${at}`]),
  );
  expect(await stack.cells(await manifest("replaced"))).toEqual([["59"]]);
  const named = new Set<string>();
  for (const name of ["replaced", "appended"])
    for (const { version } of (await stack.catalogd.versions({ name, page_size: 1000 })).versions)
      for (const { key } of (await stack.catalogd.manifest({ name, version })).objects) named.add(key);
  expect((await stack.objects()).length).toBeLessThanOrEqual(named.size + 8);
  const { steps, enabled, next_at } = await state();
  expect({ enabled, failed: [steps.compact.failed, steps.expire.failed] }).toEqual({
    enabled: true,
    failed: [0, 0],
  });
  expect(steps.compact.count).toBeGreaterThan(40);
  expect(steps.expire.count).toBeGreaterThan(30);
  expect(Date.parse(next_at ?? "")).toBeGreaterThan(0);
});

test("a dataset that cannot be merged is named, and the others are", async () => {
  await start(few);
  for (const name of ["bad", "good"])
    for (let at = 0; at < 5; at++) {
      await stack.ingest(name, `id\n${at}\n`, "&mode=append");
      // Before there is anything to merge.
      if (name === "bad" && at === 0)
        await stack.storaged.erase({ key: (await manifest("bad")).objects[0]?.key ?? "" });
    }
  await until(async () => {
    const { steps } = await state();
    return steps.compact.failed > 0 && (await manifest("good")).objects.length < 3;
  });
  expect((await state()).steps.compact.last_error).toMatchObject({
    name: "bad",
    error: expect.stringContaining("is missing"),
  });
  expect((await manifest("bad")).objects).toHaveLength(5);
});

test("without a schedule nothing is done by itself", async () => {
  await start({ ...few, maintenance: false });
  expect(await state()).toMatchObject({ enabled: false, steps: { compact: { runs: 0 } } });
  expect((await state()).next_at).toBeUndefined();
});
