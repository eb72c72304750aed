/** Answers that are remembered, on a disk that fills up and by a clock that is set back and forward. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { systemClock } from "../../runtime/clock.ts";
import { openIdempotency } from "../../runtime/idempotency.ts";
import { temporaryDirectory } from "../support/in-process.ts";
import { makeSmallDisk, mountable } from "../support/small-disk.ts";

const hour = 3_600_000;

test.skipIf(!mountable.includes("tmpfs"))(
  "an answer that a full disk could not keep is told, kept by the repetition, and nothing is done twice",
  async () => {
    const disk = makeSmallDisk("tmpfs", 256 * 1024);
    try {
      let log = await openIdempotency(disk.path, systemClock);
      let runs = 0;
      const work = async () => ({ run: ++runs, text: "x".repeat(10_000) });
      await log.once("before", "f", work);
      disk.fill(4096);
      for (let repetition = 0; repetition < 2; repetition++)
        await expect(log.once("full", "f", work)).rejects.toMatchObject({
          type: "storage_full",
          message: expect.stringMatching(/this was carried out.*the disk is full.*with the same key/),
        });
      expect(log.once("full", "other", work)).rejects.toMatchObject({ type: "idempotency_conflict" });
      disk.empty();
      expect((await log.once("full", "f", work)).run).toBe(2);
      expect((await log.once("after", "f", work)).run).toBe(3);
      await log.close();
      log = await openIdempotency(disk.path, systemClock);
      for (const [at, key] of ["before", "full", "after"].entries())
        expect((await log.once(key, "f", work)).run).toBe(at + 1);
      await log.close();
    } finally {
      disk.remove();
    }
  },
);

test("a torn log is opened on a full disk", async () => {
  if (!mountable.includes("tmpfs")) return;
  const disk = makeSmallDisk("tmpfs", 256 * 1024);
  try {
    let log = await openIdempotency(disk.path, systemClock);
    await log.once("a", "f", async () => "first");
    await log.close();
    const path = `${disk.path}/idempotency.log`;
    const whole = readFileSync(path);
    await Bun.write(path, Buffer.concat([whole, Buffer.from("0000000000000000 {")]));
    disk.fill();
    log = await openIdempotency(disk.path, systemClock);
    expect(await log.once("a", "f", async () => "second")).toBe("first");
    await log.close();
    expect(readFileSync(path)).toEqual(whole);
  } finally {
    disk.remove();
  }
});

test("no key ends early by a clock that is set back or forward, over starts as well, and each ends at last", async () => {
  const home = temporaryDirectory("idempotency");
  let wall = 1000 * hour;
  let elapsed = 0;
  const clock = { ...systemClock, now: () => wall, elapsed: () => elapsed };
  let runs = 0;
  const work = async () => ++runs;
  let log = await openIdempotency(home.path, clock);
  const reopen = async () => {
    await log.close();
    log = await openIdempotency(home.path, clock);
  };
  await log.once("a", "f", work);
  wall -= 48 * hour;
  await log.once("behind", "f", work);
  wall += 1048 * hour;
  expect(await log.once("a", "f", work)).toBe(1);
  await log.once("ahead", "f", work);
  wall -= 1024 * hour;
  await reopen();
  wall += 24 * hour;
  await reopen();
  for (const [at, key] of ["a", "behind", "ahead"].entries())
    expect(await log.once(key, "f", work)).toBe(at + 1);
  elapsed += 25 * hour;
  for (const [at, key] of ["a", "behind", "ahead"].entries())
    expect(await log.once(key, "f", work)).toBe(at + 4);
  wall += 1048 * hour;
  await reopen();
  expect(await log.once("ahead", "f", work)).toBe(7);
  await log.close();
  home.remove();
});
