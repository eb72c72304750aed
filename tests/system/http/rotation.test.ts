import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Lake, prepare, rotateUnderLoad, startLake, statusesOf } from "../../support/faults/rotation.ts";

/** The campaign, tests/campaigns/faults/rotation.ts, does the same for as long as it is told. */
const rate = 100;
const stepMs = 600;
const tokens = { old: "old-7f3a9c51e0b24d68", next: "new-51c0de77a9b3e2f4" };

describe.each(["one", "apart"] as const)("a rotation, services in %p process", (mode) => {
  let lake: Lake;
  beforeAll(async () => {
    lake = await startLake(mode, tokens.old);
    await prepare(lake, tokens.old);
  });
  afterAll(() => lake?.end(), 60_000);

  test("fails no request, and ends with the old token refused everywhere", async () => {
    expect(new Set(await statusesOf(lake, tokens.next))).toEqual(new Set([401]));
    const outcome = await rotateUnderLoad(lake, tokens, { rate, stepMs, seed: 4711 });
    const { sent, ok, failed, openMax } = outcome;
    process.stderr.write(`${mode}: ${sent} sent, ${failed.length} failed, ${openMax} open at most\n`);
    expect(failed).toEqual([]);
    expect(sent).toBeGreaterThanOrEqual((rate * 4 * stepMs) / 1000);
    for (const kind of ["put", "get", "sql", "list", "search", "add", "health"])
      expect([kind, ok[kind] ?? 0]).toEqual([kind, expect.any(Number) as never]);
    expect(Object.values(ok).reduce((sum, count) => sum + count)).toBe(sent);
    expect(new Set(await statusesOf(lake, tokens.old))).toEqual(new Set([401]));
    expect(new Set(await statusesOf(lake, tokens.next))).toEqual(new Set([200]));
    for (const token of Object.values(tokens)) expect(lake.printed()).not.toContain(token);
  });
});
